//! Edits touch one line and nothing else.

use super::edit::{Change, Typed, add, entries, remove};
use super::*;
use proptest::prelude::*;

fn typed(text: &str) -> Typed {
    Typed::parse(text).unwrap()
}

fn with_note(note: &str) -> Attributes {
    Attributes { note: Some(note.into()), ..Attributes::default() }
}

#[test]
fn typed_entries_have_a_kind() {
    for (text, kind, line) in [
        ("192.0.2.0/24", Kind::Address, "192.0.2.0/24"),
        ("10.0.0.5/8", Kind::Address, "10.0.0.0/8"),
        ("ip:192.0.2.1", Kind::Address, "192.0.2.1"),
        ("!192.0.2.1", Kind::Address, "!192.0.2.1"),
        ("::ffff:192.0.2.1", Kind::Address, "192.0.2.1"),
        ("Spammer@X.example", Kind::Sender, "Spammer@X.example"),
        ("x.example", Kind::Sender, "x.example"),
        ("<>", Kind::Sender, "<>"),
        ("ehlo:localhost", Kind::Hello, "ehlo:localhost"),
        ("/a b; # c/", Kind::Sender, "/a b; # c/"),
        ("user:alice", Kind::User, "user:alice"),
    ] {
        let typed = typed(text);
        assert_eq!((typed.kind(), typed.line(&Attributes::default())), (kind, line.to_owned()), "{text}");
    }
    assert_eq!(typed("10.0.0.5/8").warning().map(|w| w.contains("host bits")), Some(true));
    assert_eq!(typed("Größe@x.example").name(), Some("größe@x.example"));
    assert_eq!((typed(".x.example").name(), typed("x*@a").name()), (None, None));
    for (text, want) in [
        ("", "expected an entry such as 192.0.2.0/24"),
        ("# x", "expected an entry such as"),
        ("192.0.2.0/33", "goes from 0 to 32"),
        ("10.0.0.1; note=x", "expected one entry, found \"note=x\" behind it; attributes are options"),
        ("a.example b.example", "expected one entry, found \"b.example\""),
        ("ehl:localhost", "did you mean \"ehlo:\"?"),
        ("@x.example", "without the @"),
    ] {
        let error = Typed::parse(text).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
}

#[test]
fn an_entry_is_added_at_the_end_or_replaces_itself() {
    let none = Attributes::default();
    for (text, entry, want, line) in [
        ("", "10.0.0.1", "10.0.0.1\n", 1),
        ("# x\n", "10.0.0.1", "# x\n10.0.0.1\n", 2),
        ("# x", "10.0.0.1", "# x\n10.0.0.1", 2),
        ("# x\r\n", "10.0.0.1", "# x\r\n10.0.0.1\r\n", 2),
        ("\u{feff}", "10.0.0.1", "\u{feff}10.0.0.1\n", 1),
        ("!10.0.0.1\n", "10.0.0.1", "!10.0.0.1\n10.0.0.1\n", 2),
        ("ehlo:a.example\n", "a.example", "ehlo:a.example\na.example\n", 2),
    ] {
        let edit = add(text, &typed(entry), &none);
        assert_eq!((edit.text.as_str(), edit.change), (want, Change::Added { line }), "{text:?}");
    }
    for (text, entry, want, line, before) in [
        ("10.0.0.1; by=x\na\n", "10.0.0.1/32", "10.0.0.1; note=\"n\"\na\n", 1, "10.0.0.1; by=x"),
        ("\u{feff}A.example\r\nb", "a.example", "\u{feff}a.example; note=\"n\"\r\nb", 1, "A.example"),
        (
            "x\n  from:a.example   # why",
            "*@a.example",
            "x\n*@a.example; note=\"n\"  # why",
            2,
            "  from:a.example   # why",
        ),
        (
            "a.example; note=\"#\" # why\n",
            "a.example",
            "a.example; note=\"n\"  # why\n",
            1,
            "a.example; note=\"#\" # why",
        ),
        (
            "a.example\na.example;dir=in\n",
            "a.example",
            "a.example\na.example; note=\"n\"\n",
            2,
            "a.example;dir=in",
        ),
    ] {
        let edit = add(text, &typed(entry), &with_note("n"));
        let change = Change::Replaced { line, before: before.to_owned() };
        assert_eq!((edit.text.as_str(), edit.change), (want, change), "{text:?}");
    }
    assert_eq!(add("10.0.0.1\n", &typed("10.0.0.1"), &none).change, Change::Nothing);
}

#[test]
fn every_line_of_an_entry_is_removed_and_no_other() {
    let text = "# head\n10.0.0.1\n10.0.0.1; dir=out # x\n!10.0.0.1\n10.0.0.0/31\nip:10.0.0.1";
    let edit = remove(text, &typed("10.0.0.1"));
    assert_eq!(edit.text, "# head\n!10.0.0.1\n10.0.0.0/31");
    let Change::Removed { lines } = edit.change else { panic!("{:?}", edit.change) };
    let lines: Vec<(u32, &str)> = lines.iter().map(|(n, l)| (*n, l.as_str())).collect();
    assert_eq!(lines, [(2, "10.0.0.1"), (3, "10.0.0.1; dir=out # x"), (6, "ip:10.0.0.1")]);
    let edit = remove(text, &typed("10.0.0.2"));
    assert_eq!((edit.text.as_str(), edit.change), (text, Change::Nothing));
    // What cannot be read is nobody's entry and stays.
    assert_eq!(remove("10.0.0/8\n", &typed("10.0.0.0/8")).text, "10.0.0/8\n");
}

#[test]
fn entries_are_listed_with_their_lines() {
    let text =
        "# x\n!ehlo:A.example; until=1970-01-02\n\n10.0.0.1 # y\nbad entry\n/a:b/; mode=log\nbroken; x=1";
    let got: Vec<_> = entries(text)
        .map(|e| (e.line, e.exception, e.kind, e.pattern, e.expired(86_400), e.expired(172_800)))
        .collect();
    assert_eq!(
        got,
        [
            (2, true, Kind::Hello, "A.example", false, true),
            (4, false, Kind::Address, "10.0.0.1", false, false),
            (6, false, Kind::Sender, "/a:b/", false, false),
        ]
    );
}

#[test]
fn attributes_that_are_written_are_read_as_they_were() {
    let all = Attributes {
        until: Some(1_900_000_000),
        created: Some(1_800_000_001),
        note: Some("a \"b\"; # \\".into()),
        by: Some("J. Doe".into()),
        dir: Some(crate::verdict::Direction::Outbound),
        mode: Mode::Log,
        action: BlockAction::Tempfail,
        text: Some("Go away".into()),
        auth_any: true,
        sweep: Some(crate::rules::Sweep::Delete),
    };
    let line = typed("a@x.example").line(&all);
    assert_eq!(entries(&line).next().unwrap().attributes, all, "{line}");
}

fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        (any::<[u8; 4]>(), 0u8..=32).prop_map(|(a, n)| format!("{}.{}.{}.{}/{n}", a[0], a[1], a[2], a[3])),
        "[a-c]{1,2}@[a-c]{1,2}\\.example",
        "!?(ehlo:|rdns:|rcpt:|)\\.?[a-c]{1,2}\\.example",
        "/[a-c ;#]{1,4}/",
        "[a-c]\\*@[a-c]\\.example",
    ]
}

proptest! {
    #[test]
    fn what_is_added_and_removed_leaves_the_text_as_it_was(
        lines in proptest::collection::vec(prop_oneof![entry(), Just("# comment".to_owned()), Just(String::new()),
            "[ -~]{0,12}"], 0..12),
        end in prop_oneof![Just("\n"), Just("\r\n")],
        closed in any::<bool>(),
        new in entry(),
        note in "\\PC{0,20}",
    ) {
        let mut text = lines.join(end);
        if closed && !text.is_empty() {
            text.push_str(end);
        }
        let new = typed(&new);
        let attributes = if note.is_empty() { Attributes::default() } else { with_note(&note) };
        let without = remove(&text, &new).text;
        let added = add(&without, &new, &attributes);
        let is_added = matches!(added.change, Change::Added { .. });
        prop_assert!(is_added);
        let last = entries(&added.text).last().unwrap();
        prop_assert_eq!((last.kind, &last.attributes), (new.kind(), &attributes));
        // Saying it again changes nothing.
        prop_assert_eq!(add(&added.text, &new, &attributes).change, Change::Nothing);
        prop_assert_eq!(remove(&added.text, &new).text, without);
    }
}

#[test]
fn an_open_quote_does_not_take_in_what_is_put_behind_it() {
    assert!(Typed::parse("ehlo:\"}a+G/)}").unwrap_err().contains("not closed"));
    assert!(Typed::parse("\"B ob\"@x.example").is_ok());
}
