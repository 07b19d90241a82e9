//! The other end that costs next to nothing: it answers, and throws away.
//!
//! Against a broker, what is measured is whoever of the two is slower. Against this, it is the client.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use memchr::{memchr, memmem};

/// Serves on a free port, which it prints, until standard input ends.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || converse(stream));
        }
    });
    let _ = io::stdin().lines().count();
}

/// Runs something until its client has gone. The thread stays: its processor time is to be read.
fn spawn(work: impl FnOnce() -> io::Result<()> + Send + 'static) {
    thread::spawn(move || {
        drop(work());
        loop {
            thread::park();
        }
    });
}

const READ: usize = 256 << 10;

fn converse(mut input: TcpStream) -> io::Result<()> {
    input.set_nodelay(true)?;
    let output = Arc::new(Mutex::new(input.try_clone()?));
    let mut buffer = vec![0; 2 * READ];
    // Bytes of an unfinished frame, at the start.
    let mut kept = 0;
    let mut answers = Vec::new();
    let receipt = memmem::Finder::new("\nreceipt:");
    loop {
        let read = input.read(&mut buffer[kept..])?;
        if read == 0 {
            return Ok(());
        }
        let filled = kept + read;
        let mut rest = &buffer[..filled];
        answers.clear();
        // No body of the benchmark holds a NUL.
        while let Some(end) = memchr(0, rest) {
            let frame = rest[..end].trim_ascii_start();
            rest = &rest[end + 1..];
            if frame.starts_with(b"CONNECT") {
                answers.extend_from_slice(b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0");
            } else if frame.starts_with(b"SUBSCRIBE") {
                let id = header(frame, memmem::find(frame, b"\nid:"));
                let id = String::from_utf8_lossy(id).into_owned();
                let output = Arc::clone(&output);
                spawn(move || flood(&output, &id));
            }
            if let Some(at) = receipt.find(frame) {
                answers.extend_from_slice(b"RECEIPT\nreceipt-id:");
                answers.extend_from_slice(header(frame, Some(at)));
                answers.extend_from_slice(b"\n\n\0");
            }
        }
        let left = rest.len();
        buffer.copy_within(filled - left..filled, 0);
        kept = left;
        write(&output, &answers)?;
    }
}

fn write(output: &Mutex<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    let mut output = output.lock().map_err(|_| io::ErrorKind::BrokenPipe)?;
    output.write_all(bytes)
}

/// The value of the header whose line begins after the LF at an offset.
fn header(frame: &[u8], at: Option<usize>) -> &[u8] {
    let line = at.map_or(&b""[..], |at| &frame[at + 1..]);
    let line = &line[..memchr(b'\n', line).unwrap_or(line.len())];
    memchr(b':', line).map_or(b"", |colon| &line[colon + 1..])
}

/// Messages without end, as our broker writes them.
fn flood(output: &Mutex<TcpStream>, subscription: &str) -> io::Result<()> {
    let mut block = Vec::new();
    for number in 0..1000 {
        write!(
            block,
            "MESSAGE\nsubscription:{subscription}\nmessage-id:1-{number:06}\n\
             destination:/queue/bench\ncontent-length:64\n\n{}\0",
            super::contenders::BODY
        )?;
    }
    loop {
        write(output, &block)?;
    }
}
