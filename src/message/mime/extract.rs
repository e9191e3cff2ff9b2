//! Takes the octets of one part out of a message while it is read.

use super::decode::{Decoder, Encoding};
use super::part::{Part, Structure};
use std::ops::Range;

/// What is taken of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Its header block, with the empty line.
    Header,
    /// Its octets, decoded. Of a part that has parts, all of them as they came.
    Body,
}

/// Takes one part out.
#[derive(Debug)]
pub struct Extract {
    /// The message, then each encoded message inside of which the part is.
    stages: Vec<Stage>,
    between: Vec<u8>,
}

#[derive(Debug)]
struct Stage {
    range: Range<u64>,
    at: u64,
    decoder: Decoder,
}

impl Extract {
    /// For a part of that message; `None`: there is no such part.
    #[must_use]
    pub fn new(structure: &Structure, number: u32, take: Take) -> Option<Self> {
        let part = structure.part(number)?;
        let (range, encoding) = match take {
            Take::Header => (part.header.clone(), Encoding::Binary),
            Take::Body => (part.body.clone(), encoding_of(structure, part)),
        };
        let mut stages = vec![Stage { range, at: 0, decoder: Decoder::new(encoding) }];
        let mut within = part.within;
        while let Some(outer) = within.and_then(|number| structure.part(number)) {
            let decoder = Decoder::new(outer.encoding);
            stages.push(Stage { range: outer.body.clone(), at: 0, decoder });
            // Parts are numbered in order, so that this ends.
            within = outer.within.filter(|next| *next < outer.number);
        }
        stages.reverse();
        Some(Self { stages, between: Vec::new() })
    }

    /// The next octets of the message; what is of the part goes behind what is in `out`. False: nothing more will come.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) -> bool {
        let Some((first, others)) = self.stages.split_first_mut() else { return false };
        if others.is_empty() {
            first.push(octets, out);
        } else {
            self.between.clear();
            first.push(octets, &mut self.between);
            through(others, &self.between, out);
        }
        self.stages.first().is_some_and(|first| first.at < first.range.end)
    }

    /// The end of the message.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        while !self.stages.is_empty() {
            let mut first = self.stages.remove(0);
            let mut last = Vec::new();
            first.decoder.finish(&mut last);
            if self.stages.is_empty() {
                out.extend_from_slice(&last);
            } else {
                through(&mut self.stages, &last, out);
            }
        }
    }

    /// The same for a message that is in memory.
    #[must_use]
    pub fn whole(structure: &Structure, number: u32, take: Take, message: &[u8]) -> Option<Vec<u8>> {
        let (mut extract, mut out) = (Self::new(structure, number, take)?, Vec::new());
        extract.push(message, &mut out);
        extract.finish(&mut out);
        Some(out)
    }
}

fn encoding_of(structure: &Structure, part: &Part) -> Encoding {
    // One that was walked into without decoding has its parts in its own octets.
    let plain = part.is_container()
        && structure.parts.iter().any(|p| p.parent == Some(part.number) && p.within == part.within);
    if plain { Encoding::Binary } else { part.encoding }
}

fn through(stages: &mut [Stage], octets: &[u8], out: &mut Vec<u8>) {
    match stages {
        [] => out.extend_from_slice(octets),
        [last] => last.push(octets, out),
        [first, others @ ..] => {
            let mut between = Vec::new();
            first.push(octets, &mut between);
            through(others, &between, out);
        }
    }
}

impl Stage {
    fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let (begin, end) = (self.at, self.at + octets.len() as u64);
        self.at = end;
        let from = self.range.start.clamp(begin, end) - begin;
        let until = self.range.end.clamp(begin, end) - begin;
        let (Ok(from), Ok(until)) = (usize::try_from(from), usize::try_from(until)) else { return };
        if let Some(octets) = octets.get(from..until).filter(|o| !o.is_empty()) {
            self.decoder.push(octets, out);
        }
    }
}
