//! What is inside of messages.

use portcullis::message::edit::{Edits, Replace, apply};
use portcullis::message::files::{Budget, Limits, open};
use portcullis::message::mime::{
    DEPTH_MAX, Extract, PARTS_MAX, READABLE_OCTETS_MAX, Reader, Take, Walker, file_name, neutral,
};

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

/// Whatever a file is: it is opened within the bounds, each file is told once, and the file itself comes last.
pub fn files(input: &[u8]) {
    let limits = Limits { members: 100, octets: 4 << 20, held: 2 << 20, ..Limits::default() };
    let mut budget = Budget::new(limits);
    let (mut told, mut last) = (Vec::new(), None);
    open(&["a.zip".into()], input, &mut budget, &mut |file, octets| {
        assert!(file.depth <= limits.depth, "{file:?}");
        assert!(octets.is_none_or(|octets| octets.len() as u64 == file.octets), "{file:?}");
        assert!(file.names.iter().all(|name| name.chars().count() <= 1024), "{file:?}");
        told.push(file.number);
        last = Some(file.depth);
    });
    assert_eq!(last, Some(0));
    told.sort_unstable();
    assert!(told.iter().copied().eq(0..told.len() as u32), "{told:?}");
    assert!(told.len() <= 101 && budget.unpacked() <= limits.octets);
}

/// Edits are made once, and never reach beyond the message.
pub fn edit(input: &[u8]) {
    let edits =
        Edits { remove: vec!["x-*"], authserv_id: Some("a"), subject_tag: Some("[S]"), replace: Vec::new() };
    let once = apply(input, &edits).map_or_else(|| input.to_vec(), |edited| edited.message);
    assert_eq!(apply(&once, &edits), None);
    let start = input.first().copied().map_or(0, usize::from);
    let range = start..start + input.len() / 2;
    let replace = vec![Replace { body: range.clone(), range, note: "gone".into() }];
    let _ = apply(input, &Edits { replace, ..Edits::default() });
}
