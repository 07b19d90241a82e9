//! The frames that are measured.

/// Frames of one kind.
pub(crate) struct Workload {
    /// What the tables call it.
    pub(crate) name: &'static str,
    /// Names and values, `content-length` apart.
    pub(crate) headers: Vec<(String, String)>,
    /// The body of each frame.
    pub(crate) body: Vec<u8>,
    /// Whether the frames have a `content-length`.
    pub(crate) sized: bool,
    /// Frames in the stream.
    pub(crate) frames: usize,
    /// Length of one frame's head, up to and including the blank line.
    pub(crate) head: usize,
    /// `frames` frames, one after the other.
    pub(crate) stream: Vec<u8>,
}

impl Workload {
    fn new(
        name: &'static str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        sized: bool,
        frames: usize,
    ) -> Self {
        let mut frame = b"MESSAGE\n".to_vec();
        for (name, value) in &headers {
            frame.extend_from_slice(format!("{name}:{value}\n").as_bytes());
        }
        if sized {
            frame.extend_from_slice(format!("content-length:{}\n", body.len()).as_bytes());
        }
        frame.push(b'\n');
        let head = frame.len();
        frame.extend_from_slice(&body);
        frame.push(0);
        let stream = frame.repeat(frames);
        Self {
            name,
            headers,
            body,
            sized,
            frames,
            head,
            stream,
        }
    }
}

fn headers(count: usize) -> Vec<(String, String)> {
    let known = [
        ("destination", "/topic/prices.eu.XETRA"),
        ("message-id", "7f3a9c-20419"),
        ("subscription", "sub-17"),
        ("ack", "20419"),
        ("content-type", "application/json;charset=utf-8"),
        ("priority", "4"),
        ("timestamp", "1782315600123"),
        ("correlation-id", "6a1f4f0e-9a3c-4c58"),
        ("persistent", "true"),
    ];
    let own = (0..).map(|n| {
        (
            format!("x-attribute-{n}"),
            format!("value of attribute {n}"),
        )
    });
    let known = known
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    known.chain(own).take(count).collect()
}

/// A small MESSAGE: 6 headers, 64 bytes.
pub(crate) fn small() -> Workload {
    Workload::new("small", headers(5), vec![b'x'; 64], true, 256)
}

/// A JSON MESSAGE: 10 headers, 1 KiB.
pub(crate) fn json() -> Workload {
    let body = br#"{"symbol":"APPL","value":195.46,"volume":120000},"#.repeat(21);
    Workload::new("json", headers(9), body[..1024].to_vec(), true, 128)
}

/// A large MESSAGE: 16 headers, 64 KiB.
pub(crate) fn large() -> Workload {
    Workload::new("large", headers(15), vec![b'y'; 64 * 1024], true, 8)
}

/// A MESSAGE that only its NUL ends.
pub(crate) fn unsized_body(megabytes: usize) -> Workload {
    let name = ["unsized 1 MiB", "unsized 2 MiB", "unsized 3 MiB"][megabytes - 1];
    Workload::new(name, headers(5), vec![b'z'; megabytes << 20], false, 1)
}
