use stompbox_proto::{Escapes, Octet, Part};

/// Escapes a text of `length` octets at the begin of the window; what comes of it ends where the window
/// does. Its length; `None` if the text has an octet that can't be written, or there is no room.
pub fn escape(window: &mut [u8], length: usize, part: Part, escapes: Escapes) -> Option<usize> {
    let all = window.len();
    let mut to = all;
    // From the end, so that nothing is overwritten before it is read.
    for at in (0..length).rev() {
        let mut octet = *window.get(at)?;
        let mut room = 1;
        match Octet::of(octet, part, escapes) {
            Octet::Plain => {}
            Octet::Escaped(letter) => {
                octet = letter;
                room = 2;
            }
            Octet::Impossible => return None,
        }
        if to < at + room {
            return None;
        }
        to -= room;
        *window.get_mut(to)? = b'\\';
        *window.get_mut(to + room - 1)? = octet;
    }
    Some(all - to)
}
