//! Names of headers that were seen before, so that the host makes each text once.

/// How many names are kept. Servers use a few dozens; one that makes up names does not get more.
const KEPT: u16 = 256;
/// A power of two, larger than [`KEPT`], so that a search always ends at a free place.
const PLACES: usize = 512;
const LONGEST: usize = 40;

/// A name's number; it is the same for ever.
pub(crate) type Number = u16;

/// In place of the number of a name that is not kept, or not seen for the first time in its head.
pub(crate) const NONE: Number = 0xffff;

#[derive(Clone, Copy, Debug)]
struct Name {
    length: u8,
    octets: [u8; LONGEST],
    /// The head in which it was seen last.
    seen: u32,
}

/// All names that are kept.
#[derive(Debug)]
pub struct Names {
    places: [Name; PLACES],
    count: u16,
    /// The number of the head at hand.
    head: u32,
}

impl Names {
    /// No names.
    #[expect(clippy::new_without_default, reason = "too large to be made by chance")]
    pub const fn new() -> Self {
        let free = Name {
            length: 0,
            octets: [0; LONGEST],
            seen: 0,
        };
        Self {
            places: [free; PLACES],
            count: 0,
            head: 0,
        }
    }

    pub(crate) fn begin_head(&mut self) {
        self.head = self.head.wrapping_add(1);
    }

    /// The number of a name with its hash; [`NONE`] also if this head has had it already, so that the
    /// host looks whether it is a repeated one.
    pub(crate) fn number(&mut self, name: &[u8], hash: u32) -> Number {
        let mut at = hash as usize % PLACES;
        while let Some(place) = self.places.get_mut(at) {
            if place.length == 0 {
                if name.len() > LONGEST || name.is_empty() || self.count == KEPT {
                    break;
                }
                for (octet, own) in name.iter().zip(&mut place.octets) {
                    *own = *octet;
                }
                place.length = name.len() as u8;
                self.count += 1;
            } else if usize::from(place.length) != name.len()
                || place.octets.iter().zip(name).any(|(a, b)| a != b)
            {
                at = (at + 1) % PLACES;
                continue;
            } else if place.seen == self.head {
                break;
            }
            place.seen = self.head;
            return at as Number;
        }
        NONE
    }
}
