//! `stompbox shell`: as a script, and at a prompt in a pseudo-terminal.

mod common;

use std::fs;

use common::{Serve, good, run, run_with};

#[test]
fn a_script_does_what_it_says() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("body"), "from a file").unwrap();
    fs::write(path("inner"), "# a comment\n\npub /queue/a from inner\n").unwrap();
    let script = format!(
        "sub -H id:mine -H selector:x=1 /queue/s\n\
         sub /queue/a client\n\
         pub -H 'x:a b' /queue/a hello  world\n\
         send /queue/a 'in quotes'\n\
         sendreply /queue/a 7 an answer\n\
         sendfile /queue/a {}\n\
         run {}\n\
         wait 5\n\
         send /queue/s -H x:2 not for me\n\
         sendrec /queue/s -H x:1 for me\n\
         wait 1\n\
         ack all\n\
         unsub mine\n\
         quit\n\
         nothing after it\n",
        path("body"),
        path("inner"),
    );
    let args = ["shell", "-s", url, "-o", "ndjson"];
    let (code, out, errors) = run_with(&args, &script);
    assert_eq!((code, &*errors), (Some(0), ""), "{out}");
    let messages: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let bodies: Vec<_> = messages
        .iter()
        .map(|it| it["body"].as_str().unwrap())
        .collect();
    let expected = [
        "hello  world",
        "in quotes",
        "an answer",
        "from a file",
        "from inner",
        "for me",
    ];
    assert_eq!(bodies, expected);
    assert_eq!(messages[0]["headers"]["x"], "a b");
    assert_eq!(messages[2]["headers"]["correlation-id"], "7");
    assert_eq!(messages[5]["headers"]["subscription"], "mine");
    // All are acknowledged, and what was not selected is still there.
    assert_eq!(run(&["sub", "/queue/a", "-W", "0.2", "-s", url]).0, Some(5));
    assert_eq!(
        good(&["sub", "/queue/s", "-C", "1", "-s", url]),
        "not for me\n"
    );
}

#[test]
fn a_script_has_transactions_and_requests() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    let script = "pub /queue/a one\n\
        pub /queue/a two\n\
        sub /queue/a individual\n\
        wait 2\n\
        begin\n\
        pub /queue/b never\n\
        ack all\n\
        abort\n\
        begin\n\
        ack all\n\
        pub /queue/b once\n\
        begin\n\
        pub /queue/b twice\n\
        commit tx-none\n\
        rollback\n\
        stats\n";
    let (code, out, errors) = run_with(&["shell", "-s", url, "-o", "raw"], script);
    assert_eq!(code, Some(1), "{out} {errors}");
    assert!(
        errors.contains("line 14: no open transaction \"tx-none\""),
        "{errors}"
    );
    let begun = "begin\npub /queue/b once\ncommit\nbegin\npub /queue/b never\nabort\nstats\n";
    let (code, out, errors) = run_with(&["shell", "-s", url], begun);
    assert_eq!((code, &*errors), (Some(0), ""), "{out}");
    assert!(
        out.starts_with("sent 2 messages, 9 bytes; received 0, 0 bytes"),
        "{out}"
    );
    assert_eq!(good(&["sub", "/queue/b", "-C", "1", "-s", url]), "once\n");
    assert_eq!(run(&["sub", "/queue/b", "-W", "0.2", "-s", url]).0, Some(5));
    // What was acknowledged in a transaction that was not committed comes again.
    let out = good(&["sub", "/queue/a", "-C", "2", "-s", url]);
    assert_eq!(out, "one\ntwo\n");
    let mut reply = common::stompbox(&["reply", "/queue/r", "-C", "1", "--echo", "-s", url])
        .spawn()
        .unwrap();
    let args = ["shell", "-s", url, "-o", "raw"];
    let (code, out, _) = run_with(&args, "req -W 20s /queue/r ping\n");
    assert_eq!((code, &*out), (Some(0), "ping\n"));
    assert!(reply.wait().unwrap().success());
}

#[test]
fn a_script_ends_with_what_fails() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    let path = path.to_str().unwrap();
    fs::write(path, "run \"no such file\"\n").unwrap();
    for (script, code, part) in [
        ("foo\n", 1, "line 1: no verb \"foo\""),
        ("\npub /queue/a\n", 1, "line 2: expected: pub"),
        ("pub /queue/a it's\n", 0, ""),
        ("pub '/queue/a x\n", 1, "a ' is not closed"),
        ("pub /nowhere x\n", 4, "line 1: refused"),
        ("send /nowhere x\n", 4, "/nowhere"),
        ("sub /queue/c sometimes\n", 1, "sometimes"),
        ("sub /queue/c\nwait -W 0.1 1\n", 5, "0 of 1 messages"),
        ("wait lots\n", 1, "\"lots\" is no number"),
        ("req -W 0.1 /queue/c x\n", 5, "no reply came in time"),
        ("commit\n", 1, "no transaction is open"),
        ("ack 7\n", 1, "no message \"7\""),
        ("unsub 7\n", 1, "no subscription \"7\""),
        ("sleep long\n", 1, "long"),
        ("stats maybe\n", 1, "stats [on|off]"),
        ("help foo\n", 1, "foo"),
    ] {
        let (found, out, errors) = run_with(&["shell", "-s", url], script);
        assert_eq!(found, Some(code), "{script}: {out}{errors}");
        assert!(errors.contains(part), "{script}: {errors}");
    }
    let (code, _, errors) = run(&["shell", "-s", url, "--file", path]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("line 1: can't read no such file"),
        "{errors}"
    );
    fs::write(path, format!("run {path}\n")).unwrap();
    let (code, _, errors) = run(&["shell", "-s", url, "--file", path]);
    assert!(code == Some(1) && errors.contains("16 deep"), "{errors}");
    assert_eq!(
        run_with(&["shell", "-s", "stomp://127.0.0.1:1"], "").0,
        Some(2)
    );
    let help = good(&["shell", "--help"]);
    assert!(help.contains("Tab completes"), "{help}");
}

#[cfg(target_os = "linux")]
mod prompt {
    use std::{
        fs::{self, File, OpenOptions},
        io::{Read as _, Write as _},
        os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
        process::Child,
        sync::{Arc, Mutex},
        thread,
        time::{Duration, Instant},
    };

    use rustix::{
        fs::OFlags,
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };

    use super::common::{Serve, good, stompbox};

    /// A program on a terminal.
    struct Terminal {
        child: Child,
        master: File,
        shown: Arc<Mutex<String>>,
        /// How much of it was looked at.
        seen: usize,
    }

    impl Terminal {
        fn start(args: &[&str], state: &std::path::Path) -> Self {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&master).unwrap();
            unlockpt(&master).unwrap();
            let name = ptsname(&master, Vec::new()).unwrap();
            let slave = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(OFlags::NOCTTY.bits().cast_signed())
                .open(name.to_str().unwrap())
                .unwrap();
            let child = stompbox(args)
                .stdin(slave.try_clone().unwrap())
                .stdout(slave.try_clone().unwrap())
                .stderr(slave)
                .env("TERM", "xterm")
                .env("XDG_STATE_HOME", state)
                .spawn()
                .unwrap();
            let master = File::from(master);
            let shown = Arc::new(Mutex::new(String::new()));
            let (mut reader, text) = (master.try_clone().unwrap(), Arc::clone(&shown));
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                // It fails when the program has ended.
                while let Ok(length @ 1..) = reader.read(&mut buffer) {
                    let part = String::from_utf8_lossy(&buffer[..length]);
                    text.lock().unwrap().push_str(&part);
                }
            });
            Self {
                child,
                master,
                shown,
                seen: 0,
            }
        }

        fn write(&mut self, text: &str) {
            self.master.write_all(text.as_bytes()).unwrap();
        }

        /// Waits until that is shown, after all that was waited for before.
        fn see(&mut self, text: &str) {
            let begun = Instant::now();
            loop {
                let shown = self.shown.lock().unwrap();
                if let Some(at) = shown[self.seen..].find(text) {
                    self.seen += at + text.len();
                    return;
                }
                assert!(
                    begun.elapsed() < Duration::from_secs(60),
                    "{text:?} is not in {:?}",
                    &shown[self.seen..]
                );
                drop(shown);
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn messages_do_not_command_the_terminal() {
        let serve = Serve::start(&[]);
        let url = &*serve.urls[0];
        let state = tempfile::tempdir().unwrap();
        good(&["pub", "/queue/a", "a\u{1b}[2Jb\n\tc", "-s", url]);
        let mut sub = Terminal::start(&["sub", "/queue/a", "-C", "1", "-s", url], state.path());
        sub.see("a\\u{1b}[2Jb\r\n");
        sub.see("c\r\n");
        assert!(sub.child.wait().unwrap().success());
        // Elsewhere the bytes are as they are.
        good(&["pub", "/queue/a", "a\u{1b}b", "-s", url]);
        assert_eq!(
            good(&["sub", "/queue/a", "-C", "1", "-s", url]),
            "a\u{1b}b\n"
        );
    }

    #[test]
    fn messages_leave_the_line_that_is_typed_whole() {
        let serve = Serve::start(&["--user", "ann:hunter2"]);
        let url = serve.urls[0].clone();
        let state = tempfile::tempdir().unwrap();
        let login = ["-s", &url, "-u", "ann", "--passcode", "hunter2"];
        let mut shell = Terminal::start(&[&["shell"], &login[..]].concat(), state.path());
        shell.see("STOMP 1.2");
        shell.see("stompbox> ");
        shell.write("sub /queue/a client\r");
        shell.see("sub-1 subscribed to /queue/a, ack client");
        shell.see("stompbox> ");
        // Half a line, a message with what would clear the screen, and the other half.
        shell.write("stat");
        shell.see("stat");
        good(&[&["pub", "/queue/a", "from\u{1b}[2Jafar"], &login[..]].concat());
        shell.see("message-id:");
        shell.see("from\\u{1b}[2Jafar");
        shell.see("stompbox> stat");
        shell.write("s\r");
        shell.see("received 1, 12 bytes");
        shell.see("sub-1 subscribed to /queue/a");
        shell.see("messages that wait for ack or nack: 1");
        shell.see("stompbox> ");
        // Verbs, subscriptions, header names and destinations.
        shell.write("ack al\t\r");
        shell.see("ack all");
        shell.see("stompbox> ");
        shell.write("pub -H prio\t9 /que\thello\r");
        shell.see("pub -H priority:9 /queue/a ");
        shell.see("priority:9\r\n");
        shell.see("stompbox> ");
        shell.write("foo\r");
        shell.see("no verb \"foo\"");
        shell.see("stompbox> ");
        shell.write("pub /queue/b -H token:abc secret\r");
        shell.see("stompbox> ");
        shell.write("pub /queue/b hunter2\r");
        shell.see("stompbox> ");
        // The server goes and comes back, on the same port.
        serve.stop();
        shell.see("the connection is lost");
        let address = url.strip_prefix("stomp://").unwrap();
        let serve = [
            "serve",
            "--stomp",
            address,
            "--http",
            "127.0.0.1:0",
            "--user",
            "ann:hunter2",
        ];
        let mut serve = stompbox(&serve).spawn().unwrap();
        shell.see("connected again to");
        shell.see("1 subscriptions restored");
        shell.write("unsub s\t\r");
        shell.see("unsub sub-1");
        shell.see("sub-1 is ended");
        shell.see("stompbox> ");
        shell.write("\u{4}");
        assert!(shell.child.wait().unwrap().success());
        serve.kill().unwrap();
        serve.wait().unwrap();
        let path = state.path().join("stompbox/history");
        let history = fs::read_to_string(&path).unwrap();
        assert!(history.contains("sub /queue/a client\n"), "{history}");
        assert!(!history.contains("token:"), "{history}");
        assert!(!history.contains("hunter2"), "{history}");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
