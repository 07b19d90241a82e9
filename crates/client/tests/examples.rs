//! Each example, as a program, against a real server.
#![cfg(all(feature = "tls", feature = "json"))]

mod common;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use common::TestServer;
use futures_util::FutureExt as _;
use rcgen::{CertificateParams, KeyPair};
use stompbox_server::{Config, Listen, Server, Tls};
use tokio::sync::oneshot;

/// Where the examples are, which a test run for this file alone does not build.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "build",
            "--examples",
            "--all-features",
        ]);
        assert!(build.status().unwrap().success());
        // This program is in target/debug/deps.
        let program = std::env::current_exe().unwrap();
        program.parent().unwrap().parent().unwrap().join("examples")
    })
}

/// What an example prints.
async fn run(name: &str, args: &[&str]) -> String {
    let mut command = Command::new(folder().join(name));
    command.args(args);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{name}: {out}{errors}");
    out.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_does_what_it_says() {
    let server = TestServer::start().await;
    let url = &*server.stomp;
    assert_eq!(run("publish", &[url]).await, "the broker has it\n");
    assert_eq!(run("subscribe", &[&server.ws, "1"]).await, "Hello, STOMP\n");
    assert_eq!(run("acks", &[url]).await, "again: work\n");
    assert_eq!(run("receipts", &[url]).await, "1000 receipts\n");
    let moved = "moved: Some(\"goods\")\nthen: Some(\"next\")\n";
    assert_eq!(run("transaction", &[url]).await, moved);
    assert_eq!(run("request", &[url]).await, "HELLO\n");
    assert_eq!(run("json", &[url]).await, "order 7 of 2 items\n");
    assert_eq!(run("reconnect", &[url, "3"]).await, "0\n1\n2\n");
    assert_eq!(
        run("failover", &["stomp://127.0.0.1:1", url]).await,
        "STOMP 1.2\n"
    );
    assert!(
        run("token", &[url])
            .await
            .starts_with("logged in at stompbox")
    );
    assert_eq!(run("tasks", &[url]).await, "10 messages\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_tls_does_too() {
    let folder = tempfile::TempDir::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    let tls = Tls {
        cert: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
        client_ca: None,
    };
    std::fs::write(&tls.cert, cert.pem()).unwrap();
    std::fs::write(&tls.key, key.serialize_pem()).unwrap();
    let root = tls.cert.display().to_string();
    let free = "127.0.0.1:0".parse().unwrap();
    let config = Config {
        listen: vec![Listen::stomp(free).with_tls(tls)],
        ..Config::default()
    };
    let server = Server::bind(config).await.unwrap();
    let url = format!(
        "stomp+tls://localhost:{}",
        server.stomp_tls_addrs()[0].port()
    );
    let (_stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run(stopped.map(drop)));
    assert_eq!(run("tls", &[&url, &root]).await, "sent within TLS\n");
}

#[test]
fn there_are_twelve_and_each_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let here = include_str!("examples.rs");
    let names = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let names: Vec<_> = names
        .map(|path| path.file_stem().unwrap().display().to_string())
        .collect();
    assert_eq!(names.len(), 12, "{names:?}");
    for name in names {
        assert!(
            here.contains(&format!("run(\"{name}\"")),
            "{name} is not run"
        );
    }
}
