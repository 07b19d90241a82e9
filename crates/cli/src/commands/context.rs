//! `stompbox context`.

use std::{io::Write as _, path::PathBuf};

use serde_json::json;

use crate::{
    args::{ContextVerb, Output},
    contexts::{Context, Contexts},
    exit::Failure,
};

/// Looks after the contexts.
pub(crate) fn run(verb: ContextVerb) -> Result<(), Failure> {
    let mut contexts = Contexts::load()?;
    let mut out = std::io::stdout().lock();
    match verb {
        ContextVerb::Add {
            name,
            server,
            user,
            passcode_file,
            token_file,
            vhost,
            client_id,
            ca,
            admin,
            select,
        } => {
            let context = Context {
                server,
                user,
                passcode_file: passcode_file.map(whole).transpose()?,
                token_file: token_file.map(whole).transpose()?,
                vhost,
                client_id,
                ca: ca.map(whole).transpose()?,
                admin,
            };
            if select {
                contexts.selected = Some(name.clone());
            }
            contexts.context.insert(name, context);
            contexts.save()?;
        }
        ContextVerb::Ls { output } => list(&contexts, output, &mut out)?,
        ContextVerb::Select { name } => {
            contexts.get(&name)?;
            contexts.selected = Some(name);
            contexts.save()?;
        }
        ContextVerb::Show { name } => {
            let name = name.or_else(|| contexts.selected.clone());
            let name = name.ok_or("no context is selected: name one")?;
            write!(out, "{}", toml::to_string(contexts.get(&name)?)?)?;
        }
        ContextVerb::Rm { name } => {
            contexts.get(&name)?;
            contexts.context.remove(&name);
            if contexts.selected.as_ref() == Some(&name) {
                contexts.selected = None;
            }
            contexts.save()?;
        }
    }
    Ok(())
}

/// A file must be found from other folders too.
fn whole(path: PathBuf) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

fn list(contexts: &Contexts, output: Output, out: &mut dyn std::io::Write) -> Result<(), Failure> {
    let objects = contexts.context.iter().map(|(name, context)| {
        json!({
            "name": name,
            "selected": contexts.selected.as_ref() == Some(name),
            "server": context.server,
            "user": context.user,
            "admin": context.admin,
        })
    });
    match output {
        Output::Json => writeln!(out, "{:#}", objects.collect::<serde_json::Value>())?,
        Output::Ndjson => {
            for object in objects {
                writeln!(out, "{object}")?;
            }
        }
        _ => {
            for (name, context) in &contexts.context {
                let mark = match contexts.selected.as_ref() == Some(name) {
                    true => '*',
                    false => ' ',
                };
                let user = context.user.as_deref().unwrap_or_default();
                writeln!(
                    out,
                    "{mark} {name:<16} {:<40} {user}",
                    context.server.join(",")
                )?;
            }
        }
    }
    Ok(())
}
