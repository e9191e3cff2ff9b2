//! Base64 (RFC 2045 section 6.8) as programs read it: foreign octets, padding in the middle, lines that are no groups.

use crate::message::large::buffer;

/// How base64 is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rules {
    pub(super) padding: Padding,
    /// Where an octet is foreign, the end.
    pub(super) stop: bool,
    /// `-` and `_` are digits (RFC 4648 section 5).
    pub(super) url: bool,
    /// Each line by itself.
    pub(super) lines: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Padding {
    /// Ends a text; what follows is another one.
    #[default]
    Again,
    /// Ends it all.
    Stop,
    /// Is nothing.
    Skip,
}

/// What was seen in base64.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub(super) struct Seen {
    pub(super) foreign: bool,
    pub(super) behind_padding: bool,
    pub(super) url: bool,
    /// Lines whose digits are no whole groups, with lines behind them.
    pub(super) broken_lines: bool,
}

const FOREIGN: u8 = 64;
const BLANK: u8 = 65;
const PADDING: u8 = 66;
const NEWLINE: u8 = 67;
const URL: u8 = 68;

const CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "a constant, made when this is compiled")]
const fn classes() -> [u8; 256] {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [FOREIGN; 256];
    let mut at = 0;
    while at < 64 {
        table[digits[at] as usize] = at as u8;
        at += 1;
    }
    table[b' ' as usize] = BLANK;
    table[b'\t' as usize] = BLANK;
    table[b'\r' as usize] = BLANK;
    table[b'\n' as usize] = NEWLINE;
    table[b'=' as usize] = PADDING;
    table[b'-' as usize] = URL;
    table[b'_' as usize] = URL;
    table
}

fn class(octet: u8) -> u8 {
    CLASSES.get(usize::from(octet)).copied().unwrap_or(FOREIGN)
}

/// Decodes base64; never fails.
pub(super) fn base64(octets: &[u8], rules: Rules) -> (Vec<u8>, Seen) {
    let mut group = Group { out: buffer(octets.len() / 4 * 3 + 3), bits: 0, digits: 0 };
    let mut seen = Seen::default();
    let (mut padded, mut unfinished) = (false, false);
    let mut rest = octets;
    while let Some((&octet, after)) = rest.split_first() {
        if group.digits == 0
            && let Some((run, behind)) = whole_groups(rest, &mut group.out)
        {
            seen.behind_padding |= padded;
            seen.broken_lines |= unfinished;
            padded = false;
            rest = behind;
            debug_assert!(run > 0);
            continue;
        }
        rest = after;
        let digit = match (class(octet), rules.url) {
            (BLANK, _) => continue,
            (NEWLINE, _) => {
                unfinished |= group.digits != 0;
                if rules.lines {
                    group.flush();
                }
                continue;
            }
            (PADDING, _) => {
                match rules.padding {
                    Padding::Again => group.flush(),
                    Padding::Stop => break,
                    Padding::Skip => {}
                }
                padded = true;
                continue;
            }
            (URL, true) => {
                if octet == b'-' {
                    62
                } else {
                    63
                }
            }
            (FOREIGN | URL, _) => {
                seen.foreign = true;
                seen.url |= class(octet) == URL;
                if rules.stop {
                    break;
                }
                continue;
            }
            (digit, _) => digit,
        };
        seen.behind_padding |= padded;
        seen.broken_lines |= unfinished;
        padded = false;
        group.push(digit);
    }
    group.flush();
    (group.out, seen)
}

/// Groups of four digits from the beginning: how many, and what is behind them. Fast for honest lines.
fn whole_groups<'o>(octets: &'o [u8], out: &mut Vec<u8>) -> Option<(usize, &'o [u8])> {
    let (groups, _) = octets.as_chunks::<4>();
    let mut done = 0;
    for &[a, b, c, d] in groups {
        let [a, b, c, d] = [class(a), class(b), class(c), class(d)];
        if (a | b | c | d) >= FOREIGN {
            break;
        }
        out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        done += 1;
    }
    (done > 0).then(|| (done, octets.get(done * 4..).unwrap_or_default()))
}

struct Group {
    out: Vec<u8>,
    bits: u32,
    digits: u8,
}

impl Group {
    fn push(&mut self, digit: u8) {
        self.bits = self.bits << 6 | u32::from(digit);
        self.digits += 1;
        if self.digits == 4 {
            let [_, a, b, c] = self.bits.to_be_bytes();
            self.out.extend_from_slice(&[a, b, c]);
            (self.bits, self.digits) = (0, 0);
        }
    }

    /// The whole octets of an unfinished group.
    fn flush(&mut self) {
        match self.digits {
            2 => self.out.extend((self.bits >> 4).to_be_bytes().last()),
            3 => {
                let [.., a, b] = (self.bits >> 2).to_be_bytes();
                self.out.extend_from_slice(&[a, b]);
            }
            _ => {}
        }
        (self.bits, self.digits) = (0, 0);
    }
}
