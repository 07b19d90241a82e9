//! A broker that is killed and started again under load: `pub` and `sub` account for every message.

mod common;

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::Child,
};

use common::{account::account, stompbox};

/// A broker of ours with a store, at an address that it keeps.
struct Broker {
    address: String,
    data: tempfile::TempDir,
    child: Child,
}

impl Broker {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let data = tempfile::tempdir().unwrap();
        let child = Self::serve(&address, data.path());
        Self {
            address,
            data,
            child,
        }
    }

    fn serve(address: &str, data: &Path) -> Child {
        let data = data.to_str().unwrap();
        let mut child = stompbox(&[
            "serve",
            "--stomp",
            address,
            "--http",
            "127.0.0.1:0",
            "--data",
            data,
        ])
        .spawn()
        .unwrap();
        // It says where it listens once it does, in four lines.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines: Vec<_> = lines.take(4).map(Result::unwrap).collect();
        assert!(
            lines.first().is_some_and(|line| line.contains(address)),
            "{lines:?}"
        );
        child
    }

    fn kill(&mut self) {
        // SIGKILL: nothing is put in order.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::serve(&self.address, self.data.path());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn killed_twice(more: &[&str]) {
    let mut broker = Broker::start();
    let address = broker.address.clone();
    account(&["-s", &address], more, || {
        broker.kill();
        broker.restart();
    });
}

#[test]
fn nothing_is_lost_when_our_broker_is_killed() {
    killed_twice(&[]);
}

#[test]
fn no_transaction_is_lost_when_our_broker_is_killed() {
    killed_twice(&["--tx", "7"]);
}
