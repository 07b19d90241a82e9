//! The verbs, each against a broker of ours.

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::Stdio,
};

use common::{Serve, good, run, run_with, stompbox, text};

#[test]
fn messages_are_sent_in_many_ways() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    fs::write(&path, "from a file").unwrap();
    let path = path.to_str().unwrap();
    good(&["pub", "/queue/a", "plain", "-s", url]);
    good(&["pub", "/queue/a", "-m", "by -m", "-s", url]);
    good(&[
        "pub",
        "/queue/a",
        "-f",
        path,
        "-s",
        url,
        "--content-type",
        "text/plain",
    ]);
    good(&[
        "pub",
        "/queue/a",
        "no %i",
        "--template",
        "-n",
        "2",
        "-s",
        url,
        "-H",
        "n:%i",
    ]);
    good(&["pub", "/queue/a", "--size", "5", "-s", url]);
    let (code, ..) = run_with(&["pub", "/queue/a", "-", "-s", url], "from input");
    assert_eq!(code, Some(0));
    let (code, ..) = run_with(
        &["pub", "/queue/a", "-l", "--tx", "2", "-s", url],
        "1\n2\n3\n",
    );
    assert_eq!(code, Some(0));
    let format = "%d|%H{content-type}|%H{n}|%s|%b\\n";
    let out = good(&["sub", "/queue/a", "-C", "10", "-F", format, "-s", url]);
    let expected = [
        "/queue/a|||5|plain",
        "/queue/a|||5|by -m",
        "/queue/a|text/plain||11|from a file",
        "/queue/a||0|4|no 0",
        "/queue/a||1|4|no 1",
        "/queue/a|||5|xxxxx",
        "/queue/a|||10|from input",
        "/queue/a|||1|1",
        "/queue/a|||1|2",
        "/queue/a|||1|3",
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    // What is worth nothing any more does not come.
    good(&["pub", "/queue/a", "soon gone", "--ttl", "1ms", "-s", url]);
    good(&["pub", "/queue/a", "later", "--delay", "300ms", "-s", url]);
    good(&[
        "pub",
        "/queue/a",
        "now",
        "--persistent",
        "--reply-to",
        "/queue/r",
        "-s",
        url,
    ]);
    let out = good(&[
        "sub",
        "/queue/a",
        "-C",
        "2",
        "-F",
        "%b %H{persistent} %H{reply-to}%n",
        "-s",
        url,
    ]);
    assert_eq!(out, "now true /queue/r\nlater  \n");
}

#[test]
fn no_message_is_lost_that_was_not_wanted() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    good(&["pub", "/queue/a", "%i", "--template", "-n", "10", "-s", url]);
    assert_eq!(
        good(&["sub", "/queue/a", "-C", "3", "-s", url]),
        "0\n1\n2\n"
    );
    assert_eq!(
        good(&["browse", "/queue/a", "-s", url, "-C", "2"]),
        "3\n4\n"
    );
    assert_eq!(
        good(&["browse", "/queue/a", "-s", url]),
        "3\n4\n5\n6\n7\n8\n9\n"
    );
    let out = good(&["sub", "/queue/a", "-C", "7", "-s", url, "--output", "text"]);
    assert_eq!(out.lines().next(), Some("/queue/a 3"));
    let (code, _, errors) = run(&["browse", "/queue/a", "-s", url]);
    assert_eq!(
        (code, &*errors),
        (Some(6), "stompbox: there is no message\n")
    );
}

#[test]
fn a_command_handles_messages_and_what_it_refuses_comes_back() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("seen");
    good(&[
        "pub",
        "/queue/a",
        "one",
        "-s",
        url,
        "-H",
        "color:red; rm -rf x",
    ]);
    // It fails the first time.
    let command = format!(
        "if [ -e '{0}' ]; then cat; echo \" $STOMP_COLOR $STOMP_REDELIVERED\"; else touch '{0}'; exit 1; fi",
        marker.display()
    );
    let args = [
        "sub",
        "/queue/a",
        "-C",
        "2",
        "--prefetch",
        "1",
        "--exec",
        &command,
        "-s",
        url,
    ];
    assert_eq!(good(&args), "one red; rm -rf x true\n");
    good(&["pub", "/queue/a", "saved", "-s", url]);
    let saved = folder.path().join("saved");
    good(&[
        "sub",
        "/queue/a",
        "-C",
        "1",
        "--save",
        saved.to_str().unwrap(),
        "-s",
        url,
    ]);
    let files: Vec<_> = fs::read_dir(&saved).unwrap().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(
        fs::read(files[0].as_ref().unwrap().path()).unwrap(),
        b"saved"
    );
}

#[test]
fn selectors_durable_subscriptions_and_replay_are_options() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[1];
    let durable = [
        "sub",
        "/topic/a",
        "--durable",
        "d",
        "--client-id",
        "me",
        "-s",
        url,
    ];
    let (code, ..) = run(&[&durable[..], &["-W", "0.2"]].concat());
    assert_eq!(code, Some(5));
    for n in ["1", "2", "3"] {
        good(&["pub", "/topic/a", n, "-H", &format!("n:{n}"), "-s", url]);
    }
    assert_eq!(good(&[&durable[..], &["-C", "3"]].concat()), "1\n2\n3\n");
    let replay = ["sub", "/topic/a", "-C", "1", "-s", url, "--from"];
    assert_eq!(good(&[&replay[..], &["last"]].concat()), "3\n");
    assert_eq!(good(&[&replay[..], &["seq=2"]].concat()), "2\n");
    assert_eq!(
        good(&[&replay[..], &["first", "--selector", "n > 1"]].concat()),
        "2\n"
    );
    let (code, _, errors) = run(&[&replay[..], &["sometime"]].concat());
    assert!(code == Some(1) && errors.contains("sometime"), "{errors}");
}

#[test]
fn requests_are_answered() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    for (answer, expected) in [
        (&["--echo"][..], "ping"),
        (&["pong"], "pong"),
        (&["--exec", "tr a-z A-Z"], "PING"),
    ] {
        let args = [&["reply", "/queue/r", "-C", "1", "-s", url], answer].concat();
        let mut reply = stompbox(&args).spawn().unwrap();
        let out = good(&["req", "/queue/r", "ping", "-s", url, "-W", "10s"]);
        assert_eq!(out.trim_end(), expected);
        assert!(reply.wait().unwrap().success());
    }
    let (code, _, errors) = run(&["req", "/queue/nobody", "ping", "-s", url, "-W", "200ms"]);
    assert_eq!(
        (code, &*errors),
        (Some(5), "stompbox: no reply came in time\n")
    );
}

#[test]
fn contexts_stand_for_servers() {
    let serve = Serve::start(&["--user", "ann:secret"]);
    let folder = tempfile::tempdir().unwrap();
    let passcode = folder.path().join("pass");
    fs::write(&passcode, "secret\n").unwrap();
    let home = |args: &[&str]| {
        let mut command = stompbox(args);
        text(
            &command
                .env("XDG_CONFIG_HOME", folder.path())
                .output()
                .unwrap(),
        )
    };
    let (code, _, errors) = home(&[
        "context",
        "add",
        "prod",
        "-s",
        &serve.urls[1],
        "-u",
        "ann",
        "--passcode-file",
        passcode.to_str().unwrap(),
        "--select",
    ]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(
        home(&["context", "add", "dead", "-s", "127.0.0.1:1"]).0,
        Some(0)
    );
    assert_eq!(home(&["pub", "/queue/a", "x"]).0, Some(0));
    assert_eq!(home(&["sub", "/queue/a", "-C", "1", "-x", "prod"]).1, "x\n");
    assert_eq!(home(&["pub", "/queue/a", "x", "-x", "dead"]).0, Some(2));
    // A server that is named is not mixed up with what is selected.
    assert_eq!(
        home(&["pub", "/queue/a", "x", "-s", &serve.urls[0]]).0,
        Some(3)
    );
    let listed = home(&["context", "ls"]).1;
    assert!(
        listed.contains("* prod") && listed.contains("  dead"),
        "{listed}"
    );
    assert!(home(&["context", "show"]).1.contains("passcode_file"));
    assert_eq!(home(&["context", "select", "dead"]).0, Some(0));
    assert_eq!(home(&["context", "rm", "dead"]).0, Some(0));
    let (code, _, errors) = home(&["rtt", "-x", "gone"]);
    assert!(code == Some(1) && errors.contains("prod"), "{errors}");
}

#[test]
fn a_benchmark_checks_what_it_measures() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    for (kind, destination, more, received) in [
        ("pubsub", "/queue/b", &["-p", "2", "-c", "3"][..], 3000),
        ("pubsub", "/topic/b", &["-c", "3", "--rate", "20k/s"], 9000),
        (
            "pubsub",
            "/queue/c",
            &["--ack", "individual", "--persistent", "--receipts"],
            3000,
        ),
        ("rtt", "/queue/d", &["-n", "50"], 50),
        ("conn", "/queue/e", &["-n", "20", "-c", "2"], 20),
        ("pub", "/queue/f", &["--receipts"], 0),
        ("sub", "/queue/f", &["-n", "3000"], 3000),
    ] {
        let args = ["bench", kind, destination, "--json", "-s", url];
        let count = if more.contains(&"-n") {
            &[][..]
        } else {
            &["-n", "3000"]
        };
        let out = good(&[&args[..], count, more].concat());
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["received"], received, "{out}");
        for wrong in ["lost", "duplicate", "disorder"] {
            assert_eq!(report[wrong], 0, "{out}");
        }
        assert!(report["per_second"].as_f64().unwrap() > 0.0, "{out}");
    }
    // What came while the clients began is in no figure, and checked all the same.
    for (kind, more) in [
        ("pubsub", &["-p", "4", "--rate", "400/s"][..]),
        ("pubsub", &["-p", "4", "--rate", "400/s", "--receipts"]),
    ] {
        let args = [
            "bench", kind, "/queue/r", "--json", "-s", url, "--ramp", "300ms", "-n", "800",
        ];
        let out = good(&[&args[..], more].concat());
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&report["ramp_seconds"], &report["lost"]),
            (&0.3.into(), &0.into()),
            "{out}"
        );
        let received = report["received"].as_u64().unwrap();
        assert!(0 < received && received < 800, "{out}");
    }
    let args = [
        "bench", "conn", "-c", "4", "--ramp", "200ms", "-d", "200ms", "-s", url,
    ];
    assert!(good(&args).contains("connects in"));
    let short = [
        "bench", "pub", "/queue/r", "-s", url, "--ramp", "9s", "-n", "1",
    ];
    let (code, _, errors) = run(&short);
    assert!(
        code == Some(1) && errors.contains("nothing is measured"),
        "{errors}"
    );
    assert_eq!(run(&["bench", "rtt", "-s", url, "--ramp", "9s"]).0, Some(1));
    // Somebody else takes some of the messages: that is loss.
    let mut thief = stompbox(&["sub", "/queue/g", "-s", url]).spawn().unwrap();
    let mut lost = false;
    for _ in 0..20 {
        let args = [
            "bench", "pubsub", "/queue/g", "--json", "-n", "2000", "-s", url, "--window", "5000",
        ];
        let (code, out, _) = run(&args);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        lost = report["lost"].as_u64().unwrap() > 0;
        if lost {
            assert_eq!(code, Some(4), "{out}");
            break;
        }
    }
    assert!(lost);
    thief.kill().unwrap();
    thief.wait().unwrap();
}

#[test]
fn a_tap_shows_frames_and_hides_secrets() {
    let serve = Serve::start(&["--user", "ann:secret"]);
    let target = serve.urls[0].strip_prefix("stomp://").unwrap().to_owned();
    // A free port, for a moment.
    let listen = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let mut tap = stompbox(&[
        "tap",
        &listen,
        &target,
        "--bodies",
        "20",
        "--connections",
        "1",
    ])
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut errors = BufReader::new(tap.stderr.take().unwrap()).lines();
    assert!(errors.next().unwrap().unwrap().starts_with("listening on"));
    good(&[
        "pub",
        "/queue/a",
        "hello\u{1b}[31m",
        "-s",
        &listen,
        "-u",
        "ann",
        "--passcode",
        "secret",
    ]);
    let (_, out, _) = text(&tap.wait_with_output().unwrap());
    for part in [
        " C> CONNECT ",
        "passcode:****",
        " S< CONNECTED ",
        "version:1.2",
        " C> SEND ",
        "destination:/queue/a",
        "hello\\u{1b}[31m",
        " S< RECEIPT ",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("secret"), "{out}");
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let serve = Serve::start(&["--user", "ann:secret"]);
    let login = ["-u", "ann", "--passcode", "secret"];
    let args = [&["doctor", "-s", &*serve.urls[1]][..], &login].concat();
    let out = good(&args);
    for part in [
        "TCP in",
        "STOMP 1.2",
        "heart-beats both ways",
        "foreign origin is refused",
        "nobody without a login",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let open = Serve::start(&["--allow-origin", "*"]);
    let (code, out, _) = run(&["doctor", "-s", &open.urls[1]]);
    assert!(
        code == Some(1) && out.contains("foreign.invalid is accepted"),
        "{out}"
    );
    let (code, out, _) = run(&["doctor", "-s", "127.0.0.1:1"]);
    assert!(code == Some(2) && out.contains("can't connect"), "{out}");
}

#[test]
fn selectors_are_tried() {
    assert_eq!(good(&["selector", "check", "a = 1"]), "ok\n");
    let (code, _, errors) = run(&["selector", "check", "a = = 1"]);
    assert!(code == Some(1) && errors.contains('^'), "{errors}");
    let out = good(&["selector", "explain", "a = 1 OR b = 2 AND NOT c LIKE 'x%'"]);
    assert!(out.starts_with("(a = 1) OR ((b = 2) AND (NOT"), "{out}");
    assert_eq!(
        good(&["selector", "test", "price > 10", "-H", "price:12"]),
        "true\n"
    );
    let (code, out, errors) = run(&["selector", "test", "price > 10", "-H", "price:2"]);
    assert_eq!((code, &*out, &*errors), (Some(6), "false\n", ""));
}

#[test]
fn it_helps_with_itself() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(good(&["completion", shell]).contains("browse"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    good(&["man", "--dir", dir]);
    let context = folder.path().join("stompbox-context-add.1");
    assert_eq!(
        fs::read_to_string(context).unwrap(),
        good(&["man", "context", "add"])
    );
    assert!(good(&["man"]).contains("stompbox\\-shell"));
    let (code, _, errors) = run(&["man", "nothing"]);
    assert!(code == Some(1) && errors.contains("browse"), "{errors}");
    let version = format!("stompbox {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(good(&["version"]), version);
    assert_eq!(good(&["--version"]), version);
    let out = good(&["version", "-v"]);
    assert!(
        out.starts_with(&version) && out.contains("1.2, 1.1, 1.0\n"),
        "{out}"
    );
    let target: serde_json::Value = serde_json::from_str(&good(&["version", "--json"])).unwrap();
    assert!(
        target["target"]
            .as_str()
            .unwrap()
            .contains(std::env::consts::ARCH)
    );
    let page = fs::read_to_string(folder.path().join("stompbox-pub.1")).unwrap();
    assert!(page.contains("Hello, STOMP"), "{page}");
    let file = folder.path().join("stompbox.toml");
    let file = file.to_str().unwrap();
    good(&["config", "init", file]);
    assert!(good(&["config", "check", "--config", file]).starts_with("ok"));
    let (code, _, errors) = run(&["config", "init", file]);
    assert!(
        code == Some(1) && errors.contains("stompbox.toml"),
        "{errors}"
    );
    // All that is commented out is good as it stands.
    let text = fs::read_to_string(file).unwrap();
    let all: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        // Files that are not there.
        .filter(|line| {
            let elsewhere = ["tls =", "passcode_file =", "ca ="];
            !elsewhere.iter().any(|it| line.starts_with(it))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA";
    let all = all.replace("$argon2id$...", hash);
    // A gateway keeps nothing, and a broker that does is none.
    let (before, rest) = all.split_once("[gateway]\n").unwrap();
    let (_, after) = rest.split_once("\n[").unwrap();
    fs::write(file, format!("{before}[{after}")).unwrap();
    good(&["config", "check", "--config", file]);
    let stateless = all.lines().filter(|line| !line.starts_with("data ="));
    let stateless: Vec<_> = stateless.collect();
    fs::write(file, stateless.join("\n")).unwrap();
    good(&["config", "check", "--config", file]);
}

#[test]
fn round_trips_are_timed() {
    let serve = Serve::start(&[]);
    let out = good(&["rtt", "-n", "5", "--json", "-s", &serve.urls[1]]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["receipts"], &report["version"]),
        (&5.into(), &"1.2".into())
    );
    assert!(good(&["ping", "-s", &serve.urls[0]]).contains("STOMP 1.2  stompbox/"));
}
