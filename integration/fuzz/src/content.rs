//! What is inside of messages.

use portcullis::authentication::{Answer, Case, Data, Kind, Known, Step, Subject, check_spf};
use portcullis::config::model;
use portcullis::mail::{Id, Path};
use portcullis::message::edit::{Edits, Replace, apply};
use portcullis::message::files::{Budget, Limits, open};
use portcullis::message::mime::{
    DEPTH_MAX, Extract, PARTS_MAX, READABLE_OCTETS_MAX, Reader, Take, Walker, file_name, neutral,
};
use portcullis::verdict::{AuthResult, Direction, Envelope};
use portcullis::message::content::{Limits as WalkLimits, Overview, PartInfo, Reading, Visitor, visit};
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

/// A message and the answers of DNS, both of them hostile: it is judged after few questions, and nothing passes that
/// no key or record lets pass.
pub fn authentication(input: &[u8]) {
    let envelope = Envelope {
        id: Id::from_bits(1).expect("it fits"),
        client: "192.0.2.1".parse().expect("an address"),
        client_name: None,
        hello: Some("mail.example.org".into()),
        user: None,
        authenticated: false,
        may_relay: false,
        trusted: false,
        tls: None,
        sender: Path::parse(b"<a@example.org>").expect("a path").0,
        recipients: Vec::new(),
        listener: "mx".into(),
        direction: Direction::Inbound,
        hostname: "mx.example.net".into(),
        smtputf8: false,
    };
    let answer = |kind: Kind| match kind {
        Kind::Txt => Answer::Records([Data::Text(input.get(..500).unwrap_or(input).into())].into()),
        Kind::A | Kind::Aaaa => Answer::NoRecords,
        Kind::Mx | Kind::Ptr => Answer::Records([Data::Name("mx.example.org".into())].into()),
    };
    let mut case = Case::of(input, &envelope, &model::Authentication::default(), 1_500_000_000);
    let told = (0..100).find_map(|_| match case.step() {
        Step::Done(told) => Some(told),
        Step::Ask(questions) => {
            questions.into_iter().for_each(|question| {
                let answer = answer(question.kind);
                case.add(question, answer);
            });
            None
        }
    });
    let told = told.expect("it ends");
    assert!(told.dkim.iter().all(|signature| signature.result != AuthResult::Pass), "no key is known");
    // The input as the record of a domain.
    let mut known = Known::default();
    let text = [b"v=spf1 ".as_slice(), input].concat();
    let record = Answer::Records([Data::Text(text.into())].into());
    let subject = Subject { ip: envelope.client, hello: "h.example", local: "a", domain: "example.org" };
    for _ in 0..100 {
        match check_spf(&known, subject) {
            Ok(_) => return,
            Err(_) => known.take_wanted().into_iter().for_each(|question| {
                let of_domain = question.kind == Kind::Txt && &*question.name == "example.org";
                known.add(question.clone(), if of_domain { record.clone() } else { answer(question.kind) });
            }),
        }
    }
    panic!("SPF never ends");
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

fn walk(input: &[u8], limits: &WalkLimits) -> (Told, Overview) {
    let mut told = Told { whole: input.len(), ..Told::default() };
    let overview = visit(input, limits, &mut told);
    (told, overview)
}

/// Parts lie inside of each other, bounds hold, and the same message is told the same way twice.
pub fn content(input: &[u8]) {
    for limits in
        [WalkLimits::default(), WalkLimits { depth: 3, parts: 10, header: 100, encoded: 1, octets: 1, search: 2 }]
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
