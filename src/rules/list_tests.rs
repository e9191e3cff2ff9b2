//! Lists as an admin writes them: what matches, what is more specific, what is told.

use super::*;
use crate::mail::{Domain, Mailbox};
use crate::verdict::Direction;
use proptest::prelude::*;

const NOW: i64 = 1_800_000_000;

fn list(text: &str) -> List {
    let (list, problems) = List::parse("blocks", "lists/blocks.list", text, NOW);
    assert!(problems.iter().all(|p| !p.is_error()), "{problems:?}");
    list
}

fn told(text: &str) -> Vec<String> {
    List::parse("blocks", "b", text, NOW).1.iter().map(ToString::to_string).collect()
}

/// The line that a look-up of `ip:…`, `from:…`, `ehlo:…` and so on finds; 0 is none.
fn line(list: &List, what: &str, dir: Direction, field: bool) -> u32 {
    let (word, text) = what.split_once(':').unwrap();
    let kind = Kind::of_prefix(word).unwrap();
    let mailbox = Mailbox::parse(text.as_bytes());
    let subject = match kind {
        Kind::Address => Subject::Address(text.parse().unwrap()),
        _ if text == "<>" => Subject::Null,
        kind if kind.is_mailbox() => Subject::Mailbox(mailbox.as_ref().unwrap()),
        _ => Subject::Name(text.as_bytes()),
    };
    let hit =
        if field { list.find_in_field(kind, subject, dir, NOW) } else { list.find(kind, subject, dir, NOW) };
    hit.map_or(0, |hit| hit.line)
}

fn check(list: &List, rows: &[(&str, u32)]) {
    for (what, want) in rows {
        assert_eq!(line(list, what, Direction::Inbound, false), *want, "{what}");
    }
}

#[test]
fn the_most_specific_entry_wins() {
    let text = "\
10.0.0.0/8
10.1.0.0/16
!10.1.2.3
2001:db8::/32
!2001:db8:1::/48
x.example
!good@x.example
.example
!.ok.example
*mail*@*          # a glob
/^sales.*@/
!*@y.example
::ffff:192.0.2.0/120
z.example
!z.example
z.example
*bad*@*
!*badly*@*
";
    check(
        &list(text),
        &[
            ("ip:10.200.0.1", 1),
            ("ip:10.1.2.4", 2),
            ("ip:10.1.2.3", 0),
            ("ip:::ffff:10.1.2.4", 2),
            ("ip:11.0.0.1", 0),
            ("ip:192.0.2.7", 13),
            ("ip:2001:db8::1", 4),
            ("ip:2001:db8:1::1", 0),
            ("ip:2001:db8:2::1", 4),
            ("from:a@x.example", 6),
            ("from:Good@X.example", 0),
            ("from:\"good\"@x.example", 0),
            ("from:a@sub.x.example", 8),
            ("from:a@ok.example", 8),
            ("from:a@b.ok.example", 0),
            ("from:a@y.example", 0),
            ("from:a@example", 0),
            ("from:mailer@there.test", 10),
            ("from:sales@there.test", 11),
            ("from:sales-mail@there.test", 10),
            ("from:presales@there.test", 0),
            ("from:a@z.example", 16),
            ("from:bad@there.test", 17),
            ("from:badly@there.test", 0),
            ("from:<>", 0),
            ("ehlo:x.example", 0),
            ("rcpt:a@x.example", 0),
        ],
    );
}

#[test]
fn prefixes_force_a_kind() {
    let text = "\
from:a@x.example
rcpt:info@our.example
rcpt:.our.example
header-from:boss@our.example
ehlo:localhost
HELO:[192.0.2.1]
ehlo:*.dyn.example
user:alice
user:CORP\\bob
user:users.example
rdns:.pool.example
<>
ip:192.0.2.1
ehlo:/^\\d+-/
";
    let list = list(text);
    check(
        &list,
        &[
            ("from:a@x.example", 1),
            ("from:b@x.example", 0),
            ("rcpt:a@x.example", 0),
            ("rcpt:info@our.example", 2),
            ("rcpt:info@a.our.example", 3),
            ("header-from:boss@our.example", 4),
            ("ehlo:LOCALHOST", 5),
            ("ehlo:[192.0.2.1]", 6),
            ("ehlo:a.b.dyn.example", 7),
            ("ehlo:dyn.example", 0),
            ("ehlo:12-3.example", 14),
            ("user:Alice", 8),
            ("user:corp\\BOB", 9),
            ("user:x@users.example", 10),
            ("rdns:a.pool.example", 11),
            ("from:<>", 12),
            ("ip:192.0.2.1", 13),
        ],
    );
    assert_eq!((list.len(), list.is_empty()), (14, false));
}

#[test]
fn entries_without_a_prefix_are_about_the_field_that_names_the_list() {
    let list = list("x.example\nehlo:y.example\n*.dyn.example\nbob@z.example\n");
    for (what, want) in [
        ("ehlo:x.example", 1),
        ("ehlo:y.example", 2),
        ("rdns:y.example", 0),
        ("rdns:a.dyn.example", 3),
        ("user:bob@z.example", 4),
        ("user:bob@x.example", 1),
        ("rcpt:a@x.example", 1),
        ("from:a@y.example", 0),
    ] {
        assert_eq!(line(&list, what, Direction::Inbound, true), want, "{what}");
    }
    assert!(list.is_about(Kind::Hello) && !list.is_about(Kind::Address));
}

#[test]
fn what_is_not_in_force_gives_way_to_the_next() {
    let text = "\
10.0.0.0/8
10.1.0.0/16; until=2020-01-01
10.2.0.0/16; mode=off
10.3.0.0/16; dir=out
10.3.0.0/16; dir=in; until=2020-01-01
10.4.0.0/16; mode=log
x.example
a@x.example; dir=out
b@x.example; until=2020-01-01
b@x.example
b@x.example; until=2030-01-01; dir=out
";
    let list = list(text);
    for (what, inbound, outbound) in [
        ("ip:10.1.0.1", 1, 1),
        ("ip:10.2.0.1", 1, 1),
        ("ip:10.3.0.1", 1, 4),
        ("ip:10.4.0.1", 6, 6),
        ("from:a@x.example", 7, 8),
        ("from:b@x.example", 10, 11),
    ] {
        assert_eq!(line(&list, what, Direction::Inbound, false), inbound, "{what}");
        assert_eq!(line(&list, what, Direction::Outbound, false), outbound, "{what}");
    }
    let late = list.find(
        Kind::Sender,
        Subject::Mailbox(&Mailbox::parse(b"b@x.example").unwrap()),
        Direction::Outbound,
        1_900_000_000,
    );
    assert_eq!(late.unwrap().line, 10);
}

#[test]
fn a_hit_has_its_attributes() {
    let list = list("10.0.0.1; action=drop; note=\"x; # y\"; by=top\n10.0.0.2\r\n10.0.0.3 ; mode=log\n");
    let hit = |ip: &str| {
        list.find(Kind::Address, Subject::Address(ip.parse().unwrap()), Direction::Inbound, NOW).unwrap()
    };
    assert_eq!(hit("10.0.0.1").attributes.action, BlockAction::Drop);
    assert_eq!(hit("10.0.0.1").attributes.note.as_deref(), Some("x; # y"));
    assert_eq!(*hit("10.0.0.2").attributes, Attributes::default());
    assert_eq!(hit("10.0.0.3").attributes.mode, Mode::Log);
}

#[test]
fn domains_compare_as_a_labels_and_globs_without_at_with_the_host() {
    let list = list("Bücher.example\nmail-??.*.test\n\u{fc}bel@x.example\n*.[192.0.2.*\n*@xn--*\n");
    check(
        &list,
        &[
            ("from:a@xn--bcher-kva.example", 1),
            ("from:a@bücher.EXAMPLE", 1),
            ("from:mail-aa.b.test@elsewhere.example", 0),
            ("from:x@mail-01.b.test", 2),
            ("from:ÜBEL@x.example", 3),
            ("from:x@xn--a", 5),
        ],
    );
}

#[test]
fn mistakes_say_where_and_what_was_expected() {
    for (text, want) in [
        ("10.0.0/8", "b:1:1: error: expected an address or a network"),
        ("  !10.0.0.0/33", "b:1:4: error: the prefix length of 10.0.0.0 goes from 0 to 32"),
        ("10.0.0.5/8", "b:1:1: warning: host bits are set; this is 10.0.0.0/8: write \"10.0.0.0/8\""),
        ("192.0.2.*", "write \"192.0.2.0/24\""),
        (
            "10.0.0.0-10.0.0.9",
            "ranges are written as networks, each an entry of its own: \"10.0.0.0/29\", \"10.0.0.8/31\"",
        ),
        ("10.0.0.1:25", "write \"10.0.0.1\""),
        ("ehlo:10.0.0.0/8", "a network is compared with the client's address, not with the HELO name"),
        ("ehlo:192.0.2.1", "writes \"[192.0.2.1]\""),
        ("ip:x.example", "names do not match addresses"),
        ("ehlo:a@b.example", "the HELO name is a host name and has no @: write \"b.example\""),
        ("rdns:*@b.example", "the reverse name is a host name and has no @"),
        ("frm:a@x.example", "unknown prefix \"frm:\"; did you mean \"from:\"?"),
        ("x:y", "unknown prefix \"x:\"; there are ip:, from:"),
        ("from: a@x.example", "nothing stands behind \"from:\""),
        ("@x.example", "a whole domain is written without the @: \"x.example\""),
        ("@other", "a list cannot name another list"),
        ("bob@", "write \"bob@*\""),
        ("<a@x.example>", "write \"a@x.example\""),
        ("rcpt:<>", "\"<>\" is the null sender; the recipient is never null"),
        ("a@b@c.example", "not a mail address"),
        ("a.example, b.example", "without commas"),
        ("a.example b.example", "b:1:11: error: one entry a line"),
        ("a..b", "an empty label"),
        ("/a", "the closing / of the expression is missing"),
        ("/(/", "not a regular expression: unclosed group"),
        ("//", "an empty expression matches everything"),
        ("/(a{1,900}){900}/", "the expression is too large"),
        ("bü*.example", "xn--"),
        ("a.example; utnil=2026-12-31", "b:1:12: error: unknown attribute `utnil`; did you mean `until`?"),
        ("ä@x.example; until=x", "b:1:14: error: `until`: expected a date"),
        ("a.example; until=2020-01-01", "b:1:1: warning: `until` is past"),
        ("a.example\n\nA.example.", "b:3:1: warning: the same entry as in line 1; this one counts"),
        ("10.0.0.1\n10.0.0.1/32", "b:2:1: warning: the same entry as in line 1; this one counts"),
        (&"a".repeat(9000), "b:1:1: error: a line of over 8192 octets"),
    ] {
        let told = told(text);
        assert!(told.len() == 1 && told[0].contains(want), "{text}: {told:?}");
    }
    for text in
        ["", "\u{feff}# x\n\n  # y\n", "a#b@x.example # c", "a.example;", "10.0.0.1;dir=in\n10.0.0.1;dir=out"]
    {
        assert_eq!(told(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn of_equal_mistakes_twenty_are_told_and_the_rest_is_counted() {
    let text: String = (0..1000).map(|i| format!("10.0.{i}\nx.example; until=2020-01-01\n")).collect();
    let told = told(&text);
    let with = |what: &str| told.iter().filter(|t| t.contains(what)).count();
    assert_eq!((with("expected an address"), with("`until` is past"), with("the same entry")), (20, 20, 20));
    assert_eq!(told.len(), 63);
    assert_eq!(told[60], "b:41:1: error: and 980 more like those above (network), up to line 1999");
}

#[test]
fn our_own_domains_are_found_in_an_allow_list() {
    let domain = Domain::parse(b"our.example").unwrap();
    for (text, want) in [
        ("our.example", Some(1)),
        ("other.example\nfrom:Our.Example", Some(2)),
        (".example", Some(1)),
        ("boss@our.example", Some(1)),
        ("*@o?r.example", Some(1)),
        ("o*.example", Some(1)),
        ("/@our\\.example$/", Some(1)),
        ("rcpt:our.example", None),
        ("ehlo:our.example", None),
        (".our.example", None),
        ("boss@your.example\nboss@our.example.test", None),
        ("!our.example\n.example", None),
        ("!our.example\n.example\nboss@our.example", Some(3)),
        ("our.example; mode=off", None),
        ("", None),
    ] {
        assert_eq!(list(text).covers_sender_domain(&domain), want, "{text}");
    }
}

#[test]
fn patterns_have_a_bound() {
    let globs: String = (0..10_010).map(|i| format!("a{i}*@x.example\n")).collect();
    let told_globs = told(&globs);
    assert!(told_globs[0].contains("b:10001:1: error: a list has at most 10000 patterns"), "{told_globs:?}");
    let regexes: String = (0..501).map(|i| format!("/^a{i}$/\n")).collect();
    assert!(told(&regexes)[0].contains("at most 500 expressions"));
}

#[test]
fn ranges_that_run_backwards_are_told_too() {
    for text in ["10.0.0.9-10.0.0.0", "2001:db8::9-2001:db8::1", "10.0.0.1-2001:db8::1", "10.0.0.1-"] {
        let told = told(text);
        assert!(told.len() == 1 && told[0].starts_with("b:1:1: error: "), "{text}: {told:?}");
    }
}

proptest! {
    #[test]
    fn whatever_stands_in_a_list_is_an_entry_or_told(
        lines in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,24}",
                "[-!@*?/#;:.<>\\[\\]\"\\\\ a1=]{0,16}",
                "!?(ip|from|ehlo|user|rdns|):[-*a1.:/@]{0,12}(; ?(until|note|dir|x)=[a1\"-]{0,5})?",
            ],
            0..8,
        ),
        mailbox in "[a1.\"]{1,4}(@[a1.]{1,6})?",
    ) {
        let text = lines.join("\n");
        let (list, problems) = List::parse("l", "l", &text, NOW);
        let errors: std::collections::BTreeSet<u32> =
            problems.iter().filter(|p| p.is_error()).map(|p| p.line).collect();
        let blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let said = text.lines().filter(|line| !blank(line)).count();
        prop_assert_eq!(list.len() + errors.len(), said, "{:?}", problems);
        let listed: Vec<u32> = edit::entries(&text).map(|entry| entry.line).collect();
        prop_assert_eq!(listed.len(), list.len());
        if let Ok(mailbox) = Mailbox::parse(mailbox.as_bytes()) {
            let hit = list.find(Kind::Sender, Subject::Mailbox(&mailbox), Direction::Inbound, NOW);
            prop_assert!(hit.is_none_or(|hit| listed.contains(&hit.line)));
        }
        for kind in [Kind::Hello, Kind::User, Kind::ReverseName] {
            let hit = list.find_in_field(kind, Subject::Name(mailbox.as_bytes()), Direction::Inbound, NOW);
            prop_assert!(hit.is_none_or(|hit| listed.contains(&hit.line)));
        }
    }
}

#[test]
fn entries_that_sweep_are_known_and_bounded() {
    let text = "192.0.2.7; sweep=delete\nbad.example; sweep=move:spam\n.bad.example; sweep=delete\n\
        Bob@x.example; sweep=delete\n<>; sweep=delete\nehlo:*.bad.example; sweep=delete\n\
        from:b?d.example; sweep=delete\nplain.example\n";
    let (list, problems) = List::parse("blocks", "lists/blocks.list", text, 0);
    assert_eq!(problems.len(), 0, "{problems:?}");
    let said: Vec<String> =
        list.swept().iter().map(|s| format!("{} {:?} {:?} {}", s.line, s.kind, s.source, s.sweep)).collect();
    assert_eq!(
        said,
        [
            "1 Address Net(192.0.2.7/32) delete",
            "2 Sender Domain(\"bad.example\") move:spam",
            "3 Sender Below(\"bad.example\") delete",
            "4 Sender Exact(\"bob@x.example\") delete",
            "5 Sender Null delete",
            "6 Hello Glob(\"*.bad.example\") delete",
            "7 Sender Glob(\"*@b*d.example\") delete",
        ]
    );
    for (entry, want) in [
        ("!bob@x.example; sweep=delete", "an exception blocks nothing"),
        ("rcpt:bob@x.example; sweep=delete", "only for what sends"),
        ("rdns:x.example; sweep=delete", "only for what sends"),
        ("/spam/; sweep=delete", "not for everything, and not for expressions"),
        ("*; sweep=delete", "not for everything"),
        ("*@*; sweep=delete", "not for everything"),
        ("0.0.0.0/0; sweep=delete", "not for everything"),
    ] {
        let (_, problems) = List::parse("blocks", "lists/blocks.list", entry, 0);
        assert!(problems.iter().any(|p| p.message.contains(want)), "{entry}: {problems:?}");
    }
    let many: String = (0..1001).map(|n| format!("d{n}.example; sweep=delete\n")).collect();
    let (_, problems) = List::parse("blocks", "lists/blocks.list", &many, 0);
    assert!(problems.iter().any(|p| p.message.contains("at most 1000") && p.line == 1001), "{problems:?}");
}
