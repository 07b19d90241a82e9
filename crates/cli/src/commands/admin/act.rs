//! `stompbox purge`, `move` and `replay`.
//!
//! They are done in batches, so that no answer takes long, and it can be seen how far they are.

use std::{
    fmt,
    io::{IsTerminal as _, stderr},
};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};

use super::{
    api::{Api, query},
    ask::ask,
    error::ApiError,
    model::{Destination, read},
    report,
    text::{messages, plain, rate},
};
use crate::{
    args::{Move, Purge, Replay, Which},
    exit::{Exit, Failure, NOTHING, SERVER_ERROR},
};

/// Messages of one call.
const BATCH: u64 = 1000;
/// Of what could not be replayed so many are told.
const TOLD: usize = 20;

/// What is to be done with which messages.
struct Act<'a> {
    /// Below `/api/v1`, and what the answer calls their number.
    path: &'a str,
    done: &'a str,
    /// For the question.
    verb: &'a str,
    destination: &'a str,
    to: Option<&'a str>,
    /// Where they go, in words.
    whither: String,
    which: &'a Which,
}

/// Removes messages.
pub(crate) async fn purge(args: Purge) -> Result<(), Failure> {
    let act = Act {
        path: "/purge",
        done: "purged",
        verb: "Purge",
        destination: &args.destination,
        to: None,
        whither: String::new(),
        which: &args.which,
    };
    act.run(Api::of(&args.admin)?).await
}

/// Moves messages.
pub(crate) async fn move_messages(args: Move) -> Result<(), Failure> {
    let act = Act {
        path: "/move",
        done: "moved",
        verb: "Move",
        destination: &args.destination,
        to: Some(&args.to),
        whither: format!(" to {}", plain(&args.to)),
        which: &args.which,
    };
    act.run(Api::of(&args.admin)?).await
}

/// Sends dead letters once more.
pub(crate) async fn replay(args: Replay) -> Result<(), Failure> {
    let whither = match &args.to {
        Some(to) => format!(" to {}", plain(to)),
        None => " to where they came from".into(),
    };
    let act = Act {
        path: "/replay",
        done: "replayed",
        verb: "Replay",
        destination: &args.destination,
        to: args.to.as_deref(),
        whither,
        which: &args.which,
    };
    act.run(Api::of(&args.admin)?).await
}

/// How far it is.
#[derive(Default)]
struct Progress {
    done: u64,
    /// The first of those that stay, and how many there are.
    skipped: Vec<Value>,
    skipped_count: u64,
}

impl Act<'_> {
    async fn run(&self, mut api: Api) -> Result<(), Failure> {
        let path = query("/destination", &[("name", Some(self.destination))]);
        let destination: Destination = read(&api.get(&path).await?)?;
        if self.which.selector.is_some() && destination.kind == "stream" {
            // It could remove its oldest alone, whatever the selector says.
            let name = plain(self.destination);
            return Err(format!("{name} is a stream: --selector is for queues").into());
        }
        // Those that come meanwhile are not meant: without an end, a busy queue would never be done.
        let most = destination.depth.min(self.which.limit.unwrap_or(u64::MAX));
        if most > 0 {
            let question = self.question(&destination, most, api.url());
            ask(&question, self.which.yes)?;
            api.let_go();
        }
        let bar = match most > BATCH && !self.which.quiet && stderr().is_terminal() {
            true => bar(most),
            false => ProgressBar::hidden(),
        };
        let mut progress = Progress::default();
        let result = tokio::select! {
            result = self.batches(&mut api, most, &bar, &mut progress) => result,
            _ = tokio::signal::ctrl_c() => Err(Exit::interrupted()),
        };
        bar.finish_and_clear();
        if let Err(error) = result {
            if progress.done > 0 {
                let done = messages(progress.done);
                let from = plain(self.destination);
                let verb = self.done;
                eprintln!("stompbox: at least {done} of {from} were {verb} before this");
            }
            return Err(error);
        }
        self.tell(&progress)
    }

    fn question(&self, destination: &Destination, most: u64, url: &str) -> String {
        let name = plain(self.destination);
        let (verb, whither) = (self.verb, &self.whither);
        match (&self.which.selector, most < destination.depth) {
            (Some(selector), _) => format!(
                "{verb} up to {} of {name}{whither}, of those that {selector:?} takes, at {url}?",
                messages(most),
            ),
            (None, true) => format!(
                "{verb} {most} of the {} in {name}{whither}, at {url}?",
                messages(destination.depth),
            ),
            (None, false) => format!(
                "{verb} the {} in {name}{whither}, at {url}?",
                messages(most)
            ),
        }
    }

    async fn batches(
        &self,
        api: &mut Api,
        most: u64,
        bar: &ProgressBar,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        while progress.done < most {
            let batch = BATCH.min(most - progress.done);
            let mut body = json!({ "destination": self.destination, "limit": batch });
            if let Some(selector) = &self.which.selector {
                body["selector"] = selector.as_str().into();
            }
            if let Some(to) = self.to {
                body["to"] = to.into();
            }
            let answer = match api.post(self.path, &body).await {
                Ok(answer) => answer,
                Err(error) => {
                    if let ApiError::Status { said, .. } = &error {
                        progress.done += number(said, self.done);
                    }
                    return Err(error.into());
                }
            };
            let done = number(&answer, self.done);
            if let Some(Value::Array(skipped)) = answer.get("skipped") {
                // They are met again with each batch: the last to be told has them all.
                progress.skipped.clone_from(skipped);
                let count = number(&answer, "skipped_count");
                progress.skipped_count = count.max(skipped.len() as u64);
            }
            progress.done += done;
            bar.set_position(progress.done);
            if done < batch {
                break;
            }
        }
        Ok(())
    }

    fn tell(&self, progress: &Progress) -> Result<(), Failure> {
        let Progress {
            done,
            skipped,
            skipped_count,
        } = progress;
        let from = plain(self.destination);
        let words = format!(
            "{} {} of {from}{}",
            self.done,
            messages(*done),
            self.whither
        );
        let mut object = json!({ self.done: done });
        if self.path == "/replay" {
            object["skipped"] = skipped.clone().into();
            object["skipped_count"] = (*skipped_count).into();
        }
        report(self.which.output, &words, &object)?;
        for one in skipped.iter().take(TOLD) {
            let text = |name: &str| {
                one.get(name)
                    .and_then(Value::as_str)
                    .unwrap_or("?")
                    .to_owned()
            };
            let (id, why) = (text("message_id"), text("why"));
            eprintln!("stompbox: {} stays: {}", plain(&id), plain(&why));
        }
        match (done, skipped_count) {
            (0, 0) => Err(Exit::failure(
                NOTHING,
                format!("nothing in {from} was {}", self.done),
            )),
            (_, 0) => Ok(()),
            (_, count) => {
                let text = format!("{} could not be {}", messages(*count), self.done);
                Err(Exit::failure(SERVER_ERROR, text))
            }
        }
    }
}

fn bar(most: u64) -> ProgressBar {
    let bar = ProgressBar::new(most);
    let speed = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = write!(out, "{}/s", rate(state.per_sec()));
    };
    match ProgressStyle::with_template("{bar:40} {pos}/{len}  {speed}  {eta}") {
        Ok(style) => bar.with_style(style.with_key("speed", speed)),
        Err(_) => bar,
    }
}

fn number(object: &Value, name: &str) -> u64 {
    object.get(name).and_then(Value::as_u64).unwrap_or(0)
}
