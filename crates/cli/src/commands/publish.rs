//! `stompbox pub`.

use std::io::{IsTerminal as _, stdin};

use stompbox::{Client, PendingReceipt};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::{connect, parse_headers};
use crate::{Failure, args::Publish};

/// Receipts that may be under way with `--lines`.
const PIPELINED: usize = 1000;

/// Sends one message, or one for each line.
pub(crate) async fn run(args: Publish) -> Result<(), Failure> {
    let headers = parse_headers(&args.headers)?;
    if args.body.is_none() && args.file.is_none() && stdin().is_terminal() {
        return Err("no body: give one as an argument, by --file or on standard input".into());
    }
    let file = match &args.file {
        Some(path) => Some(
            std::fs::read(path)
                .map_err(|error| format!("can't read {}: {error}", path.display()))?,
        ),
        None => None,
    };
    let client = connect(&args.connect).await?;
    let mut receipts = std::collections::VecDeque::new();
    if args.lines {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            send(&client, &args, &headers, line.into_bytes(), &mut receipts).await?;
            if receipts.len() > PIPELINED
                && let Some(oldest) = receipts.pop_front()
            {
                PendingReceipt::wait(oldest).await?;
            }
        }
    } else {
        let body = match (file, &args.body) {
            (Some(file), _) => file,
            (None, Some(body)) => body.clone().into_bytes(),
            (None, None) => {
                let mut body = Vec::new();
                tokio::io::stdin().read_to_end(&mut body).await?;
                body
            }
        };
        send(&client, &args, &headers, body, &mut receipts).await?;
    }
    for receipt in receipts {
        receipt.wait().await?;
    }
    client.disconnect().await?;
    Ok(())
}

async fn send(
    client: &Client,
    args: &Publish,
    headers: &[(&str, &str)],
    body: Vec<u8>,
    receipts: &mut std::collections::VecDeque<PendingReceipt>,
) -> Result<(), Failure> {
    let mut send = client.send(&args.destination).body(body);
    for (name, value) in headers {
        send = send.header(name, value);
    }
    if args.no_receipt {
        send.await?;
    } else {
        receipts.push_back(send.pending_receipt().await?);
    }
    Ok(())
}
