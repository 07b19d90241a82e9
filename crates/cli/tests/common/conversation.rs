//! What the clients' verbs do with any broker, where `guest` may log in with the passcode `guest`.

use std::{fs, io::Write as _, process::Stdio};

use super::{stompbox, text};

type Ran = (Option<i32>, String, String);

/// A broker to talk to.
struct Peer<'a> {
    url: &'a str,
}

impl Peer<'_> {
    fn run_with(&self, args: &[&str], passcode: &str, input: &str) -> Ran {
        let login = [
            "-s",
            self.url,
            "-u",
            "guest",
            "--passcode",
            passcode,
            "--vhost",
            "/",
            "--timeout",
            "30s",
        ];
        let mut child = stompbox(&[args, &login[..]].concat())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Most take no input, and may have ended.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        text(&child.wait_with_output().unwrap())
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "guest", "")
    }

    fn good(&self, args: &[&str]) -> String {
        let (code, out, errors) = self.run(args);
        assert_eq!(code, Some(0), "{} {args:?}: {out}{errors}", self.url);
        out
    }
}

/// Runs all of them.
pub(crate) fn converse(url: &str) {
    let peer = Peer { url };
    let out = peer.good(&["rtt", "-n", "3"]);
    let is = |name: &str| out.contains(name);
    let name = format!("/queue/stompbox-{}-", std::process::id());
    let queue = |part: &str| format!("{name}{part}");
    sending_and_receiving(&peer, &queue("a"));
    refusing(&peer, &queue("e"), is("ActiveMQ"));
    browsing(&peer, &queue("b"), is("ActiveMQ/"));
    requests(&peer, &queue("r"));
    scripts(&peer, &queue("s"));
    measuring(&peer, &queue("m"));
    let (code, out, _) = peer.run(&["doctor"]);
    assert!(out.contains("a receipt in"), "{code:?} {out}");
    let (_, _, errors) = peer.run(&["pub", &queue("v"), "x", "-vv"]);
    assert!(
        errors.contains("passcode:****") && errors.contains("C> SEND"),
        "{errors}"
    );
    assert_eq!(peer.good(&["sub", &queue("v"), "-C", "1"]), "x\n");
    let (code, _, errors) = peer.run_with(&["pub", &queue("a"), "x"], "wrong", "");
    assert_eq!(code, Some(3), "{errors}");
}

fn sending_and_receiving(peer: &Peer<'_>, queue: &str) {
    peer.good(&["pub", queue, "%i", "--template", "-n", "5", "--persistent"]);
    assert_eq!(peer.good(&["sub", queue, "-C", "2"]), "0\n1\n");
    assert_eq!(
        peer.good(&["sub", queue, "-C", "3", "--prefetch", "1"]),
        "2\n3\n4\n"
    );
    assert_eq!(peer.run(&["sub", queue, "-W", "0.3"]).0, Some(5));
    peer.good(&["pub", queue, "x", "--tx", "2", "-n", "4"]);
    assert_eq!(peer.good(&["sub", queue, "-C", "4", "-F", "%b"]), "xxxx");
    let (code, _, errors) = peer.run_with(&["pub", queue, "--lines"], "guest", "one\ntwo\n");
    assert_eq!(code, Some(0), "{errors}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    peer.good(&["sub", queue, "-C", "2", "--save", path]);
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    let bodies: Vec<_> = files
        .iter()
        .map(|it| fs::read_to_string(it).unwrap())
        .collect();
    assert_eq!(bodies, ["one", "two"]);
}

/// What a command refuses comes again; ActiveMQ makes a dead letter of it, and Artemis drops it.
fn refusing(peer: &Peer<'_>, queue: &str, is_gone: bool) {
    peer.good(&["pub", queue, "x"]);
    let command = "test \"$STOMP_REDELIVERED\" = true && echo again";
    let exec = ["sub", queue, "--prefetch", "1", "--exec", command, "-C"];
    match is_gone {
        false => assert_eq!(peer.good(&[&exec[..], &["2"]].concat()), "again\n"),
        true => {
            assert_eq!(peer.good(&[&exec[..], &["1"]].concat()), "");
            assert_eq!(peer.run(&["sub", queue, "-W", "0.3"]).0, Some(5));
        }
    }
}

fn browsing(peer: &Peer<'_>, queue: &str, can_browse: bool) {
    peer.good(&["pub", queue, "look"]);
    let (code, out, errors) = peer.run(&["browse", queue]);
    match can_browse {
        true => assert_eq!((code, &*out), (Some(0), "look\n"), "{errors}"),
        // It would take the messages.
        false => assert!(
            code == Some(1) && errors.contains("not known to let"),
            "{errors}"
        ),
    }
    assert_eq!(peer.good(&["sub", queue, "-C", "1"]), "look\n");
}

fn requests(peer: &Peer<'_>, queue: &str) {
    let login = [
        "-s",
        peer.url,
        "-u",
        "guest",
        "--passcode",
        "guest",
        "--vhost",
        "/",
    ];
    let reply = ["reply", queue, "-C", "1", "--exec", "tr a-z A-Z"];
    let mut reply = stompbox(&[&reply[..], &login].concat()).spawn().unwrap();
    assert_eq!(peer.good(&["req", queue, "ping", "-W", "30s"]), "PING\n");
    assert!(reply.wait().unwrap().success());
}

fn scripts(peer: &Peer<'_>, queue: &str) {
    let script = format!(
        "sub {queue} client\npub {queue} one\nwait -W 30s 1\nack all\n\
         begin\npub {queue} never\nabort\nbegin\npub {queue} two\ncommit\n\
         wait -W 30s 1\nack all\nunsub {queue}\n"
    );
    let (code, out, errors) = peer.run_with(&["shell", "-o", "raw"], "guest", &script);
    assert_eq!((code, &*out), (Some(0), "one\ntwo\n"), "{errors}");
}

fn measuring(peer: &Peer<'_>, queue: &str) {
    let out = peer.good(&[
        "bench", "pubsub", queue, "-n", "500", "--window", "50", "--json",
    ]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["received"], &report["lost"]),
        (&500.into(), &0.into())
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    // Artemis has one address for both, if they have one name.
    let topic = queue.replace("/queue/", "/topic/t-");
    let scenario = format!(
        "[[group]]\nname = \"in\"\nclients = 2\n\
         setup = [{{ subscribe = \"{queue}\", ack = \"client-individual\" }}, {{ subscribe = \"{topic}\" }}]\n\
         [[group]]\nname = \"out\"\nclients = 3\nrounds = 20\nstart = \"500ms\"\n\
         steps = [{{ publish = \"{queue}\", receipt = true }}, {{ publish = \"{topic}\" }}]\n"
    );
    fs::write(file.path(), scenario).unwrap();
    let out = peer.good(&["sim", file.path().to_str().unwrap(), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    // Of the queue each message comes once, of the topic to both.
    assert_eq!(report["groups"][0]["received"], 180, "{out}");
}
