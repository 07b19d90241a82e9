use alloc::{string::String, vec::Vec};
use core::{mem, str};

use crate::{Command, DecodeError, Dialect, FrameRef, Limits, dialect::Escapes, frame::Line, scan};

/// Turns chunks of bytes into frames.
///
/// Each byte is looked at a fixed number of times, however the stream is cut: what was scanned is
/// remembered, not scanned again. A frame that lies whole in one chunk is borrowed from it; only
/// an unfinished frame is copied, after the limits were checked.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    phase: Phase,
    /// The bytes of an unfinished frame. All offsets count from the frame's first byte, be it here
    /// or in the caller's chunk.
    buffer: Vec<u8>,
    lines: Vec<Line>,
    command: Command,
    command_end: usize,
    line_start: usize,
    /// First colon of the line at `line_start`.
    colon: Option<usize>,
    /// Whether a CR before a line's LF belongs to the line's end.
    strip_cr: bool,
    body_start: usize,
    content_length: Option<u64>,
    /// Whether a NUL, CR or backslash must be looked at in the head.
    odd: bool,
    /// The head of the `SEND` before, to which all the fields above still belong, and its dialect.
    /// Producers mostly send the same head again and again, and it need not be read anew.
    known_head: String,
    known_dialect: Option<Dialect>,
    /// The frame at hand has the known head.
    repeats: bool,
    failure: Option<DecodeError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before a command; `true` after the CR of an end of line.
    Between(bool),
    Head,
    /// The body's NUL is at this offset.
    Sized(usize),
    Unsized,
    /// The frame in `buffer` was handed out.
    Done,
}

/// Where a complete frame lies; its length includes the NUL.
enum Place {
    Input(usize),
    Buffer,
}

/// A buffer that a big frame made larger than this is given back once it is empty.
const KEPT_CAPACITY: usize = 256 * 1024;

/// A head that is longer than this is not remembered.
const KNOWN_HEAD: usize = 512;

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Between(false),
            buffer: Vec::new(),
            lines: Vec::new(),
            command: Command::Other,
            command_end: 0,
            line_start: 0,
            colon: None,
            strip_cr: false,
            body_start: 0,
            content_length: None,
            odd: false,
            known_head: String::new(),
            known_dialect: None,
            repeats: false,
            failure: None,
        }
    }

    /// Decodes the next frame of `input` and moves `input` past what it used. `None`: all of it is
    /// used, and no frame is complete. Call it again until then.
    ///
    /// `dialect` is the session's at the time of the call: it may change after each frame.
    ///
    /// # Errors
    ///
    /// The stream breaks the protocol or a limit. The decoder stays in that state: every later
    /// call gives the same error.
    pub fn decode<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        dialect: Dialect,
    ) -> Result<Option<FrameRef<'a>>, DecodeError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let place = match self.advance(input, dialect) {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.failure = Some(error.clone());
                return Err(error);
            }
        };
        let frame: &'a [u8] = match place {
            Place::Input(length) => {
                let (frame, rest) = input.split_at(length);
                *input = rest;
                self.phase = Phase::Between(false);
                frame
            }
            Place::Buffer => {
                self.phase = Phase::Done;
                &self.buffer
            }
        };
        let body = &frame[self.body_start..frame.len() - 1];
        let head = if self.repeats {
            &self.known_head
        } else {
            match str::from_utf8(&frame[..self.body_start]) {
                Ok(head) => {
                    if self.command == Command::Send && head.len() <= KNOWN_HEAD {
                        self.known_head.clear();
                        self.known_head.push_str(head);
                        self.known_dialect = Some(dialect);
                    }
                    head
                }
                Err(error) => {
                    let at = error.valid_up_to();
                    let error = DecodeError::InvalidUtf8 { at };
                    self.failure = Some(error.clone());
                    return Err(error);
                }
            }
        };
        Ok(Some(FrameRef {
            command: self.command,
            // Without a backslash there is nothing to undo.
            escapes: if self.odd {
                Escapes::of(dialect, self.command)
            } else {
                Escapes::None
            },
            plain: !self.odd,
            repeats: self.repeats,
            padded: dialect == Dialect::V1_0,
            command_end: self.command_end,
            head,
            lines: &self.lines,
            body,
        }))
    }

    /// Whether no frame has been begun: the moment at which a stream may end.
    pub fn is_between_frames(&self) -> bool {
        matches!(self.phase, Phase::Between(_) | Phase::Done)
    }

    /// What of the frame at hand came in earlier chunks. After an error its rest is what is left of the
    /// chunk, so that whoever can do without that frame may pass over it and go on with a new decoder.
    pub fn unfinished(&self) -> &[u8] {
        match self.phase {
            Phase::Done => &[],
            _ => &self.buffer,
        }
    }

    fn advance(
        &mut self,
        input: &mut &[u8],
        dialect: Dialect,
    ) -> Result<Option<Place>, DecodeError> {
        if self.phase == Phase::Done {
            self.buffer.clear();
            if self.buffer.capacity() > KEPT_CAPACITY {
                self.buffer = Vec::new();
            }
            self.phase = Phase::Between(false);
        }
        if let Phase::Between(after_cr) = self.phase {
            self.skip_ends_of_lines(input, after_cr)?;
            if input.is_empty() {
                return Ok(None);
            }
            self.repeats = self.known_dialect == Some(dialect)
                && input.starts_with(self.known_head.as_bytes());
            if !self.repeats {
                self.begin_frame();
            }
        }
        // Scanned bytes of `input`; those before are in the buffer.
        let mut used = 0;
        if self.repeats && matches!(self.phase, Phase::Between(_)) {
            used = self.known_head.len();
            self.body_start = used;
            self.decide_end(used, dialect)?;
        }
        if self.phase == Phase::Head {
            let head_end = self.scan_head(input, dialect)?;
            self.check_head_so_far(&input[..head_end.unwrap_or(input.len())], dialect)?;
            let Some(head_end) = head_end else {
                return Ok(self.keep(input));
            };
            self.body_start = self.buffer.len() + head_end;
            if self.buffer.is_empty() {
                self.read_head(&input[..head_end], dialect)?;
                used = head_end;
            } else {
                self.buffer.extend_from_slice(&input[..head_end]);
                *input = &input[head_end..];
                let head = mem::take(&mut self.buffer);
                let result = self.read_head(&head, dialect);
                self.buffer = head;
                result?;
            }
        }
        let base = self.buffer.len();
        match self.phase {
            Phase::Sized(nul) => {
                let Some(&last) = input.get(nul - base) else {
                    return Ok(self.keep(input));
                };
                if last != 0 {
                    let length = nul - self.body_start;
                    return Err(DecodeError::MissingNul {
                        length,
                        found: last,
                        at: nul,
                    });
                }
                Ok(Some(self.complete(input, nul - base + 1)))
            }
            _ => {
                let limit = self.body_limit(dialect);
                // Saturating: a caller may have no limit, or change the dialect within a frame.
                let room = limit.saturating_sub(base + used - self.body_start);
                let rest = &input[used..];
                let window = &rest[..rest.len().min(room.saturating_add(1))];
                match memchr::memchr(0, window) {
                    Some(at) => Ok(Some(self.complete(input, used + at + 1))),
                    None if window.len() > room => {
                        Err(self.too_long(dialect, (limit as u64).saturating_add(1)))
                    }
                    None => Ok(self.keep(input)),
                }
            }
        }
    }

    /// EOLs between frames are heart-beats or padding. A CR must be followed by LF.
    fn skip_ends_of_lines(
        &mut self,
        input: &mut &[u8],
        mut after_cr: bool,
    ) -> Result<(), DecodeError> {
        while let Some((&octet, rest)) = input.split_first() {
            match octet {
                b'\n' => after_cr = false,
                _ if after_cr => return Err(DecodeError::InvalidCommand { at: 0 }),
                b'\r' => after_cr = true,
                _ => break,
            }
            *input = rest;
        }
        self.phase = Phase::Between(after_cr);
        Ok(())
    }

    fn begin_frame(&mut self) {
        self.phase = Phase::Head;
        self.known_dialect = None;
        self.lines.clear();
        self.command_end = 0;
        self.line_start = 0;
        self.colon = None;
        self.content_length = None;
        self.odd = false;
    }

    /// Scans for the blank line; gives the offset after it in `chunk`.
    fn scan_head(&mut self, chunk: &[u8], dialect: Dialect) -> Result<Option<usize>, DecodeError> {
        let base = self.buffer.len();
        let (words, tail) = chunk.as_chunks::<8>();
        let mut at = 0;
        for word in words {
            let mut marks = scan::marks(*word);
            while marks != 0 {
                let here = at + scan::first(marks);
                marks &= marks - 1;
                if chunk[here] == b':' {
                    self.colon.get_or_insert(base + here);
                } else if self.end_line(chunk, here, dialect)? {
                    return Ok(Some(here + 1));
                }
            }
            at += 8;
        }
        for &octet in tail {
            if octet == b':' {
                self.colon.get_or_insert(base + at);
            } else if octet == b'\n' && self.end_line(chunk, at, dialect)? {
                return Ok(Some(at + 1));
            }
            at += 1;
        }
        let begun = base + chunk.len() - self.line_start;
        // A CR may be half of the line's end: a limit must not depend on where the stream is cut.
        let last = chunk.last().or_else(|| self.buffer.last());
        let open_cr = begun > 0 && last == Some(&b'\r');
        self.check_line_length(begun - usize::from(open_cr), dialect)?;
        Ok(None)
    }

    /// Takes the line that the LF at `here` of `chunk` ends. True if it is the blank one.
    #[inline(always)]
    fn end_line(
        &mut self,
        chunk: &[u8],
        here: usize,
        dialect: Dialect,
    ) -> Result<bool, DecodeError> {
        let start = self.line_start;
        let mut end = self.buffer.len() + here;
        let before = if here > 0 {
            Some(&chunk[here - 1])
        } else {
            self.buffer.last()
        };
        let cr = end > start && before == Some(&b'\r');
        if self.command_end == 0 {
            // A peer that ends its command with CR LF does so with every line. Versions 1.0 and
            // 1.1 know only LF, but telnet users send both, and no command ends in CR.
            self.strip_cr = cr || matches!(dialect, Dialect::Handshake | Dialect::V1_2);
            end -= usize::from(cr);
            self.check_line_length(end - start, dialect)?;
            self.command_end = end;
            self.line_start = self.buffer.len() + here + 1;
            self.colon = None;
            return Ok(false);
        }
        end -= usize::from(cr && self.strip_cr);
        if end == start {
            return Ok(true);
        }
        self.check_line_length(end - start, dialect)?;
        let Some(colon) = self.colon.take() else {
            return Err(DecodeError::MissingColon { at: start });
        };
        if colon == start {
            return Err(DecodeError::EmptyHeaderName { at: start });
        }
        if self.lines.len() >= self.limits.headers {
            return Err(DecodeError::TooManyHeaders {
                limit: self.limits.headers,
                at: start,
            });
        }
        // Limits keep a head far below 4 GiB; see `check_head_so_far`.
        #[expect(clippy::cast_possible_truncation)]
        self.lines.push(Line {
            name: start as u32,
            name_end: colon as u32,
            value: colon as u32 + 1,
            value_end: end as u32,
        });
        self.line_start = self.buffer.len() + here + 1;
        Ok(false)
    }

    #[inline(always)]
    fn check_line_length(&self, length: usize, dialect: Dialect) -> Result<(), DecodeError> {
        if self.command_end == 0 {
            return if length > self.limits.command {
                Err(DecodeError::CommandTooLong {
                    limit: self.limits.command,
                })
            } else {
                Ok(())
            };
        }
        let limit = match dialect {
            Dialect::Handshake => self.limits.header_line.max(self.limits.handshake),
            _ => self.limits.header_line,
        };
        if length > limit {
            return Err(DecodeError::HeaderLineTooLong {
                limit,
                at: self.line_start,
            });
        }
        Ok(())
    }

    /// Checks each part of a head as it comes, so that a faulty one is refused without waiting for
    /// its end.
    fn check_head_so_far(&mut self, part: &[u8], dialect: Dialect) -> Result<(), DecodeError> {
        let length = self.buffer.len() + part.len();
        if dialect == Dialect::Handshake && length > self.limits.handshake {
            let limit = self.limits.handshake;
            return Err(DecodeError::HandshakeTooLong {
                limit,
                length: length as u64,
            });
        }
        let limit = self.limits.head.min(u32::MAX as usize / 2);
        if length > limit {
            return Err(DecodeError::HeadTooLong { limit });
        }
        if let Some(at) = memchr::memchr3(0, b'\\', b'\r', part) {
            self.odd = true;
            if let Some(nul) = memchr::memchr(0, &part[at..]) {
                return Err(DecodeError::NulInHead {
                    at: self.buffer.len() + at + nul,
                });
            }
        }
        // A CR at the end of the part before was let pass, since an LF could follow.
        let in_command = self.command_end == 0 || self.buffer.len() <= self.command_end + 1;
        if in_command
            && self.buffer.last() == Some(&b'\r')
            && part.first().is_some_and(|octet| *octet != b'\n')
        {
            return Err(DecodeError::InvalidCommand {
                at: self.buffer.len() - 1,
            });
        }
        // Refuse another protocol at its first line: no NUL may ever come.
        if self.buffer.len() < self.command_end || self.command_end == 0 {
            let end = match self.command_end {
                0 => length,
                end => end,
            };
            let seen = &part[..(end - self.buffer.len()).min(part.len())];
            let open_cr = usize::from(self.command_end == 0 && seen.last() == Some(&b'\r'));
            if let Some(at) = invalid_in_command(&seen[..seen.len() - open_cr]) {
                return Err(DecodeError::InvalidCommand {
                    at: self.buffer.len() + at,
                });
            }
        }
        Ok(())
    }

    /// Reads what a complete head says, and decides how the body ends.
    fn read_head(&mut self, head: &[u8], dialect: Dialect) -> Result<(), DecodeError> {
        self.command = Command::parse(&head[..self.command_end]);
        if dialect == Dialect::V1_0 {
            for line in &mut self.lines {
                trim(head, &mut line.name, &mut line.name_end);
                trim(head, &mut line.value, &mut line.value_end);
            }
        }
        if self.odd {
            self.check_odd_octets(head, dialect)?;
        }
        for line in &self.lines {
            // By length first: most names are not this long.
            if line.name_end - line.name == 14
                && &head[line.name as usize..line.name_end as usize] == b"content-length"
            {
                let at = line.value as usize;
                let value = parse_length(&head[at..line.value_end as usize])
                    .ok_or(DecodeError::InvalidContentLength { at })?;
                match self.content_length {
                    Some(first) if first != value => {
                        return Err(DecodeError::ContentLengthConflict {
                            first,
                            second: value,
                            at,
                        });
                    }
                    _ => self.content_length = Some(value),
                }
            }
        }
        self.decide_end(head.len(), dialect)
    }

    /// Decides how the body ends that begins after a head of that length.
    fn decide_end(&mut self, head: usize, dialect: Dialect) -> Result<(), DecodeError> {
        let Some(length) = self.content_length else {
            self.phase = Phase::Unsized;
            return Ok(());
        };
        let limit = self.body_limit(dialect);
        let body = usize::try_from(length).ok().filter(|body| *body <= limit);
        // The NUL's offset plus one must be a length too.
        let nul = body.and_then(|body| head.checked_add(body));
        match nul.filter(|nul| *nul < isize::MAX as usize) {
            Some(nul) => {
                self.phase = Phase::Sized(nul);
                Ok(())
            }
            None => Err(self.too_long(dialect, length)),
        }
    }

    /// Looks at each backslash and CR of a head that has some.
    fn check_odd_octets(&self, head: &[u8], dialect: Dialect) -> Result<(), DecodeError> {
        let escapes = Escapes::of(dialect, self.command);
        for line in &self.lines {
            for (start, end) in [(line.name, line.name_end), (line.value, line.value_end)] {
                let mut at = start as usize;
                let end = end as usize;
                while at < end {
                    match head[at] {
                        b'\\' if matches!(escapes, Escapes::V1_1 | Escapes::V1_2) => {
                            let letter = head[..end].get(at + 1).copied();
                            if letter.and_then(|letter| escapes.decode(letter)).is_none() {
                                return Err(DecodeError::UndefinedEscape { at });
                            }
                            at += 2;
                        }
                        b'\r' if dialect == Dialect::V1_2 => {
                            return Err(DecodeError::BareCarriageReturn { at });
                        }
                        _ => at += 1,
                    }
                }
            }
        }
        Ok(())
    }

    fn body_limit(&self, dialect: Dialect) -> usize {
        match dialect {
            Dialect::Handshake => self
                .limits
                .body
                .min(self.limits.handshake.saturating_sub(self.body_start)),
            _ => self.limits.body,
        }
    }

    fn too_long(&self, dialect: Dialect, body: u64) -> DecodeError {
        if self.body_limit(dialect) < self.limits.body {
            let length = body.saturating_add(self.body_start as u64);
            return DecodeError::HandshakeTooLong {
                limit: self.limits.handshake,
                length,
            };
        }
        DecodeError::BodyTooLong {
            limit: self.limits.body,
            length: body,
        }
    }

    /// Takes the rest of an unfinished frame's chunk into the buffer.
    fn keep(&mut self, input: &mut &[u8]) -> Option<Place> {
        self.buffer.extend_from_slice(input);
        *input = &[];
        None
    }

    /// Ends a frame whose last byte is before offset `end` of `input`.
    fn complete(&mut self, input: &mut &[u8], end: usize) -> Place {
        if self.buffer.is_empty() {
            return Place::Input(end);
        }
        let (last, rest) = input.split_at(end);
        self.buffer.extend_from_slice(last);
        *input = rest;
        Place::Buffer
    }
}

/// Where the first octet is that no command has.
fn invalid_in_command(command: &[u8]) -> Option<usize> {
    command
        .iter()
        .position(|octet| !octet.is_ascii_alphanumeric() && !matches!(octet, b'-' | b'_'))
}

/// Narrows a part of a 1.0 head to what is between blanks.
fn trim(head: &[u8], start: &mut u32, end: &mut u32) {
    while start < end && head[*start as usize] == b' ' {
        *start += 1;
    }
    while start < end && head[*end as usize - 1] == b' ' {
        *end -= 1;
    }
}

/// A decimal number; digits alone, so that no reader can take it for another.
fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0u64, |number, octet| {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
