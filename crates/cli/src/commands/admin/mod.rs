//! The verbs that look after a running broker, over its admin listener.

mod act;
mod api;
mod ask;
mod durable;
mod error;
mod events;
mod kick;
mod list;
mod model;
mod place;
mod show;
mod table;
mod text;
mod top;

use std::io::{Write as _, stdout};

use serde_json::Value;

use crate::{args::Report, exit::Failure};

pub(crate) use act::{move_messages, purge, replay};
pub(crate) use durable::durable;
pub(crate) use error::ApiError;
pub(crate) use events::events;
pub(crate) use kick::kick;
pub(crate) use list::list;
pub(crate) use show::show;
pub(crate) use top::top;

/// Prints what was done.
fn report(output: Report, words: &str, object: &Value) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match output {
        Report::Text => writeln!(out, "{words}")?,
        Report::Json => writeln!(out, "{}", text::json(object, true))?,
        Report::Ndjson => writeln!(out, "{}", text::json(object, false))?,
    }
    Ok(())
}
