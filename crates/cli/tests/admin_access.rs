//! How the admin verbs find the admin listener, log in, and what they say when it is not there.

#[path = "common/broker.rs"]
mod broker;
mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    thread,
};

use broker::Broker;
use common::{good, run, run_with, stompbox, text};

/// A user of a configuration file.
fn user(login: &str, passcode: &str, role: &str) -> String {
    let (code, out, errors) = run_with(&["passwd", login], &format!("{passcode}\n"));
    assert_eq!(code, Some(0), "{errors}");
    match role {
        "" => out,
        role => format!("{out}role = \"{role}\"\n"),
    }
}

#[test]
fn logins_and_roles_count() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stompbox.toml");
    let users = [
        user("op", "one", "operator"),
        user("eye", "two", "viewer"),
        user("app", "three", ""),
    ];
    fs::write(&file, users.concat()).unwrap();
    let file = file.to_str().unwrap();
    let broker = Broker::start(&["--admin", "127.0.0.1:0", "--config", file]);
    let (code, _, errors) = broker.admin(&["ls"]);
    assert!(code == Some(3) && errors.contains("--user"), "{errors}");
    let (code, ..) = broker.admin(&["ls", "-u", "op", "--passcode", "wrong"]);
    assert_eq!(code, Some(3));
    let (code, ..) = broker.admin(&["ls", "-u", "app", "--passcode", "three"]);
    assert_eq!(code, Some(3));
    good(&[
        "pub",
        "/queue/a",
        "x",
        "-u",
        "app",
        "--passcode",
        "three",
        "-s",
        &broker.stomp,
    ]);
    let passcode = folder.path().join("pass");
    fs::write(&passcode, "two\n").unwrap();
    let eye = ["-u", "eye", "--passcode-file", passcode.to_str().unwrap()];
    let out = broker.good(&[&["ls"][..], &eye].concat());
    assert!(out.contains("/queue/a"), "{out}");
    let (code, _, errors) = broker.admin(&[&["purge", "/queue/a", "-y"][..], &eye].concat());
    assert!(code == Some(3) && !errors.is_empty(), "{errors}");
    let op = ["-u", "op", "--passcode", "one"];
    let out = broker.good(&[&["purge", "/queue/a", "-y"][..], &op].concat());
    assert_eq!(out, "purged 1 message of /queue/a\n");
    // Without an eye on it a passcode goes to no other machine in plain text unmentioned.
    let far = [
        "ls",
        "--admin",
        "http://192.0.2.1:1",
        "--timeout",
        "1ms",
        "-u",
        "op",
        "--passcode",
        "one",
    ];
    let (code, _, errors) = run(&far);
    assert!(
        code != Some(0) && errors.contains("can read the passcode"),
        "{errors}"
    );
}

#[test]
fn contexts_know_the_admin_listener() {
    let broker = Broker::plain();
    broker.send("/queue/a", 1);
    let folder = tempfile::tempdir().unwrap();
    let home = |args: &[&str]| {
        let mut command = stompbox(args);
        text(
            &command
                .env("XDG_CONFIG_HOME", folder.path())
                .output()
                .unwrap(),
        )
    };
    let add = [
        "context",
        "add",
        "here",
        "-s",
        &*broker.stomp,
        "--admin",
        &*broker.admin,
    ];
    assert_eq!(home(&add).0, Some(0));
    let (code, out, _) = home(&["ls", "-x", "here"]);
    assert!(code == Some(0) && out.contains("/queue/a"), "{out}");
    assert_eq!(home(&["context", "select", "here"]).0, Some(0));
    assert_eq!(home(&["ls"]).0, Some(0));
    // A broker elsewhere is not mixed up with one of this machine.
    let add = [
        "context",
        "add",
        "far",
        "-s",
        "stomp://mq.example.com:61613",
        "--select",
    ];
    assert_eq!(home(&add).0, Some(0));
    for args in [&["purge", "/queue/a", "--yes"][..], &["ls", "-x", "far"]] {
        let (code, _, errors) = home(args);
        assert!(
            code == Some(1) && errors.contains("mq.example.com"),
            "{errors}"
        );
    }
    assert_eq!(home(&["ls", "--admin", &broker.admin]).0, Some(0));
    let mut command = stompbox(&["ls", "/queue/a"]);
    let output = command
        .env("STOMPBOX_ADMIN_URL", &broker.admin)
        .output()
        .unwrap();
    assert_eq!(text(&output).0, Some(0));
}

#[test]
fn over_tls_certificates_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(path("tls.crt"), certified.cert.pem()).unwrap();
    fs::write(path("tls.key"), certified.signing_key.serialize_pem()).unwrap();
    fs::write(path("stompbox.toml"), "[admin]\ntls = true\n").unwrap();
    let broker = Broker::start(&[
        "--config",
        &path("stompbox.toml"),
        "--admin",
        "127.0.0.1:0",
        "--https",
        "127.0.0.1:0",
        "--tls-cert",
        &path("tls.crt"),
        "--tls-key",
        &path("tls.key"),
    ]);
    let port = broker.admin.rsplit_once(':').unwrap().1;
    let url = format!("https://localhost:{port}");
    broker.send("/queue/a", 1);
    let ls = |more: &[&str]| run(&[&["ls", "--admin", &*url], more].concat());
    assert_eq!(ls(&["--ca", &path("tls.crt")]).0, Some(0));
    assert_eq!(ls(&["--insecure"]).0, Some(0));
    let (code, _, errors) = ls(&[]);
    assert!(
        code == Some(2) && errors.contains("certificate"),
        "{errors}"
    );
    let named = run(&[
        "ls",
        "--admin",
        &broker.admin,
        "--ca",
        &path("tls.crt"),
        "--tls-name",
        "localhost",
    ]);
    assert_eq!(named.0, Some(0), "{named:?}");
    let (code, _, errors) = ls(&["--ca", &path("tls.key")]);
    assert!(code == Some(1) && errors.contains("tls.key"), "{errors}");
    let (code, ..) = run(&["ls", "--admin", &url.replace("https", "http")]);
    assert_ne!(code, Some(0));
}

#[test]
fn a_unix_socket_leads_there_too() {
    let broker = Broker::plain();
    broker.send("/queue/a", 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let address = broker.admin.strip_prefix("http://").unwrap().to_owned();
    // As a proxy or ssh's -L would.
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&address).unwrap());
            let mut back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
            thread::spawn(move || std::io::copy(&mut &client, &mut &server));
        }
    });
    let (code, out, errors) = run(&["ls", "--admin", &format!("unix:{}", path.display())]);
    assert!(code == Some(0) && out.contains("/queue/a"), "{errors}");
}

/// Answers each request with that, and closes.
fn canned(status: &str, body: &str, missing: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let length = body.len() + missing;
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut buffer = [0; 4096];
            let _ = client.read(&mut buffer);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn what_is_no_admin_listener_is_told_from_one() {
    let broker = Broker::plain();
    let stomp = broker.stomp.replace("stomp://", "http://");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let evil = r#"{"error":"busy","message":"a\u001b[31mb\u009b"}"#;
    for (url, expected, part) in [
        (
            "http://127.0.0.1:1",
            2,
            "can't connect to http://127.0.0.1:1",
        ),
        (
            "http://nobody.invalid",
            2,
            "can't connect to http://nobody.invalid",
        ),
        (&stomp, 4, "does not answer as a broker's admin listener"),
        (
            &broker.pages,
            4,
            "does not answer as a broker's admin listener",
        ),
        (&canned("404", "<html>", 0), 4, "status 404"),
        (&canned("409", evil, 0), 4, "a\\u{1b}[31mb\\u{9b}"),
        (&canned("200", "{\"items\":[", 0), 4, "no JSON"),
        (&canned("200", "{\"items\":1}", 0), 4, "not understood"),
        (&canned("200", "{", 99), 2, "is lost"),
        (&*silent, 5, "did not answer in 300ms"),
        ("ftp://x", 1, "http://"),
    ] {
        let (code, out, errors) = run(&["ls", "--admin", url, "--timeout", "300ms"]);
        assert_eq!((code, &*out), (Some(expected), ""), "{url}: {errors}");
        assert!(
            errors.contains(part) && !errors.contains('\u{1b}'),
            "{url}: {errors}"
        );
    }
}

#[test]
fn they_help_with_themselves() {
    let folder = tempfile::tempdir().unwrap();
    good(&["man", "--dir", folder.path().to_str().unwrap()]);
    let script = good(&["completion", "bash"]);
    for verb in [
        "top", "ls", "show", "purge", "move", "replay", "kick", "events", "sub-ls", "sub-rm",
    ] {
        let words: Vec<_> = verb.split('-').chain(["--help"]).collect();
        let help = good(&words);
        assert!(
            help.contains("Examples:") && help.contains("--admin"),
            "{help}"
        );
        assert!(
            folder.path().join(format!("stompbox-{verb}.1")).exists(),
            "{verb}"
        );
        assert!(
            script.contains(verb.split('-').next_back().unwrap()),
            "{verb}"
        );
    }
}
