//! A program that copies bytes between its clients and a broker, by two threads for each client that
//! read and write: what any program in between costs that does not gather what comes.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
};

use crate::{interop::process::Process, tools::Failure};

/// It, in a process of its own.
pub(super) struct Floor {
    process: Process,
    pub(super) tcp: String,
}

impl Floor {
    /// Starts it before a broker's port.
    pub(super) fn start(port: u16) -> Result<Self, Failure> {
        let child = Command::new(env::current_exe()?)
            .args(["bench", "floor", &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut process = Process(child);
        let out = process.0.stdout.take().ok_or("it has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        Ok(Self {
            process,
            tcp: format!("stomp://{}", line.trim()),
        })
    }

    /// The number of the process.
    pub(super) fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// Copies for whoever connects, until the process is ended.
pub(crate) fn serve(args: &[String]) -> Result<(), Failure> {
    let [port] = args else {
        return Err("bench floor takes a port".into());
    };
    let port: u16 = port.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for client in listener.incoming() {
        let (client, broker) = (client?, TcpStream::connect(("127.0.0.1", port))?);
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let pairs = [(client.try_clone()?, broker.try_clone()?), (broker, client)];
        for (from, to) in pairs {
            thread::spawn(move || copy(from, to));
        }
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut room = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut room) {
        if to.write_all(&room[..count]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}
