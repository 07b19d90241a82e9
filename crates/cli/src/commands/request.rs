//! `stompbox req` and `stompbox reply`.

use std::io::{IsTerminal as _, stdin, stdout};

use futures_util::StreamExt as _;
use stompbox::AckMode;
use tokio::io::AsyncReadExt as _;

use crate::{
    args::{Reply, Request},
    execute::execute,
    exit::{Exit, Failure},
    render::Printer,
    target::{Target, acknowledge, connect, headers, leave, leave_soon},
};

/// Sends a request, and prints its reply.
pub(crate) async fn request(args: Request) -> Result<(), Failure> {
    let headers = headers("--header", &args.headers)?;
    let body = match args.body.as_deref() {
        Some(body) if body != "-" => body.as_bytes().to_vec(),
        None if stdin().is_terminal() => {
            return Err("no body: give one as an argument or on standard input".into());
        }
        _ => {
            let mut body = Vec::new();
            tokio::io::stdin().read_to_end(&mut body).await?;
            body
        }
    };
    let target = Target::of(&args.connect)?;
    let mut options = target.options(&args.connect)?;
    if let Some(queue) = &args.reply_queue {
        options = options.reply_queue(queue);
    }
    let client = target.connect(options).await?;
    let mut send = client.send(&args.destination).body(body);
    for (name, value) in headers {
        send = send.header(name, value);
    }
    let reply = tokio::select! {
        reply = send.request(args.wait) => reply?,
        _ = tokio::signal::ctrl_c() => return Err(Exit::interrupted()),
    };
    Printer::new(args.output, None, false)?.print(&mut stdout().lock(), &reply)?;
    leave(&client).await?;
    Ok(())
}

/// Answers requests until there were enough, or Ctrl-C.
pub(crate) async fn reply(args: Reply) -> Result<(), Failure> {
    let client = connect(&args.connect).await?;
    let requests = client
        .subscribe(&args.destination)
        .ack(AckMode::ClientIndividual);
    let mut requests = requests.await?;
    let mut answered = 0;
    while args.count.is_none_or(|count| answered < count) {
        let next = tokio::select! {
            next = requests.next() => next,
            _ = tokio::signal::ctrl_c() => {
                leave_soon(&client).await;
                return Err(Exit::interrupted());
            }
        };
        let Some(request) = next else {
            return Err("the connection has ended".into());
        };
        let request = request?;
        let Some(reply) = request.reply() else {
            eprintln!("stompbox: {} has no reply-to: not answered", request.id());
            acknowledge(&args.connect, &request, true).await?;
            continue;
        };
        let answer = match (&args.exec, &args.answer) {
            (Some(command), _) => {
                let done = execute(command, &request).await?;
                if !done.success {
                    // Others may do better.
                    eprintln!("stompbox: {command:?} failed for {}", request.id());
                    acknowledge(&args.connect, &request, false).await?;
                    continue;
                }
                done.output
            }
            (None, Some(answer)) => answer.clone().into_bytes(),
            (None, None) => request.body().to_vec(),
        };
        reply.body(answer).receipt().await?;
        acknowledge(&args.connect, &request, true).await?;
        answered += 1;
    }
    drop(requests);
    leave(&client).await?;
    Ok(())
}
