//! What comes from the client: bytes, frames, the login.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use password_hash::rand_core::{OsRng, RngCore as _};
use serde_json::json;
use stompbox_broker::{BrokerError, Command, ConnectionId, Identity, Time};
use stompbox_proto::{Decoder, FrameRef, Version, server::Event};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, Entry, INFLATED, MOST_HELD, relay::Relayed};
use crate::{
    acl::Guard,
    events::connection_id,
    gateway::{Act, Failure},
    peer::About,
    requests::{Client, Refusal},
    users::Principal,
    websocket::{CloseCode, Received},
};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes bytes that came from the socket.
    pub(super) fn receive(&mut self, input: &mut [u8]) {
        let (now, length) = (self.now(), input.len());
        self.session.heard(now);
        let mut decoder = self.decoder.take().unwrap_or_else(|| self.new_decoder());
        let Some(mut websocket) = self.websocket.take() else {
            self.decode(&mut decoder, input, now);
            self.decoder = Some(decoder);
            self.count_received(length);
            return;
        };
        let mut rest = input;
        let mut end = None;
        let mut inflated = 0;
        while self.end.is_none() && !self.quitting && !self.refused {
            match websocket.receive(rest) {
                Received::Nothing => break,
                Received::Bytes { used, payload } => {
                    self.is_binary = websocket.is_binary();
                    self.decode(&mut decoder, &rest[payload], now);
                    rest = &mut rest[used..];
                }
                Received::Deflated {
                    used,
                    payload,
                    last,
                } => {
                    let made = websocket.inflate(&rest[payload], last, |chunk, is_binary| {
                        self.is_binary = is_binary;
                        self.decode(&mut decoder, chunk, now);
                        self.end.is_none() && !self.quitting && !self.refused
                    });
                    rest = &mut rest[used..];
                    match made {
                        Ok(made) => inflated += made,
                        Err(refusal) => {
                            end = Some(refusal);
                            break;
                        }
                    }
                    if inflated >= INFLATED || self.login.is_some() {
                        self.behind = rest.to_vec();
                        break;
                    }
                }
                Received::Close(code, reason) => {
                    end = Some((code, reason));
                    break;
                }
            }
        }
        websocket.take_pongs(&mut self.out);
        self.websocket = Some(websocket);
        self.decoder = Some(decoder);
        self.count_received(length - self.behind.len());
        match end {
            Some((CloseCode::TooBig, reason)) => {
                let limit = self.shared.config.limits.body;
                let detail = format!(
                    "A WebSocket message is longer than a frame with a body of {limit} bytes may be.\n"
                );
                let code = [("x-error-code", "message-too-long")];
                self.session.error(reason, &detail, None, &code);
                self.end_with_words(CloseCode::TooBig, reason);
            }
            Some((code, reason)) => self.finish(code, reason),
            None => {}
        }
    }

    fn refuse_held(&mut self) {
        let reason = "too much before CONNECT is answered";
        let detail = format!("At most {MOST_HELD} bytes may follow CONNECT before its answer.\n");
        let code = [("x-error-code", "message-too-long")];
        self.login = None;
        self.session.error(reason, &detail, None, &code);
        self.end_with_words(CloseCode::TooBig, reason);
    }

    fn count_received(&mut self, bytes: usize) {
        let messages = mem::take(&mut self.arrived);
        let census = &self.shared.census;
        census.received(&self.outbox.peer, messages, bytes as u64);
    }

    /// Takes STOMP's bytes.
    fn decode(&mut self, decoder: &mut Decoder, mut input: &[u8], now: Duration) {
        let time = self.shared.hub.now();
        while !self.quitting && !self.refused && self.end.is_none() {
            if self.login.is_some() {
                match self.held.len() + input.len() > MOST_HELD {
                    false => self.held.extend_from_slice(input),
                    true => self.refuse_held(),
                }
                break;
            }
            let frame = match decoder.decode(&mut input, self.session.dialect()) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    self.tell_error("frame", &error.to_string());
                    self.session.decode_failed(&error);
                    let code = match error.is_limit() {
                        true => CloseCode::TooBig,
                        false => CloseCode::Protocol,
                    };
                    self.end_with_words(code, &error.to_string());
                    break;
                }
            };
            let repeats = frame.repeats_head();
            if repeats
                && let Some(template) = &self.template
                && let Some(message) = template.message(frame.body())
            {
                self.arrived += 1;
                self.commands.push(Command::Send {
                    transaction: None,
                    receipt: None,
                    message: Arc::new(message),
                });
                continue;
            }
            match self.session.receive(&frame, now) {
                Ok(Event::Connect {
                    login,
                    passcode,
                    frame,
                    ..
                }) => {
                    if let Err(error) = self.introduce(&frame, login.as_deref()) {
                        let message = error.to_string();
                        let code = [("x-error-code", error.code())];
                        self.session
                            .error(&message, &format!("{message}.\n"), None, &code);
                        self.end_with_words(CloseCode::Protocol, &message);
                        break;
                    }
                    let shared = Arc::clone(&self.shared);
                    if let Some(gateway) = &shared.gateway {
                        let (login, passcode) = (login.as_deref(), passcode.as_deref());
                        self.introduce_to(gateway, &frame, login, passcode);
                        continue;
                    }
                    let login = login.map(|it| it.into_owned());
                    let passcode = passcode.map(|it| it.into_owned());
                    if shared.users.is_empty() {
                        self.welcome(Principal::anonymous());
                    } else {
                        self.login = Some(Box::pin(async move {
                            let verified =
                                shared.users.verify(login.as_deref(), passcode.as_deref());
                            verified.await.map(Entry::Broker).ok_or_else(Failure::login)
                        }));
                    }
                }
                Ok(event) => self.request(event, repeats, time),
                Err(error) => {
                    let error = error.to_string();
                    self.tell_error("protocol", &error);
                    self.end_with_words(CloseCode::Protocol, &error);
                }
            }
        }
    }

    /// Notes whom a client says to be.
    fn introduce(&mut self, frame: &FrameRef<'_>, login: Option<&str>) -> Result<(), BrokerError> {
        *self.identity = Identity {
            login: login.unwrap_or_default().into(),
            client_id: frame
                .header("client-id")
                .unwrap_or_default()
                .as_ref()
                .into(),
            dialect: match frame.header("x-dialect") {
                // Behind a gateway it is the broker's.
                Some(dialect) if self.shared.gateway.is_none() => Some(dialect.parse()?),
                _ => None,
            },
            ..Identity::default()
        };
        Ok(())
    }

    fn new_decoder(&self) -> Decoder {
        Decoder::new(self.shared.config.limits.clone())
    }

    /// `repeats`: the frame's head is that of the one before.
    fn request(&mut self, event: Event<'_>, repeats: bool, now: Time) {
        let receipt = match &event {
            Event::Send { receipt, .. } => {
                self.sends = true;
                self.arrived += 1;
                receipt
            }
            Event::Subscribe { receipt, .. } => {
                self.subscribes = true;
                receipt
            }
            Event::Unsubscribe { receipt, .. }
            | Event::Ack { receipt, .. }
            | Event::Nack { receipt, .. } => receipt,
            _ => &None,
        };
        let receipt: Option<Box<str>> = receipt.as_deref().map(Into::into);
        let quits = matches!(event, Event::Disconnect { .. });
        let command = match self.relay(&event) {
            Ok(Relayed::Done) => Ok(None),
            Ok(Relayed::Engine(act)) => self.command(event, act, now),
            Err(refusal) => Err(refusal),
        };
        match command {
            Ok(command) => {
                self.template = match &command {
                    Some(Command::Send {
                        transaction: None,
                        receipt: None,
                        message,
                    }) if repeats => message.template().map(Box::new),
                    _ => None,
                };
                self.commands.extend(command);
            }
            Err(refusal) => {
                let error = match refusal {
                    Refusal::Denied(denied) => BrokerError::AccessDenied {
                        reason: denied.to_string(),
                    },
                    Refusal::Invalid(error) => error,
                };
                self.commands.push(Command::Refuse { error, receipt });
                // The engine does nothing behind that; brokers would.
                self.refused |= self.relay.is_some();
            }
        }
        // Nothing follows a DISCONNECT.
        self.quitting |= quits;
    }

    /// The command that a frame is to the engine.
    fn command(
        &mut self,
        event: Event<'_>,
        act: Option<Act>,
        now: Time,
    ) -> Result<Option<Command>, Refusal> {
        // What the gateway gives to the engine it has asked its rules about.
        let mut open = self.relay.is_some().then(Guard::open);
        let mut client = Client {
            guard: open.as_mut().unwrap_or(&mut self.guard),
            broker: &self.shared.config.broker,
            version: self.session.version(),
            identity: &self.identity,
            run: &self.shared.run,
            now,
        };
        let mut command = client.command(event)?;
        if let Some(command) = &mut command {
            Self::adapt(command, act);
        }
        Ok(command)
    }

    pub(super) fn poll_login(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(login) = &mut self.login else {
            return false;
        };
        let Poll::Ready(verified) = login.as_mut().poll(cx) else {
            return false;
        };
        self.login = None;
        match verified {
            Ok(entry) => {
                match entry {
                    Entry::Broker(principal) => self.welcome(principal),
                    Entry::Gateway(admitted) => {
                        let principal = admitted.principal.clone();
                        self.admit(admitted, &principal);
                        self.welcome(principal);
                    }
                }
                let held = mem::take(&mut self.held);
                if !held.is_empty() {
                    let now = self.now();
                    let mut decoder = self.decoder.take().unwrap_or_else(|| self.new_decoder());
                    self.decode(&mut decoder, &held, now);
                    self.decoder = Some(decoder);
                }
            }
            Err(failure) => self.fail(&failure),
        }
        true
    }

    /// Counts a login that was refused, and tells those who watch.
    pub(super) fn tell_refused(&self) {
        let census = &self.shared.census;
        census.logins_refused.fetch_add(1, Ordering::Relaxed);
        self.shared.hub.tell("login-refused", || {
            json!({
                "login": self.identity.login.chars().take(80).collect::<String>(),
                "remote": self.outbox.peer.via.remote,
            })
        });
    }

    /// Notes who is there, for those who look.
    fn register(&self, id: ConnectionId, identity: &Identity) {
        let peer = &self.outbox.peer;
        let version = self.session.version();
        let ms = |it: Option<Duration>| {
            it.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
        };
        let (out, incoming) = self.session.heart_beat();
        let about = About {
            user: identity.login.clone(),
            client_id: identity.client_id.clone(),
            version,
            heart_beat: [ms(out), ms(incoming)],
            connected_at: self.shared.hub.now(),
        };
        // It comes in once.
        let _ = peer.about.set(Box::new(about));
        self.shared.census.enter(peer.via.transport, version);
        self.shared.hub.tell("connected", || {
            json!({
                "connection": connection_id(&self.shared.run, id),
                "user": identity.login,
                "client_id": identity.client_id,
                "remote": peer.via.remote,
                "transport": peer.via.transport.as_str(),
                "version": version.map(Version::as_str),
            })
        });
    }

    /// The client may come in.
    fn welcome(&mut self, principal: Principal) {
        let version = self.session.version();
        let identity = &mut *self.identity;
        // Without users a login proves nothing, but it is all there is.
        if let Some(login) = principal.login() {
            identity.login = login.into();
            identity.proven = true;
        }
        identity.reads_others = !self.shared.acl.rules().is_empty();
        identity.reply_token = token().into();
        identity.acks_by_message_id = version != Some(Version::V1_2);
        let identity = identity.clone();
        self.guard = Guard::new(Arc::clone(&self.shared.acl), principal);
        let id = self.shared.hub.connect(identity, &self.outbox);
        self.id = Some(id);
        if let Some(lobby) = self.lobby.take() {
            self.shared.lobby.leave(lobby);
        }
        let session_id = format!("{}-{}", self.shared.run, id.number());
        let now = self.now();
        self.session.accept(&session_id, &[], now);
        self.register(id, &self.identity);
        self.collect();
    }
}

/// What nobody can guess.
fn token() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
