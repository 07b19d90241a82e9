//! What the verbs do.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use stompbox::{Client, Send, Transaction};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    complete::Known,
    inbox::{Counts, Inbox, Kept, lock},
    line::{self, Arguments},
    screen::Screen,
    verbs::{self, Verb},
};
use crate::{
    args::duration,
    commands::subscribe::ack_mode,
    exit::{Exit, Failure, TIMEOUT},
    frames::printable,
};

/// How deep scripts may run scripts.
const DEEPEST: usize = 16;

/// How long `req` and `wait` wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

/// A subscription, which a task reads.
struct Listening {
    destination: String,
    ack: String,
    end: oneshot::Sender<Vec<(String, String)>>,
    task: JoinHandle<()>,
}

/// A transaction, and what was acknowledged in it.
struct Open {
    transaction: Transaction,
    settled: Vec<Kept>,
}

/// A connection, and what was begun over it.
pub(super) struct Session {
    client: Client,
    screen: Screen,
    inbox: Arc<Inbox>,
    known: Arc<Mutex<Known>>,
    subscriptions: BTreeMap<String, Listening>,
    /// The last is the one in which things happen.
    transactions: Vec<Open>,
    /// Messages for which `wait` has waited.
    awaited: u64,
}

impl Session {
    pub(super) fn new(client: Client, screen: Screen, known: Arc<Mutex<Known>>) -> Self {
        Self {
            client,
            screen,
            inbox: Arc::new(Inbox::new(Arc::clone(&known))),
            known,
            subscriptions: BTreeMap::new(),
            transactions: Vec::new(),
            awaited: 0,
        }
    }

    /// Does what a line says.
    pub(super) async fn execute(&mut self, line: &str, depth: usize) -> Result<Next, Failure> {
        if let Some(failure) = lock(&self.inbox.failure).take() {
            return Err(failure);
        }
        let (name, rest) = line::verb(line);
        if name.is_empty() || name.starts_with('#') {
            return Ok(Next::Go);
        }
        let entry = verbs::find(name)
            .ok_or_else(|| format!("no verb {name:?}: help lists those that there are"))?;
        let arguments = line::arguments(rest, entry.words.len(), entry.has_body)?;
        if arguments.words.len() < entry.least || (entry.has_body && arguments.body.is_none()) {
            return Err(entry.expected().into());
        }
        match entry.verb {
            Verb::Quit => return Ok(Next::Quit),
            Verb::Run => {
                let path = word(&arguments, 0);
                return Box::pin(self.run(path, depth + 1)).await;
            }
            Verb::Send | Verb::SendReceipt | Verb::SendReply | Verb::SendFile => {
                self.send(entry.verb, &arguments).await?;
            }
            Verb::Request => self.request(&arguments).await?,
            Verb::Subscribe => self.subscribe(&arguments).await?,
            Verb::Unsubscribe => self.unsubscribe(&arguments).await?,
            Verb::Ack | Verb::Nack => {
                self.acknowledge(&arguments, entry.verb == Verb::Ack)
                    .await?;
            }
            Verb::Begin => self.begin().await?,
            Verb::Commit | Verb::Abort => {
                let is_commit = entry.verb == Verb::Commit;
                self.end(arguments.words.first(), is_commit).await?;
            }
            Verb::Wait => self.wait(&arguments).await?,
            Verb::Sleep => tokio::time::sleep(duration(word(&arguments, 0))?).await,
            Verb::Stats => self.stats(arguments.words.first())?,
            Verb::Version => self.version()?,
            Verb::Help => {
                let about = arguments.words.first().map(String::as_str);
                let text = verbs::help(about);
                let text = text.ok_or_else(|| format!("no verb {:?}", word(&arguments, 0)))?;
                self.screen.answer(&text)?;
            }
        }
        Ok(Next::Go)
    }

    /// Does what is in a file.
    pub(super) async fn run(&mut self, path: &str, depth: usize) -> Result<Next, Failure> {
        if depth > DEEPEST {
            return Err(format!("{path}: scripts run scripts more than {DEEPEST} deep").into());
        }
        let text =
            fs::read_to_string(path).map_err(|error| format!("can't read {path}: {error}"))?;
        for (at, line) in text.lines().enumerate() {
            match self.execute(line, depth).await {
                Ok(Next::Go) => {}
                Ok(Next::Quit) => return Ok(Next::Quit),
                Err(error) => return Err(Exit::at(&format!("{path}, line {}", at + 1), error)),
            }
        }
        Ok(Next::Go)
    }

    async fn send(&mut self, verb: Verb, arguments: &Arguments) -> Result<(), Failure> {
        let destination = word(arguments, 0);
        let body = match verb {
            Verb::SendFile => {
                let path = word(arguments, 1);
                fs::read(path).map_err(|error| format!("can't read {path}: {error}"))?
            }
            _ => arguments.body.clone().unwrap_or_default().into_bytes(),
        };
        let mut send = self.message(destination, arguments);
        if verb == Verb::SendReply {
            send = send.header("correlation-id", word(arguments, 1));
        }
        let length = body.len() as u64;
        send = send.body(body);
        // RabbitMQ gives the receipt with the transaction's own, at its end.
        match verb == Verb::Send || self.is_in_transaction(arguments) {
            true => send.await?,
            false => send.receipt().await?,
        }
        self.sent(length);
        Ok(())
    }

    /// A message in the transaction, if there is one, unless its headers name another.
    fn message(&self, destination: &str, arguments: &Arguments) -> Send {
        lock(&self.known).destination(destination);
        let mut send = match self.transactions.last() {
            Some(open) if !names_transaction(arguments) => open.transaction.send(destination),
            _ => self.client.send(destination),
        };
        for (name, value) in &arguments.headers {
            send = send.header(name, value);
        }
        send
    }

    fn is_in_transaction(&self, arguments: &Arguments) -> bool {
        !self.transactions.is_empty() || names_transaction(arguments)
    }

    fn sent(&self, bytes: u64) {
        if let Some(counts) = &mut *lock(&self.inbox.counts) {
            counts.sent += 1;
            counts.sent_bytes += bytes;
        }
    }

    async fn request(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let wait = patience(arguments)?;
        let body = arguments.body.clone().unwrap_or_default();
        let destination = word(arguments, 0);
        lock(&self.known).destination(destination);
        let mut send = self.client.send(destination);
        for (name, value) in &arguments.headers {
            send = send.header(name, value);
        }
        self.sent(body.len() as u64);
        let reply = send.body(body).request(wait).await?;
        if let Some(counts) = &mut *lock(&self.inbox.counts) {
            counts.received += 1;
            counts.received_bytes += reply.body().len() as u64;
        }
        self.screen.reply(&reply)
    }

    async fn subscribe(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let destination = word(arguments, 0);
        let mut ack = arguments.words.get(1).map_or("auto", String::as_str);
        let mut subscribe = self.client.subscribe(destination);
        for (name, value) in &arguments.headers {
            subscribe = match name.as_str() {
                "id" => subscribe.id(value),
                "ack" => {
                    ack = value;
                    subscribe
                }
                _ => subscribe.header(name, value),
            };
        }
        let mode = ack_mode(ack).map_err(|error| format!("{ack:?} is {error}"))?;
        let subscription = subscribe.ack(mode).receipt().await?;
        let id = subscription.id().to_owned();
        let (end, ends) = oneshot::channel();
        let (inbox, screen) = (Arc::clone(&self.inbox), self.screen.clone());
        let task = tokio::spawn(async move { inbox.pump(subscription, mode, screen, ends).await });
        {
            let mut known = lock(&self.known);
            known.destination(destination);
            let destination = destination.to_owned();
            known.subscriptions.insert(id.clone(), destination);
        }
        let listening = Listening {
            destination: destination.to_owned(),
            ack: mode.to_string(),
            end,
            task,
        };
        self.screen
            .done(&format!("{id} subscribed to {destination}, ack {mode}"))?;
        self.subscriptions.insert(id, listening);
        Ok(())
    }

    async fn unsubscribe(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let name = word(arguments, 0);
        let of = |(id, it): &(&String, &Listening)| *id == name || it.destination == name;
        let ids: Vec<_> = self.subscriptions.iter().filter(of).collect();
        let id = match ids[..] {
            [(id, _)] => id.clone(),
            [] => return Err(format!("no subscription {name:?}: stats lists them").into()),
            _ => return Err(format!("{name:?} are several: name one by its id").into()),
        };
        let Some(listening) = self.subscriptions.remove(&id) else {
            return Ok(());
        };
        lock(&self.known).subscriptions.remove(&id);
        // One that ended with the connection wants nothing any more.
        let _ = listening.end.send(arguments.headers.clone());
        let _ = listening.task.await;
        self.inbox.forget(&id);
        self.screen.done(&format!("{id} is ended"))
    }

    async fn acknowledge(&mut self, arguments: &Arguments, consumed: bool) -> Result<(), Failure> {
        let id = word(arguments, 0);
        let subscription = arguments.words.get(1).map(String::as_str);
        let messages = self.inbox.select(id, subscription);
        if messages.is_empty() {
            return Err(match id {
                "all" => "no message waits for ack or nack".into(),
                id => format!("no message {id:?} waits for ack or nack").into(),
            });
        }
        for kept in messages {
            let message = &kept.message;
            let transaction = self.transactions.last().map(|open| &open.transaction);
            let result = match (transaction, consumed) {
                (Some(transaction), true) => message.ack_in(transaction).await,
                (Some(transaction), false) => message.nack_in(transaction).await,
                (None, true) => message.ack().await,
                (None, false) => message.nack().await,
            };
            if let Err(error) = result {
                if matches!(error, stompbox::AckError::ConnectionLost) {
                    // It comes again.
                    self.inbox.settle(&kept);
                }
                return Err(error.into());
            }
            let settled = self.inbox.settle(&kept);
            if let Some(open) = self.transactions.last_mut() {
                open.settled.extend(settled);
            }
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        let transaction = self.client.begin().await?;
        self.screen.done(&format!("{} begun", transaction.id()))?;
        let settled = Vec::new();
        self.transactions.push(Open {
            transaction,
            settled,
        });
        self.tell_transactions();
        Ok(())
    }

    async fn end(&mut self, id: Option<&String>, is_commit: bool) -> Result<(), Failure> {
        let at = match id {
            None => self.transactions.len().checked_sub(1),
            Some(id) => self
                .transactions
                .iter()
                .position(|open| open.transaction.id() == id),
        };
        let Some(at) = at else {
            return Err(match id {
                Some(id) => format!("no open transaction {id:?}").into(),
                None => "no transaction is open".into(),
            });
        };
        let open = self.transactions.remove(at);
        self.tell_transactions();
        let id = open.transaction.id().to_owned();
        if is_commit {
            open.transaction.commit_receipt().await?;
            return self.screen.done(&format!("{id} committed"));
        }
        self.inbox.put_back(open.settled);
        open.transaction.abort().await?;
        self.screen.done(&format!("{id} aborted"))
    }

    fn tell_transactions(&self) {
        let ids = self.transactions.iter();
        lock(&self.known).transactions = ids.map(|it| it.transaction.id().to_owned()).collect();
    }

    async fn wait(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let number = word(arguments, 0);
        let number: u64 = number
            .parse()
            .map_err(|_| format!("{number:?} is no number of messages"))?;
        let limit = patience(arguments)?;
        let until = self.awaited.saturating_add(number);
        let mut arrived = self.inbox.arrived.subscribe();
        let waiting = arrived.wait_for(|count| *count >= until);
        let found = tokio::time::timeout(limit, waiting).await.is_ok();
        if let Some(failure) = lock(&self.inbox.failure).take() {
            return Err(failure);
        }
        let came = *self.inbox.arrived.borrow() - self.awaited;
        if !found {
            let text = format!("{came} of {number} messages came in time");
            return Err(Exit::failure(TIMEOUT, text));
        }
        self.awaited = until;
        Ok(())
    }

    fn stats(&self, switch: Option<&String>) -> Result<(), Failure> {
        let mut counts = lock(&self.inbox.counts);
        match switch.map(String::as_str) {
            Some("on") => *counts = Some(Counts::new()),
            Some("off") => *counts = None,
            Some(other) => return Err(format!("expected: stats [on|off], not {other:?}").into()),
            None => {
                let mut text = String::new();
                // Nothing fails in writing to a String.
                if let Some(counts) = &*counts {
                    let _ = writeln!(
                        text,
                        "sent {} messages, {} bytes; received {}, {} bytes; in {:.1} s",
                        counts.sent,
                        counts.sent_bytes,
                        counts.received,
                        counts.received_bytes,
                        counts.since.elapsed().as_secs_f64(),
                    );
                } else {
                    let _ = writeln!(text, "nothing is counted: stats on begins it");
                }
                for (id, it) in &self.subscriptions {
                    let _ = writeln!(
                        text,
                        "{id} subscribed to {}, ack {}",
                        it.destination, it.ack
                    );
                }
                for open in &self.transactions {
                    let _ = writeln!(text, "{} begun", open.transaction.id());
                }
                match self.inbox.waiting() {
                    0 => {}
                    count => drop(writeln!(
                        text,
                        "messages that wait for ack or nack: {count}"
                    )),
                }
                drop(counts);
                self.screen.answer(&text)?;
            }
        }
        Ok(())
    }

    fn version(&self) -> Result<(), Failure> {
        let server = self.client.connected_header("server");
        self.screen.answer(&format!(
            "stompbox {}, STOMP {} with {}\n",
            env!("CARGO_PKG_VERSION"),
            self.client.version(),
            printable(
                server
                    .as_deref()
                    .unwrap_or("a server that does not name itself")
            ),
        ))
    }
}

/// A word; that there are enough of them was looked at.
fn word(arguments: &Arguments, at: usize) -> &str {
    arguments.words.get(at).map_or("", String::as_str)
}

fn names_transaction(arguments: &Arguments) -> bool {
    arguments.headers.iter().any(|(n, _)| n == "transaction")
}

fn patience(arguments: &Arguments) -> Result<Duration, Failure> {
    match &arguments.wait {
        Some(time) => Ok(duration(time).map_err(|error| format!("-W {time:?}: {error}"))?),
        None => Ok(PATIENCE),
    }
}
