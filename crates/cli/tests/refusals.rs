//! What is refused, what is wrong with the contexts, and what `-v` tells.

mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    thread,
};

use common::{Serve, good, run, run_with, stompbox, text};

/// A broker where bob may read and write one queue.
fn guarded(folder: &Path) -> Serve {
    let path = folder.join("stompbox.toml");
    let config =
        "[[acl]]\nwho = \"bob\"\nallow = [\"read,write /queue/bob\", \"read /queue/read\"]\n";
    fs::write(&path, config).unwrap();
    Serve::start(&["--config", path.to_str().unwrap(), "--user", "bob:secret"])
}

#[test]
fn what_the_rules_deny_has_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let serve = guarded(folder.path());
    let url = &*serve.urls[0];
    let login = ["-s", url, "-u", "bob", "--passcode", "secret"];
    let with = |args: &[&'static str]| run(&[args, &login[..]].concat());
    assert_eq!(with(&["pub", "/queue/bob", "x"]).0, Some(0));
    for args in [
        &["pub", "/queue/ann", "x"][..],
        &["pub", "/queue/ann", "x", "--no-receipt"],
        &["pub", "/queue/ann", "x", "-n", "3", "--tx", "2"],
        &["pub", "/queue/read", "x"],
        &["sub", "/queue/ann"],
        &["sub", "/queue/ann", "-C", "1"],
        &["req", "/queue/ann", "x"],
        &["reply", "/queue/ann", "x"],
        &["browse", "/queue/ann"],
        &["rtt", "--destination", "/queue/ann"],
        &["bench", "pub", "/queue/ann", "-n", "1"],
    ] {
        let (code, _, errors) = with(args);
        assert_eq!(code, Some(3), "{args:?}: {errors}");
        assert!(errors.contains("access denied"), "{args:?}: {errors}");
    }
    let shell = [&["shell"], &login[..]].concat();
    assert_eq!(run_with(&shell, "pub /queue/ann x\n").0, Some(3));
    assert_eq!(run_with(&shell, "sub /queue/ann\n").0, Some(3));
}

#[test]
fn contexts_that_cannot_be_read_are_told() {
    let serve = Serve::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stompbox/contexts.toml");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let rtt = |more: &[&str]| {
        let args = [&["rtt", "-n", "1"], more].concat();
        let mut command = stompbox(&args);
        command.env("XDG_CONFIG_HOME", folder.path());
        text(&command.output().unwrap())
    };
    for wrong in ["selected = ", "[context.a]\nserver = 7\n", "surprise = 1\n"] {
        fs::write(&path, wrong).unwrap();
        let (code, _, errors) = rtt(&[]);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("contexts.toml"), "{errors}");
        // A server that is named needs none.
        assert_eq!(rtt(&["-s", &serve.urls[0]]).0, Some(0));
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let (code, _, errors) = rtt(&[]);
    assert!(code == Some(1) && errors.contains("can't read"), "{errors}");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "selected = \"gone\"\n").unwrap();
    let (code, _, errors) = rtt(&[]);
    assert!(
        code == Some(1) && errors.contains("no context \"gone\""),
        "{errors}"
    );
}

#[test]
fn one_parser_reads_all_urls() {
    for verb in ["doctor", "rtt"] {
        for (url, part) in [
            ("stomp://ann:pass@127.0.0.1:1", "not in the URL"),
            ("ftp://127.0.0.1", "its scheme is none of"),
            ("stomp://", "not a URL"),
            ("unix:", "names no socket"),
        ] {
            let (code, out, errors) = run(&[verb, "-s", url]);
            assert_eq!(code, Some(1), "{verb} {url}: {errors}");
            assert!(errors.contains(part), "{verb} {url}: {errors}");
            assert!(
                !out.contains("pass") && !errors.contains("ann:pass"),
                "{out}{errors}"
            );
        }
    }
    let names = [
        "tls://127.0.0.1:1",
        "ssl://127.0.0.1:1",
        "https://127.0.0.1:1/x",
    ];
    for url in names {
        assert_eq!(run(&["rtt", "-s", url]).0, Some(2), "{url}");
    }
    let serve = Serve::start(&[]);
    let http = serve.urls[1].replace("ws://", "http://");
    let out = good(&["doctor", &http]);
    assert!(out.starts_with(&serve.urls[1]), "{out}");
}

#[test]
fn verbose_shows_frames_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let serve = guarded(folder.path());
    for url in &serve.urls {
        let args = [
            "pub",
            "/queue/bob",
            "hello",
            "-s",
            url,
            "-u",
            "bob",
            "--passcode",
            "secret",
        ];
        let told = |more: &'static str| run(&[&args[..], &[more]].concat());
        let (code, out, errors) = told("-v");
        assert_eq!((code, &*out), (Some(0), ""));
        assert!(
            errors.contains(&format!("1 -- connects to {url}")),
            "{errors}"
        );
        assert!(errors.contains("1 S< CONNECTED version:1.2"), "{errors}");
        assert!(!errors.contains("SEND"), "{errors}");
        let (_, _, errors) = told("-vv");
        assert!(errors.contains("passcode:****"), "{errors}");
        assert!(
            errors.contains("1 C> SEND destination:/queue/bob"),
            "{errors}"
        );
        assert!(errors.contains("[5 bytes]\n"), "{errors}");
        assert!(errors.contains("1 S< RECEIPT"), "{errors}");
        let (_, _, errors) = told("-vvv");
        assert!(errors.contains("[5 bytes] hello"), "{errors}");
        assert!(!errors.contains("secret"), "{errors}");
    }
}

#[test]
fn nothing_that_a_server_says_commands_the_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("stomp://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 1024];
        assert!(stream.read(&mut buffer).unwrap() > 0);
        let error = b"ERROR\nmessage:no \x1b[2J\n\nnever \x1b]0;x\x07\n\0";
        stream.write_all(error).unwrap();
    });
    let (code, out, errors) = run(&["rtt", "-s", &url, "-v"]);
    server.join().unwrap();
    assert_eq!((code, &*out), (Some(3), ""));
    assert!(
        errors.contains("no \\u{1b}[2J: never \\u{1b}]0;x\\u{7}"),
        "{errors}"
    );
    assert!(!errors.contains('\u{1b}'), "{errors}");
}
