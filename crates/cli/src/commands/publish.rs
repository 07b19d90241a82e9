//! `stompbox pub`.

use std::{
    collections::VecDeque,
    io::{IsTerminal as _, stderr, stdin},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use indicatif::{ProgressBar, ProgressStyle};
use stompbox::{
    Client, Closed, Farewell, PendingReceipt, ReceiptError, Send, SendError, Transaction,
    TransactionError,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::{
    args::Publish,
    exit::{Exit, Failure},
    target::{connect, headers, leave},
    template::fill,
};

/// Receipts that may be under way.
const PIPELINED: usize = 1000;

/// Sends one message, or one for each line or file, as often as wanted.
pub(crate) async fn run(args: Publish) -> Result<(), Failure> {
    let headers = headers("--header", &args.headers)?;
    let body = args.body.as_ref().or(args.message.as_ref());
    let body = body.filter(|body| *body != "-");
    let from_input = body.is_none() && args.file.is_empty() && args.size.is_none();
    if from_input && args.body.is_none() && stdin().is_terminal() {
        return Err("no body: give one as an argument, by --file or on standard input".into());
    }
    let mut files = Vec::new();
    for path in &args.file {
        let file = std::fs::read(path);
        files.push(file.map_err(|error| format!("can't read {}: {error}", path.display()))?);
    }
    let client = connect(&args.connect).await?;
    let mut sender = Sender::new(client, &args, own_headers(&args, &headers));
    let sending = async {
        if args.lines {
            let mut lines = BufReader::new(tokio::io::stdin()).lines();
            while let Some(line) = lines.next_line().await? {
                sender.send(line.as_bytes()).await?;
            }
            return sender.finish().await;
        }
        let bodies = match (files.is_empty(), body, args.size) {
            (false, ..) => files,
            (true, Some(body), _) => vec![body.clone().into_bytes()],
            (true, None, Some(size)) => vec![vec![b'x'; size]],
            (true, None, None) => {
                let mut body = Vec::new();
                tokio::io::stdin().read_to_end(&mut body).await?;
                vec![body]
            }
        };
        sender.expect(args.count.saturating_mul(bodies.len() as u64));
        for _ in 0..args.count {
            for body in &bodies {
                sender.send(body).await?;
            }
        }
        sender.finish().await
    };
    tokio::select! {
        result = sending => result,
        _ = tokio::signal::ctrl_c() => Err(Exit::interrupted()),
    }
}

/// The headers that options stand for, and those that were given.
fn own_headers(args: &Publish, given: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    if args.persistent {
        add("persistent", "true".into());
    }
    if let Some(ttl) = args.ttl {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = now.unwrap_or_default() + ttl;
        // ActiveMQ, Artemis and Apollo know the one, RabbitMQ the other.
        add("expires", at.as_millis().to_string());
        add("expiration", ttl.as_millis().to_string());
    }
    if let Some(delay) = args.delay {
        add("AMQ_SCHEDULED_DELAY", delay.as_millis().to_string());
        add("x-delay", delay.as_millis().to_string());
    }
    if let Some(reply_to) = &args.reply_to {
        add("reply-to", reply_to.clone());
    }
    if let Some(content_type) = &args.content_type {
        add("content-type", content_type.clone());
    }
    for (name, value) in given {
        add(name, (*value).to_owned());
    }
    headers
}

/// What a message says.
#[derive(Clone)]
struct Filled {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Filled {
    fn put_in(self, mut send: Send) -> Send {
        for (name, value) in &self.headers {
            send = send.header(name, value);
        }
        send.body(self.body)
    }
}

/// A transaction that is begun.
struct Open {
    transaction: Transaction,
    /// Its messages so far.
    count: u64,
    /// They themselves, if the connection is made again when it is lost.
    kept: Vec<Filled>,
}

/// A failure, unless it is that a transaction was lost with its connection, or may have been.
fn unless_lost(error: Failure) -> Result<(), Failure> {
    let is_lost = match error.downcast_ref() {
        Some(TransactionError::ConnectionLost) => true,
        Some(TransactionError::Unknown(why)) => matches!(**why, ReceiptError::ConnectionLost(_)),
        _ => matches!(error.downcast_ref(), Some(SendError::NoTransaction(_))),
    };
    if is_lost { Ok(()) } else { Err(error) }
}

/// Sends in the pace, and in the transactions, that are wanted.
struct Sender<'a> {
    client: Client,
    args: &'a Publish,
    headers: Vec<(String, String)>,
    receipts: VecDeque<PendingReceipt>,
    open: Option<Open>,
    number: u64,
    begun: Instant,
    progress: Option<ProgressBar>,
}

impl<'a> Sender<'a> {
    fn new(client: Client, args: &'a Publish, headers: Vec<(String, String)>) -> Self {
        Self {
            client,
            args,
            headers,
            receipts: VecDeque::new(),
            open: None,
            number: 0,
            begun: Instant::now(),
            progress: None,
        }
    }

    /// Shows how far it is, if that takes a while and somebody looks.
    fn expect(&mut self, messages: u64) {
        if messages > 1 && !self.args.quiet && stderr().is_terminal() {
            let style = "{bar:40} {pos}/{len}  {per_sec}  {eta}";
            let style = ProgressStyle::with_template(style);
            let bar = ProgressBar::new(messages);
            self.progress = Some(match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            });
        }
    }

    async fn send(&mut self, body: &[u8]) -> Result<(), Failure> {
        if let Some(rate) = self.args.rate {
            let due = self.begun + Duration::from_secs_f64(self.number as f64 / rate);
            tokio::time::sleep_until(due.into()).await;
        }
        let message = self.filled(body);
        self.number += 1;
        if self.args.tx.is_some() {
            self.send_in_transaction(message).await?;
        } else if self.args.no_receipt {
            message
                .put_in(self.client.send(&self.args.destination))
                .await?;
        } else {
            let send = message.put_in(self.client.send(&self.args.destination));
            self.receipts.push_back(send.pending_receipt().await?);
            if self.receipts.len() > PIPELINED
                && let Some(oldest) = self.receipts.pop_front()
            {
                oldest.wait().await?;
            }
        }
        if let Some(progress) = &self.progress {
            progress.inc(1);
        }
        Ok(())
    }

    /// The next message, filled in if that is wanted.
    fn filled(&self, body: &[u8]) -> Filled {
        if !self.args.template {
            return Filled {
                headers: self.headers.clone(),
                body: body.to_vec(),
            };
        }
        let filled = |text: &[u8]| fill(text, self.number, |_| None);
        let headers = self.headers.iter().map(|(name, value)| {
            let value = filled(value.as_bytes());
            (name.clone(), String::from_utf8_lossy(&value).into_owned())
        });
        Filled {
            headers: headers.collect(),
            body: filled(body),
        }
    }

    async fn send_in_transaction(&mut self, message: Filled) -> Result<(), Failure> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open {
                transaction: self.client.begin().await?,
                count: 0,
                kept: Vec::new(),
            }),
        };
        open.count += 1;
        let send = open.transaction.send(&self.args.destination);
        let is_last = Some(open.count) == self.args.tx;
        if self.args.connect.retry {
            let sent = message.clone().put_in(send).await;
            open.kept.push(message);
            // What is lost is begun anew where it would be committed.
            sent.map_err(Failure::from).or_else(unless_lost)?;
        } else {
            message.put_in(send).await?;
        }
        if is_last {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let mut result = self.end(open.transaction).await;
        while self.args.connect.retry
            && let Err(error) = result
        {
            unless_lost(error)?;
            result = self.repeat(&open.kept).await;
        }
        result
    }

    /// A transaction that was lost with its connection, once more.
    async fn repeat(&self, kept: &[Filled]) -> Result<(), Failure> {
        let transaction = self.client.begin().await?;
        for message in kept {
            let send = transaction.send(&self.args.destination);
            message.clone().put_in(send).await?;
        }
        self.end(transaction).await
    }

    async fn end(&self, transaction: Transaction) -> Result<(), Failure> {
        match self.args.no_receipt {
            true => transaction.commit().await?,
            false => transaction.commit_receipt().await?,
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Failure> {
        self.commit().await?;
        for receipt in self.receipts.drain(..) {
            receipt.wait().await?;
        }
        if let Some(progress) = &self.progress {
            progress.finish();
        }
        match self.args.no_receipt {
            // Only this tells that the server has them.
            true => match self.client.disconnect().await? {
                Farewell::Receipt => {}
                Farewell::Close => return Err(ReceiptError::Closed(Closed::ByServer).into()),
            },
            false => leave(&self.client).await?,
        }
        Ok(())
    }
}
