//! `stompbox passwd`.

use std::{
    fs,
    io::{ErrorKind, IsTerminal as _, Write as _, stdin, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use stompbox_server::User;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use crate::{Failure, args::Passwd, settings};

/// Makes a `[[user]]`.
pub(crate) fn run(args: &Passwd) -> Result<(), Failure> {
    let user = User::with_passcode(&args.login, &passcode()?)?
        .with_groups(&args.group)?
        .with_role(args.role);
    let Some(path) = &args.file else {
        let mut document = DocumentMut::new();
        put(&mut document, &user)?;
        return Ok(stdout().write_all(document.to_string().as_bytes())?);
    };
    let failed = |error| format!("can't use {}: {error}", path.display());
    // A link stays one: what it leads to is replaced.
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => path.clone(),
        found => found.map_err(failed)?,
    };
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.map_err(failed)?,
    };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        settings::located(&path, &text, error.span(), error.message())
    })?;
    put(&mut document, &user)?;
    replace(&path, &document.to_string()).map_err(failed)?;
    Ok(())
}

/// Asks twice on a terminal; elsewhere takes the first line.
fn passcode() -> Result<String, Failure> {
    let passcode = if stdin().is_terminal() {
        let passcode = rpassword::prompt_password("Passcode: ")?;
        if passcode != rpassword::prompt_password("Again: ")? {
            return Err("the passcodes differ".into());
        }
        passcode
    } else {
        let mut line = String::new();
        stdin().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if passcode.is_empty() {
        return Err("the passcode is empty".into());
    }
    Ok(passcode)
}

/// Adds the user, or gives the one of that login the new hash; its groups and role stay
/// unless others are given.
fn put(document: &mut DocumentMut, user: &User) -> Result<(), Failure> {
    let tables = document
        .entry("user")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or("the users in this file are not written as [[user]]")?;
    let login = |table: &Table| table.get("login").and_then(Item::as_str) == Some(user.login());
    let index = tables.iter().position(login);
    let index = match index {
        Some(index) => index,
        None => {
            let mut table = Table::new();
            table.insert("login", value(user.login()));
            tables.push(table);
            tables.len() - 1
        }
    };
    let table = tables.get_mut(index).ok_or("the user is gone")?;
    // What an old configuration may have, and no longer may.
    table.remove("passcode");
    table.insert("hash", value(user.hash()));
    if !user.groups().is_empty() {
        table.insert("groups", value(user.groups().iter().collect::<Array>()));
    }
    if let Some(role) = user.role() {
        table.insert("role", value(role.as_str()));
    }
    Ok(())
}

/// Writes a file in place of another at once, readable by as many as the other was; a new one by
/// nobody else.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    let mut write = || {
        if let Ok(old) = fs::metadata(path) {
            fs::set_permissions(&new, old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))
}
