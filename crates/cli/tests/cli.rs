//! The built program: serve, pub and sub, and what they say when something is wrong.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, Output, Stdio},
};

fn stompbox(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in [
        "STOMPBOX_URL",
        "STOMPBOX_LOGIN",
        "STOMPBOX_PASSCODE",
        "STOMPBOX_USER",
    ] {
        command.env_remove(name);
    }
    command
}

struct Serve {
    child: Child,
    urls: [String; 2],
}

/// Nothing goes on running after a test that does not stop it, or fails.
impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serve {
    fn start(options: &[&str]) -> Self {
        let args = [
            &["serve", "--stomp", "127.0.0.1:0", "--http", "127.0.0.1:0"],
            options,
        ]
        .concat();
        let mut child = stompbox(&args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = |what: &str| {
            let line = lines.next().unwrap().unwrap();
            assert!(line.starts_with(what), "{line}");
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        let urls = [url("STOMP "), url("WebSocket ")];
        assert!(url("Pages ").starts_with("http://127.0.0.1:"));
        assert!(url("Chat ").ends_with("/chat/"));
        Self { child, urls }
    }

    /// SIGTERM, then the exit code and what was on standard error.
    fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (self.child.wait().unwrap().code(), errors)
    }
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn what_is_published_is_printed_over_both_transports() {
    let serve = Serve::start(&[]);
    for [to, from] in [[0, 1], [1, 0]] {
        let (to, from) = (&serve.urls[to], &serve.urls[from]);
        let publish = stompbox(&["pub", "/queue/a", "hello", "-H", "x:a:b", "--url", to])
            .output()
            .unwrap();
        assert_eq!(text(&publish), (Some(0), String::new(), String::new()));
        let args = [
            "sub", "/queue/a", "-n", "1", "--url", from, "--output", "json",
        ];
        let (code, out, errors) = text(&stompbox(&args).output().unwrap());
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        assert!(
            out.starts_with("{\"body\":\"hello\",\"destination\":\"/queue/a\""),
            "{out}"
        );
        assert!(out.contains("\"x\":\"a:b\""), "{out}");
    }
    assert_eq!(serve.stop(), (Some(0), String::new()));
}

#[test]
fn lines_are_messages_in_order_and_acknowledged() {
    let serve = Serve::start(&[]);
    let url = &serve.urls[0];
    let mut publish = stompbox(&["pub", "/queue/l", "--lines", "--url", url])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = (0..3000).map(|n| format!("{n}\n")).collect();
    publish
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    assert!(publish.wait().unwrap().success());
    let args = [
        "sub", "/queue/l", "-n", "3000", "--ack", "client", "--url", url,
    ];
    assert_eq!(text(&stompbox(&args).output().unwrap()).1, lines);
    // All are acknowledged: nothing comes, which is a failure.
    let args = [
        "sub",
        "/queue/l",
        "-n",
        "1",
        "--timeout",
        "0.2",
        "--url",
        url,
    ];
    let (code, out, errors) = text(&stompbox(&args).output().unwrap());
    assert_eq!(
        (code, out.as_str(), errors.as_str()),
        (Some(1), "", "stompbox: no message came in time\n")
    );
}

#[test]
fn failures_name_what_was_wrong() {
    let serve = Serve::start(&["--user", "ann:secret"]);
    let url = &serve.urls[0];
    for (args, code, part) in [
        (
            &["pub", "/queue/a", "x", "--url", "stomp://127.0.0.1:1"][..],
            1,
            "127.0.0.1:1",
        ),
        (&["pub", "/queue/a", "x", "--url", "ftp://x"], 1, "ftp://x"),
        (&["pub", "/queue/a", "x", "-H", "no colon"], 1, "no colon"),
        (
            &["pub", "/queue/a", "x", "--url", url],
            1,
            "connection refused",
        ),
        (
            &[
                "pub",
                "/nowhere",
                "x",
                "--url",
                url,
                "--login",
                "ann",
                "--passcode",
                "secret",
            ],
            1,
            "/nowhere",
        ),
        (&["sub"], 2, "Usage"),
        (&["serve", "--stomp", "everywhere"], 2, "everywhere"),
        (&["serve", "--stomp", "0.0.0.0:0"], 1, "--allow-anonymous"),
        (&["serve", "--user", "nocolon"], 1, "LOGIN:PASSCODE"),
        (&["serve", "--heart-beat", "soon"], 1, "--heart-beat"),
        (&["serve", "--log", "lots"], 2, "debug"),
        (
            &["sub", "/queue/a", "--url", "stomp://ann:secret@127.0.0.1:1"],
            1,
            "not in the URL",
        ),
        (
            &["sub", "/queue/a", "--url", url, "--passcode", "secret\n"],
            1,
            "the passcode has a line end",
        ),
    ] {
        let output = text(&stompbox(args).output().unwrap());
        assert_eq!(output.0, Some(code), "{args:?}: {output:?}");
        assert!(output.2.contains(part), "{args:?}: {output:?}");
        assert!(!output.2.contains("secret"), "{args:?}: {output:?}");
    }
    let address = url.strip_prefix("stomp://").unwrap();
    let taken = text(&stompbox(&["serve", "--stomp", address]).output().unwrap());
    assert_eq!(taken.0, Some(1));
    assert!(
        taken.2.contains(address) && taken.2.contains("--stomp"),
        "{taken:?}"
    );
    assert_eq!(taken.2.lines().count(), 1, "each cause once: {taken:?}");
}

#[test]
fn what_the_broker_says_of_an_error_is_shown_whole() {
    let serve = Serve::start(&["--max-body", "10"]);
    let args = ["pub", "/queue/a", "more than ten", "--url", &serve.urls[0]];
    let output = text(&stompbox(&args).output().unwrap());
    assert_eq!(output.0, Some(1));
    assert!(
        output.2.contains("the body is longer than 10 bytes: 13"),
        "{output:?}"
    );
}
