//! What of STOMP works between the Rust client and a broker, a line of JSON for each capability:
//!
//! ```json
//! {"server":"RabbitMQ/3.10.8"}
//! {"capability":"queue","ok":true}
//! {"capability":"selector-queue","ok":false,"seen":"a message came that the selector excludes"}
//! ```
//!
//! `cargo xtask interop` runs it for each broker, beside its twin for the JavaScript client,
//! `js/probe.mjs`, which does the same step by step.

mod broker;
mod checks;
mod seen;
mod session;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use broker::Broker;
use clap::Parser;
use seen::{Outcome, Seen};
use session::Target;

/// How long a capability may take, beyond which it does not work.
const LIMIT: Duration = Duration::from_secs(60);

/// The check that waits more than it works.
const IDLE: &str = "heart-beats";

/// Try what works with a broker.
#[derive(Debug, Parser)]
struct Args {
    /// stomp://HOST:PORT or ws://HOST:PORT/PATH.
    url: String,
    /// What it is: a file FOLDER/KIND.json says how it spells things.
    #[arg(long)]
    kind: String,
    /// The folder of those files.
    #[arg(long)]
    brokers: PathBuf,
    /// The URL is that of a gateway, and this is the broker behind it.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    #[arg(long)]
    login: Option<String>,
    #[arg(long)]
    passcode: Option<String>,
    /// The `host` header. [default: the kind's, or the URL's host]
    #[arg(long)]
    host: Option<String>,
    /// Only these capabilities.
    #[arg(long)]
    only: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Seen(problem)) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Outcome {
    let broker = Broker::read(&args.brokers, &args.kind, args.gateway.is_some())?;
    let target = Target {
        host: args.host.or_else(|| broker.host.clone()),
        direct: args.gateway.unwrap_or_else(|| args.url.clone()),
        url: args.url,
        login: args.login,
        passcode: args.passcode,
        broker,
        run: format!("{:08x}", fastrand::u32(..)),
    };
    print(&serde_json::json!({ "server": target.server().await? }));
    let is_wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|it| it == name);
    let done = async |name: &str| {
        let result = tokio::time::timeout(LIMIT, checks::check(name, &target)).await;
        let late = || Seen(format!("it was not done within {} s", LIMIT.as_secs()));
        let result = result.unwrap_or_else(|_| Err(late()));
        print(&match result {
            Ok(()) => serde_json::json!({ "capability": name, "ok": true }),
            Err(Seen(text)) => {
                let seen = text.replace(&target.run, "RUN");
                serde_json::json!({ "capability": name, "ok": false, "seen": seen })
            }
        });
    };
    // One is idle for most of its time, so the others are done meanwhile.
    let idle = async {
        if is_wanted(IDLE) {
            done(IDLE).await;
        }
    };
    let others = async {
        for name in checks::ALL {
            if name != IDLE && is_wanted(name) {
                done(name).await;
            }
        }
    };
    tokio::join!(idle, others);
    Ok(())
}

fn print(line: &serde_json::Value) {
    println!("{line}");
}
