use stompbox_proto::{Escapes, Octet, Part};

/// Escapes a text of `length` octets where it is, at the begin of the window. Its new length; `None`
/// if it has an octet that can't be written, or has no room.
pub fn escape(window: &mut [u8], length: usize, part: Part, escapes: Escapes) -> Option<usize> {
    let mut longer = 0;
    for octet in window.get(..length)? {
        match Octet::of(*octet, part, escapes) {
            Octet::Plain => {}
            Octet::Escaped(_) => longer += 1,
            Octet::Impossible => return None,
        }
    }
    // From the end, so that nothing is overwritten before it is read.
    let mut to = length + longer;
    let mut at = length;
    let escaped = to;
    while at < to {
        at = at.checked_sub(1)?;
        let octet = *window.get(at)?;
        to = to.checked_sub(1)?;
        if let Octet::Escaped(pair) = Octet::of(octet, part, escapes) {
            let [slash, letter] = pair.as_bytes() else {
                return None;
            };
            *window.get_mut(to)? = *letter;
            to = to.checked_sub(1)?;
            *window.get_mut(to)? = *slash;
        } else {
            *window.get_mut(to)? = octet;
        }
    }
    Some(escaped)
}
