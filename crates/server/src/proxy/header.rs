//! The bytes of a PROXY header, versions 1 and 2, as haproxy's `proxy-protocol.txt` has them. No IO:
//! this says how many bytes are still the header's, so that nobody reads one that is not.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str,
};

/// Bytes of a version 1 line, its end included.
const LONGEST_LINE: usize = 107;

/// Bytes of a whole version 2 header: what fits into haproxy's own buffer.
const LONGEST_BLOCK: usize = 16 << 10;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE: &[u8] = b"PROXY ";
const SHORTEST_LINE: &[u8] = b"PROXY UNKNOWN\r\n";

/// Signature, command, family, length.
const FIXED: usize = 16;

/// Bytes of a header that [`next`] has to see; all others can be dropped.
pub(super) const SEEN: usize = LONGEST_LINE;

/// What follows the bytes that were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At least so many more bytes are the header's.
    More(usize),
    /// So many more, which say nothing that matters, and it is over.
    Skip(usize, Source),
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Client(SocketAddr),
    /// The proxy's own, or somebody's whom it does not know.
    Proxy,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Looks at all bytes that came so far: none, and later no more than it asked for.
pub(super) fn next(seen: &[u8]) -> Result<Next, Malformed> {
    if seen.is_empty() {
        return Ok(Next::More(SHORTEST_LINE.len()));
    }
    if begins(seen, SIGNATURE) {
        return block(seen);
    }
    if begins(seen, LINE) {
        return line(seen);
    }
    Err(Malformed("there is no PROXY header"))
}

/// Whether these are the first bytes of something, or all of it and more.
fn begins(seen: &[u8], what: &[u8]) -> bool {
    seen.iter().zip(what).all(|(own, other)| own == other)
}

/// Version 2.
fn block(seen: &[u8]) -> Result<Next, Malformed> {
    let Some((fixed, body)) = seen.split_first_chunk::<FIXED>() else {
        return Ok(Next::More(FIXED - seen.len()));
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 {
        return Err(Malformed("the PROXY header is of an unknown version"));
    }
    if FIXED + length > LONGEST_BLOCK {
        return Err(Malformed("the PROXY header is longer than 16 KiB"));
    }
    let addresses = match (command & 0x0f, family) {
        // LOCAL: whatever else it says is to be ignored. UDP and Unix sockets can be named, and say
        // nothing of a TCP connection.
        (0, _) | (1, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => 0,
        (1, 0x11) => 12,
        (1, 0x21) => 36,
        (1, _) => return Err(Malformed("the PROXY header has an unknown family")),
        _ => return Err(Malformed("the PROXY header has an unknown command")),
    };
    let Some(rest) = length.checked_sub(addresses) else {
        return Err(Malformed("the PROXY header is too short for its addresses"));
    };
    if body.len() < addresses {
        return Ok(Next::More(addresses - body.len()));
    }
    let source = match addresses {
        12 => client::<4>(body),
        36 => client::<16>(body),
        _ => Some(Source::Proxy),
    };
    let source = source.ok_or(Malformed("the PROXY header is too short for its addresses"))?;
    Ok(Next::Skip(rest, source))
}

/// Source address, destination address, source port.
fn client<const N: usize>(body: &[u8]) -> Option<Source>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = body.split_first_chunk::<N>()?;
    let (_, rest) = rest.split_first_chunk::<N>()?;
    let (port, _) = rest.split_first_chunk::<2>()?;
    let address = SocketAddr::new((*source).into(), u16::from_be_bytes(*port));
    Some(Source::Client(address))
}

/// Version 1.
fn line(seen: &[u8]) -> Result<Next, Malformed> {
    const TOO_LONG: Malformed = Malformed("the PROXY line is longer than 107 bytes");
    if let Some(text) = seen.strip_suffix(b"\r\n") {
        return Ok(Next::Skip(0, words(text)?));
    }
    let text = seen.strip_suffix(b"\r").unwrap_or(seen);
    if text.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        return Err(Malformed("the PROXY line ends without CR LF"));
    }
    let least = match text.strip_prefix(LINE) {
        _ if text.len() < seen.len() => 1,
        // Each of the words that are to come has a space before it, and a letter.
        Some(rest) if rest.starts_with(b"TCP") => {
            let spaces = rest.iter().filter(|octet| **octet == b' ').count();
            2 + 2 * 4_usize.saturating_sub(spaces)
        }
        _ => SHORTEST_LINE.len().saturating_sub(text.len()).max(2),
    };
    match seen.len() + least <= LONGEST_LINE {
        true => Ok(Next::More(least)),
        false => Err(TOO_LONG),
    }
}

/// A line without its end.
fn words(text: &[u8]) -> Result<Source, Malformed> {
    const WRONG: Malformed = Malformed("the PROXY line is malformed");
    let text = text.strip_prefix(LINE).ok_or(WRONG)?;
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        // Whatever else it says is to be ignored.
        return Ok(Source::Proxy);
    }
    let text = str::from_utf8(text).map_err(|_| WRONG)?;
    let mut words = text.split(' ');
    let family = words.next();
    let mut address = || {
        let word = words.next().ok_or(WRONG)?;
        match family {
            Some("TCP4") => word.parse().map(|it: Ipv4Addr| IpAddr::from(it)),
            Some("TCP6") => word.parse().map(|it: Ipv6Addr| IpAddr::from(it)),
            _ => return Err(Malformed("the PROXY line has an unknown family")),
        }
        .map_err(|_| Malformed("the PROXY line has a malformed address"))
    };
    let (source, _destination) = (address()?, address()?);
    let mut port = || {
        let word = words.next().ok_or(WRONG)?;
        let canonical = word == "0" || word.starts_with(|first| matches!(first, '1'..='9'));
        let number = word.parse().ok().filter(|_| canonical);
        number.ok_or(Malformed("the PROXY line has a malformed port"))
    };
    let (port, _): (u16, u16) = (port()?, port()?);
    match words.next() {
        Some(_) => Err(WRONG),
        None => Ok(Source::Client(SocketAddr::new(source, port))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What it comes to, and how many bytes were read for it, where each read gives at most `piece`
    /// bytes. An error at the end of the input too.
    fn read(input: &[u8], piece: usize) -> Result<(Source, usize), Malformed> {
        let mut at = 0;
        loop {
            match next(&input[..at])? {
                Next::More(count) => {
                    assert!(count > 0 && at + count <= SEEN, "{at} {count}");
                    let end = input.len().min(at + count.min(piece));
                    if end == at {
                        return Err(Malformed("the end"));
                    }
                    at = end;
                }
                Next::Skip(count, source) => {
                    assert!(at + count <= LONGEST_BLOCK);
                    return match at + count <= input.len() {
                        true => Ok((source, at + count)),
                        false => Err(Malformed("the end")),
                    };
                }
            }
        }
    }

    fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, family], &length, body].concat()
    }

    fn addresses(source: SocketAddr) -> Vec<u8> {
        let port = source.port().to_be_bytes();
        match source.ip() {
            IpAddr::V4(ip) => [&ip.octets()[..], &[9; 4], &port, &[1, 2]].concat(),
            IpAddr::V6(ip) => [&ip.octets()[..], &[9; 16], &port, &[1, 2]].concat(),
        }
    }

    /// All headers that say that, with what comes behind them.
    fn headers(source: SocketAddr, tlvs: &[u8]) -> [Vec<u8>; 2] {
        let (word, other, family) = match source.ip() {
            IpAddr::V4(_) => ("TCP4", "10.0.0.1", 0x11),
            IpAddr::V6(_) => ("TCP6", "fd00::1", 0x21),
        };
        let (ip, port) = (source.ip(), source.port());
        let line = format!("PROXY {word} {ip} {other} {port} 61613\r\n");
        let body = [&addresses(source), tlvs].concat();
        [line.into_bytes(), version_2(0x21, family, &body)]
    }

    proptest! {
        #[test]
        fn what_is_said_is_read_and_not_a_byte_more(
            ip: IpAddr,
            port: u16,
            tlvs in proptest::collection::vec(any::<u8>(), 0..300),
            behind in proptest::collection::vec(any::<u8>(), 0..40),
            piece in 1_usize..200,
        ) {
            let source = SocketAddr::new(ip, port);
            for header in headers(source, &tlvs) {
                let input = [&header[..], &behind].concat();
                let expected = Ok((Source::Client(source), header.len()));
                prop_assert_eq!(read(&input, piece), expected, "{:?}", header);
                for end in 0..header.len().min(120) {
                    prop_assert_eq!(read(&input[..end], piece), Err(Malformed("the end")));
                }
            }
        }

        #[test]
        fn other_bytes_do_no_harm(
            start in 0_usize..5,
            rest in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[A-Z0-9 .:\r\n]{0,120}",
            piece in 1_usize..200,
        ) {
            let start: &[u8] = match start {
                0 => b"",
                1 => SIGNATURE,
                2 => b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
                3 => b"PROXY ",
                _ => b"PROXY TCP4 ",
            };
            for rest in [&rest[..], text.as_bytes()] {
                let input = [start, rest].concat();
                let (whole, cut) = (read(&input, 1000), read(&input, piece));
                prop_assert_eq!(whole.ok(), cut.ok());
            }
        }
    }

    #[test]
    fn what_says_nothing_of_the_client_leaves_the_proxy() {
        let long = format!("PROXY UNKNOWN {}\r\n", "\u{ff}".repeat(45));
        let ip = addresses("10.1.2.3:4".parse().unwrap());
        for header in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN \r\n".to_vec(),
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
            long.into_bytes(),
            version_2(0x20, 0x00, b""),
            version_2(0x20, 0x11, &ip),
            version_2(0x20, 0xff, b"abc"),
            version_2(0x21, 0x00, b"abc"),
            version_2(0x21, 0x12, &ip),
            version_2(0x21, 0x31, &[0; 216]),
        ] {
            let input = [&header[..], b"CONNECT\n"].concat();
            for piece in [1, 2, 7, 1000] {
                assert_eq!(read(&input, piece), Ok((Source::Proxy, header.len())));
            }
        }
    }

    #[test]
    fn the_longest_is_taken_and_a_longer_one_is_not() {
        let ip = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let line = format!("PROXY UNKNOWN {ip} {ip} 65535 65535\r\n");
        assert_eq!(line.len(), LONGEST_LINE);
        assert_eq!(
            read(line.as_bytes(), 1000),
            Ok((Source::Proxy, LONGEST_LINE))
        );
        let longer = line.replace("UNKNOWN", "UNKNOWN ");
        assert!(read(longer.as_bytes(), 1000).is_err());
        let block = version_2(0x20, 0, &vec![0; LONGEST_BLOCK - FIXED]);
        assert_eq!(read(&block, 1000), Ok((Source::Proxy, LONGEST_BLOCK)));
        let longer = version_2(0x20, 0, &vec![0; LONGEST_BLOCK - FIXED + 1]);
        assert!(read(&longer, 1000).is_err());
    }

    #[test]
    fn what_is_not_quite_a_header_is_refused() {
        let ip = addresses("10.1.2.3:4".parse().unwrap());
        let mut cases: Vec<Vec<u8>> = [
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
            "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            "PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP6 fe80::1%1 ::2 1 2\r\n",
            "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY UNKNOWNS 1.2.3.4\r\n",
            "PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "CONNECT\naccept-version:1.2\n\n\0",
            "\r\nPROXY UNKNOWN\r\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into();
        cases.extend([
            version_2(0x11, 0x11, &ip),
            version_2(0x22, 0x11, &ip),
            version_2(0x21, 0x13, &ip),
            version_2(0x21, 0x41, &ip),
            version_2(0x21, 0x11, &ip[1..]),
            version_2(0x21, 0x21, &ip),
        ]);
        for case in cases {
            let input = [&case[..], &[b'x'; 200]].concat();
            for piece in [1, 1000] {
                let answer = read(&input, piece);
                let text = String::from_utf8_lossy(&case);
                assert_ne!(answer, Err(Malformed("the end")), "{text:?}");
                assert!(answer.is_err(), "{text:?}: {answer:?}");
            }
        }
    }
}
