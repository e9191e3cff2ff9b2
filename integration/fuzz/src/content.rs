//! What is inside of messages.

use portcullis::message::content::{Limits, Overview, PartInfo, Reading, Visitor, visit};
use portcullis::message::mime::{
    DEPTH_MAX, Extract, PARTS_MAX, READABLE_OCTETS_MAX, Reader, Take, Walker, file_name, neutral,
};
use portcullis::rules::{SignatureText, Signatures};
use std::collections::BTreeSet;
use std::time::Duration;

/// Cut anywhere, a message has the same parts with the same octets; parts lie inside of each other; text drives nothing.
pub fn mime(input: &[u8]) {
    let whole = Walker::walk(input);
    let piece = 1 + input.first().copied().map_or(0, usize::from) % 30;
    let mut walker = Walker::new();
    input.chunks(piece).for_each(|piece| walker.push(piece));
    assert_eq!(walker.finish(), whole, "in pieces of {piece}");
    assert!((1..=PARTS_MAX).contains(&whole.parts.len()));
    for part in &whole.parts {
        assert!(part.depth <= DEPTH_MAX);
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
        assert!(part.body.start <= part.body.end, "{part:?}");
        assert!(part.within.is_some() || part.body.end <= input.len() as u64, "{part:?}");
        let parent = part.parent.and_then(|p| whole.part(p));
        assert!(parent.is_none_or(|p| p.number < part.number && p.depth + 1 == part.depth));
        let body = Extract::whole(&whole, part.number, Take::Body, input).expect("it is there");
        assert_eq!(body.len() as u64, part.octets, "{part:?}");
        let mut extract = Extract::new(&whole, part.number, Take::Body).expect("it is there");
        let mut pieces = Vec::new();
        for piece in input.chunks(piece) {
            extract.push(piece, &mut pieces);
        }
        extract.finish(&mut pieces);
        assert_eq!(pieces, body, "{part:?}");
        let name = file_name(part.name.as_deref().unwrap_or_default());
        assert!(
            !name.is_empty() && !name.contains(['/', '\0', '\n']) && !name.starts_with(['.', '-']),
            "{name:?}"
        );
    }
    let read = Reader::read(&whole, input);
    let mut reader = Reader::new(&whole);
    for piece in input.chunks(piece) {
        reader.push(piece);
    }
    assert_eq!(reader.finish(), read);
    assert!(read.text.len() <= READABLE_OCTETS_MAX);
    assert!(read.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    assert_eq!(neutral(&read.text), read.text);
}

/// What a visitor is told.
#[derive(Default)]
struct Told {
    parts: Vec<PartInfo>,
    readings: Vec<(u32, Reading)>,
    octets: u64,
    whole: usize,
}

impl Visitor for Told {
    fn part(&mut self, part: &PartInfo) {
        assert_eq!(part.number as usize, self.parts.len() + 1);
        let parent = part.parent.map(|p| &self.parts[p as usize - 1]);
        assert!(parent.is_none_or(|parent| parent.depth + 1 == part.depth));
        assert!(!part.kinds.is_empty() && part.names.len() <= 16);
        if let (Some(range), Some(body)) = (&part.range, &part.body) {
            assert!(
                range.start <= body.start
                    && body.start <= body.end
                    && body.end == range.end
                    && range.end <= self.whole
            );
        }
        self.parts.push(part.clone());
    }

    fn octets(&mut self, part: &PartInfo, reading: Reading, octets: &[u8]) {
        assert_eq!(self.parts.get(part.number as usize - 1), Some(part));
        self.readings.push((part.number, reading));
        self.octets += octets.len() as u64;
    }
}

fn walk(input: &[u8], limits: &Limits) -> (Told, Overview) {
    let mut told = Told { whole: input.len(), ..Told::default() };
    let overview = visit(input, limits, &mut told);
    (told, overview)
}

/// Parts lie inside of each other, bounds hold, and the same message is told the same way twice.
pub fn content(input: &[u8]) {
    for limits in
        [Limits::default(), Limits { depth: 3, parts: 10, header: 100, encoded: 1, octets: 1, search: 2 }]
    {
        let (told, overview) = walk(input, &limits);
        let (again, same) = walk(input, &limits);
        assert_eq!((&told.parts, &told.readings, &overview), (&again.parts, &again.readings, &same));
        assert_eq!((told.parts.len(), told.octets), (overview.parts as usize, overview.octets));
        assert!(
            overview.parts >= 1
                && overview.parts <= limits.parts
                && told.octets <= limits.octets_of(input.len())
        );
        assert!(told.parts.iter().all(|part| part.depth <= limits.depth + 1));
        assert!(overview.odd.iter().all(|(part, _)| (1..=overview.parts).contains(part)));
        let distinct: BTreeSet<_> = overview.odd.iter().collect();
        assert_eq!(distinct.len(), overview.odd.len());
        assert!(overview.again.iter().all(|part| (1..=overview.parts).contains(part)));
        // A part that was read in two ways is looked at twice.
        let mut seen = BTreeSet::new();
        for (part, _) in &told.readings {
            assert!(seen.insert(part) || overview.again.contains(part), "{part}");
        }
    }
}

/// No text takes the compiler down, and what is compiled searches.
pub fn signatures(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for file in ["signatures/x.yar", "signatures/x.sha256"] {
        let text = SignatureText { file: file.into(), text: text.to_owned() };
        let (signatures, problems) = Signatures::compile(&[text], None);
        assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
        let limited = signatures.limited(Duration::from_millis(200));
        let _ = limited.search(b"abc text MZ\0\0AB abbcyyyy");
        let _ = limited.search(input);
    }
}
