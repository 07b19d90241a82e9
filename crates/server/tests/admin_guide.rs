//! The commands of `docs/admin.md`, as they stand there.

mod common;
#[path = "common/http.rs"]
mod http;

use common::{TestServer, header};
use http::{Answer, Http, with_admin};
use serde_json::Value;
use stompbox_server::Config;

const GUIDE: &str = include_str!("../../../docs/admin.md");

/// What a line of the guide asks for.
#[derive(Debug, Default)]
struct Curl {
    method: Option<String>,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Curl {
    /// Reads what a shell would read, as far as the guide needs it.
    fn of(line: &str, variables: &[(&str, &str)]) -> Self {
        let mut curl = Self::default();
        let words = words(line, variables);
        let mut words = words.into_iter().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("a value");
            match &*word {
                "-N" => {}
                "-X" => curl.method = Some(value()),
                "-d" => curl.body = Some(value()),
                "-H" => {
                    let header = value();
                    let (name, text) = header.split_once(": ").expect("a header");
                    curl.headers.push((name.into(), text.into()));
                }
                option if option.starts_with('-') => panic!("{option} is not known here"),
                _ => curl.url = word,
            }
        }
        curl
    }

    fn path(&self) -> &str {
        let at = self.url.strip_prefix("http://127.0.0.1:61680");
        at.unwrap_or_else(|| panic!("{self:?}"))
    }

    async fn run(&self, http: &Http) -> Answer {
        let mut http = http.clone();
        for (name, value) in &self.headers {
            http = http.with(name, value);
        }
        let default = if self.body.is_some() { "POST" } else { "GET" };
        let method = self.method.as_deref().unwrap_or(default);
        let body = self.body.as_deref().unwrap_or_default();
        http.ask(method, self.path(), body).await
    }
}

fn words(line: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        let last = words.last_mut().expect("a word");
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => last.push(c),
        }
    }
    assert_eq!(quote, None, "{line}");
    for word in &mut words {
        for (name, value) in variables {
            *word = word.replace(name, value);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The blocks of the guide: their languages, and what is in them.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts = GUIDE.split("```").collect::<Vec<_>>();
    let blocks = parts.iter().skip(1).step_by(2);
    blocks
        .map(|block| block.split_once('\n').expect("a language"))
        .collect()
}

/// Whether an answer has all that the guide shows, and of the same types.
fn is_like(shown: &Value, answer: &Value) -> Result<(), String> {
    match (shown, answer) {
        (Value::Object(shown), Value::Object(answer)) => {
            for (key, value) in shown {
                let found = answer
                    .get(key)
                    .ok_or_else(|| format!("there is no {key}"))?;
                is_like(value, found).map_err(|error| format!("{key}: {error}"))?;
            }
            let unknown = answer.keys().find(|key| !shown.contains_key(*key));
            match unknown.filter(|_| !shown.is_empty()) {
                Some(key) => Err(format!("{key} is not shown")),
                None => Ok(()),
            }
        }
        (Value::Array(shown), Value::Array(answer)) => match (shown.first(), answer.first()) {
            (Some(shown), Some(answer)) => is_like(shown, answer),
            (None, _) => Ok(()),
            (Some(_), None) => Err("nothing is in it".into()),
        },
        (Value::Null, Value::Null)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => Ok(()),
        _ => Err(format!("{answer} is not as {shown}")),
    }
}

#[tokio::test]
async fn the_commands_of_the_guide_do_what_it_says() {
    let server = TestServer::with(with_admin(Config::default())).await;
    let http = Http::new(server.admin);
    let mut ann = server
        .client_as("1.2", "login:ann\nclient-id:phone\n")
        .await;
    ann.done("SUBSCRIBE\nid:s\ndestination:/queue/inbox", "")
        .await;
    let mut bob = server.client_as("1.2", "login:bob\n").await;
    bob.done(
        "SUBSCRIBE\nid:news\ndestination:/topic/news\ndurable:true",
        "",
    )
    .await;
    bob.done("UNSUBSCRIBE\nid:news", "").await;
    let mut carl = server.client("1.2").await;
    carl.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/orders\nack:client-individual",
        "",
    )
    .await;
    carl.send("SEND\ndestination:/queue/orders\n\nbad\0").await;
    let frame = carl.message("bad").await;
    let ack = header(&frame, "ack").unwrap().to_owned();
    carl.done(&format!("NACK\nid:{ack}\nrequeue:false"), "")
        .await;
    carl.done("UNSUBSCRIBE\nid:s", "").await;
    for kind in ["test", "real", "real"] {
        carl.done(
            &format!("SEND\ndestination:/queue/orders\nkind:{kind}"),
            "1",
        )
        .await;
    }
    let connections = http.get("/api/v1/connections?filter=ann").await.ok();
    let id = connections["items"][0]["id"].as_str().unwrap().to_owned();
    let durable = http.get("/api/v1/durable-subscriptions").await.ok();
    let key = durable["items"][0]["key"].as_str().unwrap().to_owned();
    let variables = [("$ID", &*id), ("$KEY", &*key)];

    let (mut commands, mut shapes) = (0, 0);
    let mut last = None;
    for (language, block) in blocks() {
        if language == "json" {
            let shown = serde_json::from_str(block).expect("JSON");
            let answer: Option<Answer> = last.take();
            let answer = answer.expect("a command before it").json();
            is_like(&shown, &answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
            shapes += 1;
        }
        if language != "sh" {
            continue;
        }
        for line in block.lines() {
            let curl = Curl::of(line, &variables);
            commands += 1;
            if curl.path().contains("/events") {
                let (_, query) = curl.path().split_once('?').unwrap();
                drop(http.follow(&format!("?{query}")).await);
                continue;
            }
            if curl.path().contains("/destination?name=/queue/audit") {
                // What the move brought.
                let path = "/api/v1/messages?destination=/queue/audit";
                let moved = http.get(path).await.ok();
                assert_eq!(moved["items"].as_array().unwrap().len(), 1);
                curl.run(&http).await.fault(409, "in-use");
                let it = serde_json::json!({ "destination": "/queue/audit" });
                http.post("/api/v1/purge", &it).await.ok();
            }
            let answer = curl.run(&http).await;
            assert_eq!(answer.status, 200, "{line}: {answer:?}");
            let count = |name: &str| answer.json()[name].clone();
            match curl.path().trim_start_matches("/api/v1/") {
                "replay" => assert_eq!(count("replayed"), 1),
                "move" => assert_eq!(count("moved"), 1),
                // Two, the one of `publish`, and the one of `replay`.
                "purge" => assert_eq!(count("purged"), 4),
                "connections?user=bob" => assert_eq!(count("kicked"), 1),
                _ => {}
            }
            last = Some(answer);
        }
    }
    assert_eq!((commands, shapes), (19, 4));
    ann.error("kicked").await;
    bob.error("kicked").await;
    server.stop().await;
}

#[test]
fn the_guide_has_all_kinds_of_events() {
    for kind in [
        "connected",
        "dead-letter",
        "destination-created",
        "destination-removed",
        "disconnected",
        "draining",
        "error",
        "login-refused",
        "memory",
        "missed",
        "slow-consumer",
        "subscribed",
        "unsubscribed",
    ] {
        let row = format!("`{kind}`");
        assert!(GUIDE.contains(&row), "{kind}");
    }
}
