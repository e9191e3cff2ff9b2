//! What an admin wrote about who may pass (lists, conditions, protocol.toml), and what the gateway wrote of it itself.

use portcullis::checks::{Scene, judge};
use portcullis::config::{Moment, Sources, parse_files};
use portcullis::mail::Mailbox;
use portcullis::records::Record;
use portcullis::rules::edit::{self, Change, Typed};
use portcullis::rules::{Attributes, Kind, List, Lists, Matcher, Prepared, Problem, Subject};
use portcullis::verdict::Direction;
use std::net::IpAddr;
use std::path::Path;

/// When everything here happens: between the years that dates in the corpus have.
const NOW: i64 = 1_795_291_200;
const KINDS: [Kind; 7] = [
    Kind::Address,
    Kind::Sender,
    Kind::HeaderFrom,
    Kind::Recipient,
    Kind::Hello,
    Kind::User,
    Kind::ReverseName,
];
const GATEWAY: &str = "hostname = \"mx.our.example\"\n[relay]\ndomains = [\"our.example\"]\n\
    [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:2525\"\ndownstream = \"mx\"\n\
    [[downstream]]\nname = \"mx\"\naddress = \"127.0.0.1:2526\"\n";

/// Calls `with` for subjects of every form, some of them made of the input.
fn subjects(input: &[u8], with: &mut dyn FnMut(Kind, Subject<'_>)) {
    let name = input.split(|o| matches!(o, b'\n' | b';' | b' ')).next().unwrap_or_default();
    let name = name.rsplit(|&o| o == b':').next().unwrap_or_default();
    let mailboxes = [&b"bob@x.example"[..], b"\"B ob\"@[192.0.2.1]", name];
    let mailboxes: Vec<Mailbox> = mailboxes.iter().filter_map(|m| Mailbox::parse(m).ok()).collect();
    for kind in KINDS {
        if kind == Kind::Address {
            for ip in ["192.0.2.1", "2001:db8::1", "0.0.0.0", "::"] {
                with(kind, Subject::Address(ip.parse().expect("an address")));
            }
            continue;
        }
        if kind.is_mailbox() {
            with(kind, Subject::Null);
        }
        mailboxes.iter().for_each(|mailbox| with(kind, Subject::Mailbox(mailbox)));
        for name in [&b"a.dsl.x.example"[..], b"", name] {
            with(kind, Subject::Name(name));
        }
    }
}

fn told_well(problems: &[Problem]) {
    for line in problems.iter().map(ToString::to_string) {
        assert!(line.len() < 8000, "{} octets: {}", line.len(), line.get(..300).unwrap_or_default());
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

pub fn list(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (list, problems) = List::parse("blocks", "lists/blocks.list", &text, NOW);
    told_well(&problems);
    assert!(problems.len() < 500, "{} problems are told", problems.len());
    let lines = text.lines().count();
    assert!(list.len() <= lines && list.is_empty() == (list.len() == 0));
    assert!(problems.iter().all(|p| (p.line as usize) <= lines.max(1)));
    let lf = text.replace("\r\n", "\n");
    let (same, _) = List::parse("blocks", "lists/blocks.list", &lf, NOW);
    subjects(input, &mut |kind, subject| {
        for dir in [Direction::Inbound, Direction::Outbound] {
            let found = list.find(kind, subject, dir, NOW).map(|hit| hit.line);
            assert_eq!(same.find(kind, subject, dir, NOW).map(|hit| hit.line), found, "line ends count");
            assert!(found.is_none_or(|line| (1..=lines).contains(&(line as usize))));
            assert!(
                found.is_none() || list.find_in_field(kind, subject, dir, NOW).is_some() || list.has(kind)
            );
        }
    });
}

/// The first line is an entry that somebody typed, the others are a list.
pub fn list_edit(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (typed, text) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(typed) = Typed::parse(typed) else { return };
    let attributes = Attributes { note: Some("a \"note\"; # of it".into()), ..Attributes::default() };
    let before = edit::entries(text).count();
    let added = edit::add(text, &typed, &attributes);
    let line = typed.line(&attributes);
    assert!(added.text.contains(&line), "{line:?} is not in {:?}", added.text);
    let after = edit::entries(&added.text).count();
    assert!((before..=before + 1).contains(&after), "{before} entries, then {after}");
    assert_eq!(edit::add(&added.text, &typed, &attributes).change, Change::Nothing, "{:?}", added.text);
    let (one, problems) = List::parse("l", "l", &line, NOW);
    assert!(!problems.iter().any(Problem::is_error), "{line:?}: {problems:?}");
    assert_eq!(one.len(), 1, "{line:?}");
    let removed = edit::remove(&added.text, &typed);
    assert!(matches!(removed.change, Change::Removed { .. }), "{:?}", added.text);
    assert_eq!(edit::remove(&removed.text, &typed).change, Change::Nothing, "{:?}", removed.text);
    assert!(edit::entries(&removed.text).count() <= before);
}

/// Each line is an item of one condition.
pub fn matcher(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let items: Vec<String> = text.lines().map(str::to_owned).collect();
    let (names, _) =
        List::parse("names", "lists/names.list", "x.example\n!bob@x.example\n192.0.2.0/24\n", NOW);
    let lists: Lists = [("names".into(), names.into())].into();
    for kind in KINDS {
        let read =
            |items: &[String]| Matcher::parse(kind, items, &lists, &mut |at, _| assert!(at < items.len()));
        let all = match read(&items) {
            Ok(all) => all,
            Err((at, error)) => {
                assert!(at < items.len() && read(&items[at..=at]).is_err(), "{error} is not said of {at}");
                continue;
            }
        };
        let plain = items.iter().all(|item| !item.trim_start().starts_with('!')) && !items.is_empty();
        let negated: Vec<String> = items.iter().map(|item| format!("!{item}")).collect();
        let none_of = if plain { read(&negated).ok() } else { None };
        subjects(input, &mut |of, subject| {
            if of != kind {
                return;
            }
            let prepared = Prepared::new(kind, subject);
            let found = all.matches(subject, Direction::Inbound, NOW);
            assert_eq!(all.matches_prepared(&prepared, Direction::Inbound, NOW), found);
            if let Subject::Address(ip) = subject {
                assert!(!found || all.hull().lets(ip), "a hull keeps out what matches");
            } else {
                assert!(!found || all.fence().lets(prepared.trail()), "a fence keeps out what matches");
            }
            if let Some(none_of) = &none_of {
                assert_eq!(
                    none_of.matches(subject, Direction::Inbound, NOW),
                    !found,
                    "`!` is not its contrary"
                );
            }
        });
    }
}

pub fn protocol(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let sources = Sources::of(&[
        ("gateway.toml", GATEWAY),
        ("protocol.toml", &text),
        ("lists/names.list", "x.example\n192.0.2.0/24\n"),
    ]);
    let (policy, problems) = parse_files(&sources, Path::new("/rules"), Moment::at(NOW));
    told_well(&problems);
    assert_eq!(policy.is_some(), !problems.iter().any(Problem::is_error));
    let Some(policy) = policy else { return };
    let client: IpAddr = "192.0.2.1".parse().expect("an address");
    let mut scene = Scene::of(client, "in", NOW).in_country("DE").listed(1500);
    scene.hello = Some("mx.x.example".into());
    scene.sender = Some("<bob@x.example>".into());
    scene.recipients = vec!["<info@our.example>".into(), "<postmaster@our.example>".into()];
    scene.header_from = vec!["bob@x.example".into()];
    for step in judge(&scene, &policy).steps {
        for finding in &step.findings {
            assert!(!finding.reason.contains("panicked"), "{finding:?}");
        }
        let Some(reply) = step.reply else { continue };
        let mut wire = Vec::new();
        reply.write_to(&mut wire);
        assert!(wire.split_inclusive(|&o| o == b'\n').all(|l| l.len() <= 512 && l.ends_with(b"\r\n")));
        assert!(
            wire.iter().all(|o| (32..127).contains(o) || matches!(o, b'\r' | b'\n')),
            "{}",
            wire.escape_ascii()
        );
    }
}

pub fn record(input: &[u8]) {
    for line in input.split(|&o| o == b'\n').chain([input]) {
        let Some(record) = Record::parse(line) else { continue };
        let _ = (record.unix_ms(), record.gathered(), record.conduct(), record.is_clean());
        assert!(record.id().is_none_or(|id| id.to_string().parse() == Ok(id)));
        for path in record.sender().into_iter().chain(record.to.iter().map(|to| to.path())) {
            assert!(path.starts_with('<'), "{path}");
        }
        let deciding = record.deciding();
        assert!(deciding.is_none_or(|d| record.findings.iter().any(|f| std::ptr::eq(f, d))));
        assert!(!record.is_clean() || record.is_delivered());
    }
}
