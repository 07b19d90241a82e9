//! The built program's configuration: the file, what beats what, users, rules, TLS, and no secrets.

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{run_with, stompbox, text};

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stompbox-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Exit code, standard output and standard error.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    text(&command.output().unwrap())
}

/// Runs `passwd` with that on standard input.
fn passwd(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    run_with(&[&["passwd"], args].concat(), input)
}

struct Serve {
    child: Child,
    lines: Vec<String>,
}

/// Nothing goes on running after a test that does not stop it, or fails.
impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serve {
    /// Starts, and reads that many lines of what it says.
    fn start(args: &[&str], lines: usize) -> Self {
        let mut child = stompbox(&[&["serve"], args].concat()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines: Vec<String> = out.lines().take(lines).map(Result::unwrap).collect();
        Self { child, lines }
    }

    /// The first address of that scheme.
    fn address(&self, scheme: &str) -> &str {
        let mut urls = self.lines.iter().filter_map(|line| line.split_once(scheme));
        let (_, rest) = urls.next().unwrap_or_else(|| panic!("{:?}", self.lines));
        rest.split('/').next().unwrap()
    }

    /// Stops, and gives what it has logged.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{errors}");
        errors
    }
}

const FILE: &str = r#"
heart_beat = "5000,6000"
allowed_origins = ["https://app.example.com"]
sockjs = "/s"

# Who listens.
[[listen]]
bind = "127.0.0.1:0"
protocols = ["stomp"]

[[acl]]
who = "group:traders"
allow = ["read /topic/price.**", "write /queue/orders"]
deny = ["read /topic/price.secret"]

[limits]
max_body = "1MiB"
max_unacked = 7
write_timeout = "20s"
"#;

#[test]
fn options_beat_the_environment_that_beats_the_file_that_beats_defaults() {
    let folder = Folder::new();
    let file = folder.write("a.toml", FILE);
    let mut command = stompbox(&[
        "config",
        "show",
        "--config",
        &file,
        "--limit",
        "max_body=3KiB",
    ]);
    command.args(["--http", "127.0.0.1:9", "--limit", "max_unacked=8"]);
    command.env("STOMPBOX_MAX_UNACKED", "9");
    command.env("STOMPBOX_WRITE_TIMEOUT", "25s");
    command.env("STOMPBOX_MAX_BODY", "2KiB");
    command.env("STOMPBOX_USER", "ann:hunter2");
    let (code, out, errors) = run(&mut command);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in [
        &format!("heart_beat = \"5000,6000\" # {file}"),
        "log = \"warn\" # default",
        "max_body = \"3KiB\" # --limit",
        "max_unacked = 8 # --limit",
        "write_timeout = \"25s\" # STOMPBOX_WRITE_TIMEOUT",
        &format!("sockjs = \"/s\" # {file}"),
        "connect_timeout = \"10s\" # default",
        &format!("[[listen]] # {file}"),
        "[[listen]] # --http",
        "bind = \"127.0.0.1:9\"",
        "[[user]] # STOMPBOX_USER",
        "login = \"ann\"",
        "deny = [\"read /topic/price.secret\"]",
    ] {
        assert!(out.lines().any(|own| own == line), "{line}: {out}");
    }
    assert!(
        !out.contains("hunter2") && !out.contains("$argon2id"),
        "{out}"
    );
    let mut body = stompbox(&["config", "show", "--max-body", "4KiB"]);
    let (_, out, _) = run(body.env("STOMPBOX_MAX_BODY", "2KiB"));
    assert!(out.contains("max_body = \"4KiB\" # --max-body"), "{out}");
    let mut file_by_environment = stompbox(&["config", "check"]);
    let (code, out, errors) = run(file_by_environment.env("STOMPBOX_CONFIG", &file));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(out, "ok: 1 listeners, 0 users, 1 rules\n");
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line_and_no_secret() {
    let folder = Folder::new();
    let user = "[[user]]\nlogin = \"ann\"\n";
    for (text, line, parts) in [
        (
            "log = \"warn\"\nlsten = 1",
            2,
            ["\"lsten\"", "did you mean \"listen\"?"],
        ),
        (
            "[limits]\nmax_bdy = 3",
            2,
            ["\"max_bdy\"", "did you mean \"max_body\"?"],
        ),
        (
            "[limits]\nmax_body = \"1GiB\"",
            2,
            ["max_body", "between 1 and 256MiB"],
        ),
        ("[limits]\nmax_body = true", 2, ["true", "a number"]),
        ("[[listen]]\nbnd = 1", 2, ["\"bnd\"", "\"bind\"?"]),
        (
            "[[listen]]\nbind = \"here\"\nprotocols = [\"stomp\"]",
            2,
            ["address", ""],
        ),
        (
            "[[listen]]\nbind = \"[::1]:0\"\nprotocols = []",
            1,
            ["[\"stomp\", \"http\"]", ""],
        ),
        (
            "[[listen]]\nbind = \"[::1]:0\"\nprotocols = [\"stmp\"]",
            3,
            ["`stmp`", "`stomp`"],
        ),
        (
            "[[listen]]\nbind = \"[::1]:0\"\nprotocols = [\"stomp\"]\nproxy_protocol = [\"10.0.0.9/8\"]",
            4,
            ["10.0.0.9/8", "the network is 10.0.0.0/8"],
        ),
        (
            "[[listen]]\nbind = \"[::1]:0\"\nprotocols = [\"stomp\"]\nproxy_protocol = [\"lb.local\"]",
            4,
            ["\"lb.local\"", "10.0.0.0/8"],
        ),
        (
            "[[listen]]\nbind = \"[::1]:0\"\nprotocols = [\"stomp\"]\nproxy_protocol = []",
            4,
            ["no load balancer", "leave it out"],
        ),
        (
            "[admin]\nproxy_protocol = []",
            2,
            ["no load balancer", "leave it out"],
        ),
        (
            "[[listen]]\nbind = \"unix:\"\nprotocols = [\"stomp\"]",
            2,
            ["\"unix:\"", "unix:PATH"],
        ),
        (
            "[[listen]]\nbind = \"unix:a\"\nmode = \"0888\"\nprotocols = [\"stomp\"]",
            3,
            ["\"0888\"", "\"0660\""],
        ),
        (
            "[[listen]]\nbind = \"unix:a\"\nmode = \"1777\"\nprotocols = [\"stomp\"]",
            3,
            ["\"1777\"", "\"0660\""],
        ),
        (
            "[[listen]]\nbind = \"[::1]:0\"\nmode = \"0660\"\nprotocols = [\"stomp\"]",
            1,
            ["mode is for the file of a Unix socket", ""],
        ),
        (
            "[[acl]]\nwho = \"ann\"\n\nallow = [\"reed /queue/a\"]",
            4,
            ["reed /queue/a", ""],
        ),
        ("[[acl]]\nallow = []", 1, ["who", ""]),
        ("heart_beat = \"soon\"", 1, ["milliseconds", ""]),
        ("\n\nlog = ", 3, ["", ""]),
        (
            &format!("{user}passcode = \"hunter2\""),
            3,
            ["plain text", "stompbox passwd"],
        ),
        (
            &format!("{user}password = \"hunter2\""),
            3,
            ["plain text", "stompbox passwd"],
        ),
        (
            &format!("{user}secret = \"hunter2\""),
            3,
            ["\"secret\"", "login, hash, groups"],
        ),
        (
            &format!("{user}hash = \"hunter2\""),
            1,
            ["\"ann\"", "stompbox passwd"],
        ),
        (&format!("{user}hash = \"hunter2"), 3, ["string", ""]),
        (user, 1, ["\"ann\"", "stompbox passwd"]),
    ] {
        let file = folder.write("a.toml", text);
        for command in [&["config", "check"][..], &["serve"]] {
            let (code, out, errors) = run(stompbox(command).args(["--config", &file]));
            assert_eq!((code, out.as_str()), (Some(1), ""), "{text}");
            let place = format!("stompbox: {file}:{line}: ");
            assert!(errors.starts_with(&place), "{text}: {errors}");
            assert!(
                parts.iter().all(|part| errors.contains(part)),
                "{text}: {errors}"
            );
            assert!(!errors.contains("hunter2"), "{errors}");
        }
    }
    let missing = folder.path("missing.toml");
    let (code, _, errors) = run(stompbox(&["serve", "--config"]).arg(&missing));
    assert_eq!(code, Some(1));
    assert!(errors.contains(&missing), "{errors}");
}

#[test]
fn what_is_wrong_in_options_is_named() {
    for (args, part) in [
        (&["--https", "127.0.0.1:0"][..], "--tls-cert"),
        (
            &["--stomp-tls", "127.0.0.1:0", "--tls-cert", "x"],
            "go together",
        ),
        (&["--tls-cert", "x", "--tls-key", "y"], "--stomp-tls"),
        (&["--limit", "max_bdy=3"], "max_bdy"),
        (&["--limit", "max_body=0"], "between 1 and"),
        (&["--max-body", "much"], "\"much\""),
        (&["--user", ":hunter2"], "--user"),
        (&["--user", "ann:$argon2id$hunter2"], "argon2id"),
        (
            &["--user", "ann:hunter2", "--user", "ann:hunter2"],
            "two users",
        ),
        (&["--stomp", "0.0.0.0:0"], "--allow-anonymous"),
        (&["--http", "[::]:0"], "--allow-anonymous"),
        (&["--sockjs", "sockjs/"], "give a path as \"/sockjs\""),
        (&["--sockjs", "/"], "give a path as \"/sockjs\""),
        (
            &["--stomp", "127.0.0.1:0", "--proxy-protocol", "127.0.0.1"],
            "behind a load balancer",
        ),
        (&["--proxy-protocol", "127.0.0.1"], "is for --stomp"),
        (&["--stomp", "localhost:1"], "unix:PATH"),
        (
            &["--http", "unix:a", "--proxy-protocol", "127.0.0.1"],
            "proxy_protocol is [\"unix:\"]",
        ),
        (
            &[
                "--https",
                "127.0.0.1:0",
                "--tls-cert",
                "/no.pem",
                "--tls-key",
                "/no.key",
            ],
            "/no.pem",
        ),
    ] {
        for command in [&["config", "check"][..], &["serve"]] {
            let (code, _, errors) = run(stompbox(command).args(args));
            assert_eq!(code, Some(1), "{args:?}: {errors}");
            assert!(errors.contains(part), "{args:?}: {errors}");
            assert!(!errors.contains("hunter2"), "{errors}");
        }
    }
    for args in [
        &["--stomp", "0.0.0.0:0", "--allow-anonymous"][..],
        &["--stomp", "0.0.0.0:0", "--user", "ann:hunter2"],
        &[
            "--user",
            "ann:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        ],
    ] {
        let (code, _, errors) = run(stompbox(&["config", "check"]).args(args));
        assert_eq!(code, Some(0), "{args:?}: {errors}");
    }
}

#[test]
fn passwd_prints_a_user_or_puts_it_into_a_file() {
    let folder = Folder::new();
    let (code, out, errors) = passwd(&["a \"n\"", "--group", "x"], "hunter2\nmore\n");
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let printed = folder.write("printed.toml", &out);
    let (_, shown, errors) =
        run(stompbox(&["config", "show", "--config", &printed]).arg("--log=info"));
    assert!(
        shown.contains("login = 'a \"n\"'"),
        "{out} {shown} {errors}"
    );
    assert!(shown.contains("groups = [\"x\"]"), "{shown}");

    let file = folder.write("a.toml", FILE);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    for (args, passcode) in [
        (&["ann", "--group", "traders"][..], "first\n"),
        (&["bob", "--role", "viewer"], "second\r\n"),
        (&["ann", "--role", "operator"], "third\n"),
        (&["ann"], "hunter2"),
    ] {
        let answer = passwd(&[args, &["--file", &file]].concat(), passcode);
        assert_eq!(answer, (Some(0), String::new(), String::new()));
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(FILE), "comments and order stay: {text}");
    assert_eq!(text.matches("login = ").count(), 2, "{text}");
    assert!(text.contains("groups = [\"traders\"]"), "{text}");
    for role in ["operator", "viewer"] {
        assert_eq!(
            text.matches(&format!("role = \"{role}\"")).count(),
            1,
            "{text}"
        );
    }
    let (code, _, errors) = passwd(&["ann", "--role", "king"], "x\n");
    assert!(code == Some(1) && errors.contains("king"), "{errors}");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(
        fs::read_dir(&folder.0).unwrap().count(),
        2,
        "nothing is left over"
    );

    let new = folder.path("new.toml");
    assert_eq!(passwd(&["eve", "--file", &new], "x").0, Some(0));
    let mode = fs::metadata(&new).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    for (args, input, part) in [
        (&["ann"][..], "", "empty"),
        (&["*"], "x", "\"*\""),
        (
            &["ann", "--file", "/nowhere/a.toml"],
            "x",
            "/nowhere/a.toml",
        ),
        (
            &[
                "ann",
                "--file",
                &folder.write("bad.toml", "a = 1\nb = \"hunter2"),
            ],
            "x",
            "bad.toml:2:",
        ),
        (
            &["ann", "--file", &folder.write("inline.toml", "user = []")],
            "x",
            "[[user]]",
        ),
    ] {
        let (code, _, errors) = passwd(args, input);
        assert_eq!(code, Some(1), "{args:?}");
        assert!(errors.contains(part), "{args:?}: {errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }

    let serve = Serve::start(&["--config", &file], 1);
    let url = format!("stomp://{}", serve.address("stomp://"));
    for (login, passcode, expected) in [
        ("ann", "hunter2", 0),
        ("ann", "first", 3),
        ("bob", "second", 3),
    ] {
        let mut command = stompbox(&["pub", "/queue/orders", "x", "--url", &url]);
        let (code, _, errors) = run(command.args(["--login", login, "--passcode", passcode]));
        assert_eq!(code, Some(expected), "{login} {passcode}: {errors}");
        if login == "bob" {
            assert!(errors.contains("access denied"), "{errors}");
        }
    }
    serve.stop();
}

#[test]
fn acl_check_says_what_the_server_would() {
    let folder = Folder::new();
    let file = folder.write("a.toml", FILE);
    passwd(&["ann", "--group", "traders", "--file", &file], "x");
    passwd(&["bob", "--file", &file], "x");
    for (user, access, destination, code, part) in [
        ("ann", "read", "/topic/price.eu.dax", 0, "allowed\n"),
        ("ann", "read", "/topic/price.eu.*", 0, "allowed\n"),
        (
            "ann",
            "read",
            "/topic/price.*",
            1,
            "denied to group:traders: read /topic/price.secret",
        ),
        ("ann", "write", "/topic/price.eu", 1, "no rule allows it"),
        ("bob", "read", "/topic/price.eu", 1, "no rule allows it"),
        ("eve", "read", "/topic/price.eu", 1, "no user \"eve\""),
        ("ann", "reed", "/topic/price.eu", 1, "possible values"),
    ] {
        let mut command = stompbox(&["acl", "check", user, access, destination, "--config", &file]);
        let (exit, out, errors) = run(&mut command);
        assert_eq!(exit, Some(code), "{user} {access} {destination}: {errors}");
        assert!(format!("{out}{errors}").contains(part), "{out}{errors}");
    }
}

#[test]
fn nothing_secret_is_logged() {
    let folder = Folder::new();
    let file = folder.write("a.toml", FILE);
    passwd(&["ann", "--file", &file], "hunter2");
    let serve = Serve::start(&["--config", &file, "--log", "trace"], 1);
    let address = serve.address("stomp://").to_owned();
    for connect in [
        "login:ann\npasscode:hunter2\n",
        "login:ann\npasscode:hunter2!\n",
        "login:hunter2\npasscode:ann\n",
        "passcode:hunter2\n",
        "passcode:hunter2\nheart-beat:soon\n",
        "login:ann\npasscode=hunter2\n",
        "login:ann\npasscode hunter2\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        let frame = format!("CONNECT\naccept-version:1.2\nhost:x\n{connect}\n\0");
        stream.write_all(frame.as_bytes()).unwrap();
        stream
            .write_all(b"SUBSCRIBE\nid:1\ndestination:/queue/no\n\n\0")
            .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.is_empty(), "{connect}");
    }
    let log = serve.stop();
    assert!(log.contains("connection refused"), "{log}");
    let text = fs::read_to_string(&file).unwrap();
    let hash = text
        .split('"')
        .find(|part| part.starts_with("$argon2id$"))
        .unwrap();
    let salt = hash.split('$').nth(4).unwrap();
    for secret in ["hunter2", "argon2", salt] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_hashes_is_given_back() {
    let folder = Folder::new();
    let file = folder.write("a.toml", FILE);
    passwd(&["ann", "--file", &file], "hunter2");
    let serve = Serve::start(&["--config", &file], 1);
    for number in 0..20 {
        let mut stream = TcpStream::connect(serve.address("stomp://")).unwrap();
        let frame = format!("CONNECT\nlogin:ann\npasscode:{number}\n\n\0");
        stream.write_all(frame.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(b"ERROR"), "{answer:?}");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", serve.child.id())).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    serve.stop();
    // Each of the hashes took 19 MiB, all of them 380.
    assert!(kib < 120 * 1024, "{kib} KiB");
}

#[test]
fn tls_listeners_come_from_options_and_from_the_file() {
    let folder = Folder::new();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = folder.write("tls.crt", &certified.cert.pem());
    let key = folder.write("tls.key", &certified.signing_key.serialize_pem());
    let free = "127.0.0.1:0";
    let serve = Serve::start(
        &[
            "--stomp",
            free,
            "--http",
            free,
            "--stomp-tls",
            free,
            "--https",
            free,
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
        ],
        8,
    );
    let schemes: Vec<_> = serve
        .lines
        .iter()
        .map(|line| {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .split("://")
                .next()
                .unwrap()
        })
        .collect();
    let expected = [
        "stomp",
        "ws",
        "http",
        "http",
        "stomp+tls",
        "wss",
        "https",
        "https",
    ];
    assert_eq!(schemes, expected);
    serve.stop();

    // Paths count from the file's folder.
    let file = folder.write(
        "a.toml",
        "[[listen]]\nbind = \"127.0.0.1:0\"\nprotocols = [\"http\"]\n\
         tls = { cert = \"tls.crt\", key = \"tls.key\" }\n",
    );
    let serve = Serve::start(&["--config", &file], 3);
    assert!(serve.address("wss://").starts_with("127.0.0.1:"));
    serve.stop();
}

#[test]
fn passcodes_in_plain_text_beyond_loopback_are_warned_of() {
    let serve = Serve::start(
        &[
            "--stomp",
            "0.0.0.0:0",
            "--http",
            "127.0.0.1:0",
            "--user",
            "ann:x",
        ],
        4,
    );
    let log = serve.stop();
    assert!(log.contains("no TLS") && log.contains("0.0.0.0:0"), "{log}");
    let serve = Serve::start(
        &[
            "--stomp",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--user",
            "ann:x",
        ],
        4,
    );
    assert_eq!(serve.stop(), "");
}

/// The blocks of a document in that language.
fn blocks<'d>(document: &'d str, language: &str) -> Vec<&'d str> {
    let start = format!("```{language}\n");
    document
        .split(&start)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

#[test]
fn the_files_and_commands_of_the_documents_work() {
    let security = include_str!("../../../docs/security.md");
    let configuration = include_str!("../../../docs/configuration.md");
    let folder = Folder::new();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("tls.crt", &certified.cert.pem());
    folder.write("tls.key", &certified.signing_key.serialize_pem());
    let files = [blocks(security, "toml"), blocks(configuration, "toml")].concat();
    assert_eq!(files.len(), 4);
    for text in &files {
        let file = folder.write("stompbox.toml", text);
        let (code, _, errors) = run(&mut stompbox(&["config", "check", "--config", &file]));
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    }
    let file = folder.write("stompbox.toml", files[0]);
    for (groups, destination, code) in [
        (&["--group", "traders"][..], "/topic/price.eu.*", 0),
        (&[], "/topic/price.*", 1),
        (&[], "/topic/**", 1),
        (&[], "/topic/price", 0),
    ] {
        passwd(&[&["carl", "--file", &file], groups].concat(), "x");
        let mut command = stompbox(&["acl", "check", "carl", "read", destination]);
        let (exit, _, errors) = run(command.args(["--config", &file]));
        assert_eq!(exit, Some(code), "{destination}: {errors}");
    }
    // The commands, as far as they end by themselves.
    passwd(&["ann", "--file", &file], "x");
    let commands = blocks(security, "sh").concat();
    for line in commands
        .lines()
        .filter(|line| line.starts_with("stompbox "))
    {
        let words: Vec<&str> = line
            .split_whitespace()
            .skip(1)
            .map(|w| w.trim_matches('\''))
            .collect();
        let (mut command, code) = match *words {
            ["passwd", ..] => (stompbox(&words), 0),
            ["serve", ref options @ ..] => (stompbox(&[&["config", "check"], options].concat()), 0),
            _ => (stompbox(&words), 1),
        };
        let mut child = command
            .current_dir(&folder.0)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"secret\n")
            .unwrap_or_default();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {errors}");
    }
}

#[test]
fn the_admin_listener_is_where_it_is_said_to_be() {
    let folder = Folder::new();
    let show = |args: &[&str]| {
        let (code, out, errors) = run(&mut stompbox(&[&["config", "show"], args].concat()));
        assert_eq!(code, Some(0), "{errors}");
        let (_, rest) = out.split_once("[admin]\n").unwrap();
        rest.split_once("\n\n").unwrap().0.to_owned()
    };
    assert!(show(&[]).contains("listen = \"127.0.0.1:61680\" # default"));
    assert_eq!(show(&["--admin", "off"]), "listen = \"off\" # --admin");
    let file = folder.write(
        "stompbox.toml",
        "[admin]\nlisten = \"127.0.0.1:7\"\nhosts = [\"a.example\"]\nmetrics_login = true\n",
    );
    let shown = show(&["--config", &file]);
    for line in [
        format!("listen = \"127.0.0.1:7\" # {file}"),
        format!("hosts = [\"a.example\"] # {file}"),
        format!("metrics_login = true # {file}"),
        "tls = false # default".into(),
        "max_connections = 64 # default".into(),
    ] {
        assert!(shown.lines().any(|it| it == line), "{line}: {shown}");
    }
    assert!(show(&["--config", &file, "--admin", "127.0.0.1:8"]).contains(":8\" # --admin"));
    let user = User::new();
    for (text, expected) in [
        (
            "[admin]\nlisten = \"nowhere\"",
            "neither an address with its port nor \"off\"",
        ),
        ("[admin]\nport = 1", "unknown key \"port\""),
        ("[admin]\ntls = true", "no listener has a certificate"),
        (
            "[admin]\nmax_connections = 0",
            "admin.max_connections is 0, not 1 to 10000",
        ),
        ("[admin]\nlisten = \"0.0.0.0:1\"", "there are no users"),
        (&*user.with_role("boss"), "\"boss\" is no role"),
    ] {
        let file = folder.write("stompbox.toml", text);
        let (code, _, errors) = run(&mut stompbox(&["config", "check", "--config", &file]));
        assert_eq!(code, Some(1), "{text}");
        assert!(errors.contains(expected), "{text}: {errors}");
    }
    let file = folder.write("stompbox.toml", &user.with_role("operator"));
    let (_, out, _) = run(&mut stompbox(&["config", "show", "--config", &file]));
    assert!(out.contains("role = \"operator\""), "{out}");
    // A new passcode leaves the role.
    let (code, ..) = passwd(&["ann", "--file", &file], "x");
    assert_eq!(code, Some(0));
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("role = \"operator\"")
    );
}

/// A user of a file.
struct User(String);

impl User {
    fn new() -> Self {
        let (_, out, _) = passwd(&["ann"], "x");
        Self(out)
    }

    fn with_role(&self, role: &str) -> String {
        format!("{}role = \"{role}\"\n", self.0)
    }
}

#[test]
fn the_table_of_limits_is_the_programs() {
    let document = include_str!("../../../docs/configuration.md");
    let (_, out, _) = run(&mut stompbox(&["config", "show"]));
    let (_, limits) = out.split_once("[limits]\n").unwrap();
    let mut rows = 0;
    for line in limits.lines() {
        let (name, rest) = line.split_once(" = ").unwrap();
        let default = rest.split(' ').next().unwrap().trim_matches('"');
        let row = format!("| `{name}` | {default} | ");
        let (_, rest) = document.split_once(&row).unwrap_or_else(|| panic!("{row}"));
        let bounds: Vec<&str> = rest.split(" | ").take(2).collect();
        // Both bounds are taken, and what is beyond them is refused with their names.
        for bound in &bounds {
            let limit = format!("{name}={bound}");
            let (code, _, errors) = run(&mut stompbox(&["config", "check", "--limit", &limit]));
            assert_eq!(code, Some(0), "{limit}: {errors}");
        }
        let limit = format!("{name}=9999999999999999");
        let (_, _, errors) = run(&mut stompbox(&["config", "check", "--limit", &limit]));
        let range = format!("between {} and {}\n", bounds[0], bounds[1]);
        assert!(errors.ends_with(&range), "{errors}");
        rows += 1;
    }
    let (_, table) = document.split_once("## `[limits]`").unwrap();
    let documented = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, documented, "no row is left over");
}

#[test]
fn load_balancers_are_shown_and_read_again() {
    let folder = Folder::new();
    let file = folder.write(
        "a.toml",
        "allow_anonymous = true\n[[listen]]\nbind = \"127.0.0.1:0\"\nprotocols = [\"stomp\"]\n\
         proxy_protocol = [\"10.0.0.0/8\", \"fd00::1/128\", \"127.0.0.1\"]\n",
    );
    let mut show = stompbox(&["config", "show", "--config", &file, "--http", "127.0.0.1:9"]);
    show.env("STOMPBOX_PROXY_PROTOCOL", "192.0.2.0/24,::1");
    let (code, out, errors) = run(&mut show);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in [
        "proxy_protocol = [\"10.0.0.0/8\", \"fd00::1\", \"127.0.0.1\"]",
        "proxy_protocol = [\"192.0.2.0/24\", \"::1\"]",
    ] {
        assert!(out.lines().any(|own| own == line), "{line}: {out}");
    }
    let shown = folder.write("b.toml", &out);
    let (code, again, errors) = run(&mut stompbox(&["config", "show", "--config", &shown]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(again.matches("proxy_protocol = ").count(), 2, "{again}");
    let admin = folder.write("c.toml", "[admin]\nproxy_protocol = [\"10.0.0.7\"]\n");
    let (_, out, _) = run(&mut stompbox(&["config", "show", "--config", &admin]));
    let line = format!("proxy_protocol = [\"10.0.0.7\"] # {admin}");
    assert!(out.lines().any(|own| own == line), "{line}: {out}");

    let serve = Serve::start(&["--config", &file], 1);
    let mut stream = TcpStream::connect(serve.address("stomp://")).unwrap();
    let connect =
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4567 61613\r\nCONNECT\naccept-version:1.2\nhost:x\n\n\0";
    stream.write_all(connect).unwrap();
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"CONNECTED");
    drop(stream);
    serve.stop();
}

#[test]
fn a_unix_socket_is_shown_and_listened_on() {
    let folder = Folder::new();
    let file = folder.write(
        "a.toml",
        "[[listen]]\nbind = \"unix:a.sock\"\nmode = \"660\"\nprotocols = [\"stomp\"]\n",
    );
    let http = format!("unix:{}", folder.path("web.sock"));
    let url = format!("unix:{}", folder.path("a.sock"));
    let args = ["--config", &file, "--http", &http];
    let (code, out, errors) = run(stompbox(&["config", "show"]).args(args));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in [
        format!("bind = {url:?}"),
        "mode = \"0660\"".to_owned(),
        format!("bind = {http:?}"),
    ] {
        assert!(out.lines().any(|own| own == line), "{line}: {out}");
    }
    let serve = Serve::start(&args, 2);
    let expected = [format!("STOMP      {url}"), format!("HTTP       {http}")];
    assert_eq!(serve.lines, expected);
    let mode = fs::metadata(folder.path("a.sock")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o660);
    let (code, _, errors) = run(&mut stompbox(&["pub", "/queue/a", "x", "--url", &url]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let (code, _, errors) = run(stompbox(&["serve"]).args(args));
    assert_eq!(code, Some(1));
    assert!(errors.contains("another program listens there"), "{errors}");
    assert_eq!(serve.stop(), "");
    let left = ["a.sock", "web.sock"].map(|name| fs::exists(folder.path(name)).unwrap());
    assert_eq!(left, [false, false]);
}

#[test]
fn one_port_for_both_is_shown_and_served() {
    let folder = Folder::new();
    let file = folder.write(
        "a.toml",
        "[[listen]]\nbind = \"127.0.0.1:0\"\nprotocols = [\"http\", \"stomp\"]\n",
    );
    let args = ["--config", &file, "--stomp", "127.0.0.1:0"];
    let (code, out, errors) = run(stompbox(&["config", "show"]).args(args));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    // An option for STOMP alone does not take its place.
    let own =
        format!("[[listen]] # {file}\nbind = \"127.0.0.1:0\"\nprotocols = [\"stomp\", \"http\"]\n");
    let option = "[[listen]] # --stomp\nbind = \"127.0.0.1:0\"\nprotocols = [\"stomp\"]\n";
    assert!(out.contains(&own) && out.contains(option), "{out}");

    let serve = Serve::start(&["--config", &file, "--both", "127.0.0.1:0"], 2);
    let address = serve.address("stomp://");
    assert_eq!(serve.address("ws://"), address, "{:?}", serve.lines);
    for url in [
        format!("stomp://{address}"),
        format!("ws://{address}/stomp"),
    ] {
        let (code, _, errors) = run(&mut stompbox(&["pub", "/queue/a", "x", "--url", &url]));
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{url}");
    }
    assert_eq!(serve.stop(), "");
}

#[test]
fn compression_is_off_unless_something_says_so() {
    let folder = Folder::new();
    let file = folder.write("a.toml", "websocket_compression = true\n");
    for (args, variable, line) in [
        (
            &[][..],
            None,
            "websocket_compression = false # default".to_owned(),
        ),
        (
            &["--config", &file],
            None,
            format!("websocket_compression = true # {file}"),
        ),
        (
            &["--config", &file],
            Some("false"),
            "websocket_compression = false # STOMPBOX_WEBSOCKET_COMPRESSION".to_owned(),
        ),
        (
            &["--websocket-compression"],
            None,
            "websocket_compression = true # --websocket-compression".to_owned(),
        ),
    ] {
        let mut command = stompbox(&["config", "show"]);
        command.args(args);
        if let Some(value) = variable {
            command.env("STOMPBOX_WEBSOCKET_COMPRESSION", value);
        }
        let (code, out, errors) = run(&mut command);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        assert!(out.lines().any(|own| own == line), "{line}: {out}");
    }
}
