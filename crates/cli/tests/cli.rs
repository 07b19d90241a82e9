//! The built program: serve, pub and sub, and what they say when something is wrong.

mod common;

use std::{io::Write as _, process::Stdio};

use common::{Serve, stompbox, text};

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
            "sub", "/queue/a", "-n", "1", "--url", from, "--output", "ndjson",
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
    let args = ["sub", "/queue/l", "-n", "1", "--wait", "0.2", "--url", url];
    let (code, out, errors) = text(&stompbox(&args).output().unwrap());
    assert_eq!(
        (code, out.as_str(), errors.as_str()),
        (Some(5), "", "stompbox: no message came in time\n")
    );
}

#[test]
fn failures_name_what_was_wrong() {
    let serve = Serve::start(&["--user", "ann:secret"]);
    let url = &serve.urls[0];
    for (args, code, part) in [
        (
            &["pub", "/queue/a", "x", "--url", "stomp://127.0.0.1:1"][..],
            2,
            "127.0.0.1:1",
        ),
        (&["pub", "/queue/a", "x", "--url", "ftp://x"], 1, "ftp://x"),
        (&["pub", "/queue/a", "x", "-H", "no colon"], 1, "no colon"),
        (
            &["pub", "/queue/a", "x", "--url", url],
            3,
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
            4,
            "/nowhere",
        ),
        (&["sub"], 1, "Usage"),
        (&["serve", "--stomp", "everywhere"], 1, "everywhere"),
        (&["serve", "--stomp", "0.0.0.0:0"], 1, "--allow-anonymous"),
        (&["serve", "--user", "nocolon"], 1, "LOGIN:PASSCODE"),
        (&["serve", "--heart-beat", "soon"], 1, "--heart-beat"),
        (&["serve", "--log", "lots"], 1, "debug"),
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
    assert_eq!(output.0, Some(4));
    assert!(
        output.2.contains("the body is longer than 10 bytes: 13"),
        "{output:?}"
    );
}
