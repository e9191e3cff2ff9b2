//! Of bounds, of work, and of messages as they are.

use super::evasions::{eicar, walk};
use super::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Counts what it is told.
#[derive(Default)]
struct Count {
    parts: u64,
    octets: u64,
    deepest: u32,
}

impl Visitor for Count {
    fn part(&mut self, part: &PartInfo) {
        self.parts += 1;
        self.deepest = self.deepest.max(part.depth);
    }
    fn octets(&mut self, _: &PartInfo, _: Reading, octets: &[u8]) {
        self.octets += octets.len() as u64;
    }
}

/// Messages that are meant to cost much, of about this many octets.
fn hostile(octets: usize) -> Vec<(&'static str, Vec<u8>)> {
    let times = |text: &str, around: usize| text.repeat((octets.saturating_sub(around) / text.len()).max(1));
    let multi = |body: String| {
        format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{body}").into_bytes()
    };
    let one = |encoding: &str, body: String| {
        format!("Content-Type: application/x-x\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}")
            .into_bytes()
    };
    let mut nested = Vec::new();
    let mut level = 0;
    while nested.len() < octets {
        nested.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n").as_bytes(),
        );
        level += 1;
    }
    let headers = times("X-Field: some value of a field\r\n", 0);
    let types = times("Content-Type: multipart/mixed; boundary=a; boundary=b; boundary=c\r\n", 0);
    let names = "Content-Disposition: attachment".to_owned()
        + &times("; filename*0*=utf-8''%41; filename=\"=?utf-8?Q?=41?=\"", 0);
    vec![
        ("parts", multi(times("--b\r\n\r\nx\r\n", 0))),
        ("parts with headers", multi(times("--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n", 0))),
        ("delimiters that are none", multi(times("--bx\r\n", 0))),
        ("dashes", multi(times("--", 0))),
        ("dashes in lines", multi(times("--\r\n", 0))),
        ("nested multiparts", nested),
        ("the same multipart in itself", times("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 0).into_bytes()),
        ("messages in messages", times("Content-Type: message/rfc822\r\n\r\n", 0).into_bytes()),
        ("multiparts in two readings", times("Content-Type: multipart/mixed; boundary=a; boundary=b\r\nno field\r\n \r\n--a\r\n--b\r\n", 0).into_bytes()),
        ("messages in three readings", times("Content-Type: message/rfc822\r\nno field\r\n \r\nContent-Transfer-Encoding : x-base64\r\n\r\n", 0).into_bytes()),
        ("headers", headers.clone().into_bytes()),
        ("one header", format!("X: {}", times("x", 0)).into_bytes()),
        ("types", types.into_bytes()),
        ("names", names.into_bytes()),
        ("comments", format!("Content-Type: {}", times("(", 0)).into_bytes()),
        ("bad lines", times("no field\r\n", 0).into_bytes()),
        ("blanks", times(" \r\n", 0).into_bytes()),
        ("bare CR", times("Content-Type: message/rfc822\r\r", 0).into_bytes()),
        ("base64", one("base64", times("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n", 0))),
        ("base64 padded", one("base64", times("QQ==", 0))),
        ("base64 of foreign octets", one("base64", times("-!_", 0))),
        ("quoted-printable", one("quoted-printable", times("=", 0))),
        ("blanks in quoted-printable", one("quoted-printable", times(" ", 0))),
        ("soft line ends", one("quoted-printable", times("=  ", 0))),
        ("unknown encoding", one("x-64-quoted-uu", times("QQ==\r\n", 0))),
        ("uuencode", one("7bit", times("begin 644 x\r\n", 0)).replace_type()),
        ("uuencode lines", format!("\r\nbegin 644 x\r\n{}", times("MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM\r\n", 0)).into_bytes()),
        ("yEnc", format!("\r\n=ybegin name=x\r\n{}", times("==", 0)).into_bytes()),
        ("text", format!("\r\n{}", times("words of a text\r\n", 0)).into_bytes()),
    ]
}

trait ReplaceType {
    fn replace_type(self) -> Self;
}

impl ReplaceType for Vec<u8> {
    /// As text.
    fn replace_type(self) -> Self {
        String::from_utf8(self).unwrap().replace("application/x-x", "text/plain").into_bytes()
    }
}

fn count(message: &[u8]) -> (Count, Overview, Duration) {
    let mut count = Count::default();
    let began = Instant::now();
    let overview = visit(message, &Limits::default(), &mut count);
    (count, overview, began.elapsed())
}

/// Ten times the message is at most some twelve times the work, counted in octets; and bounds are kept.
#[test]
fn work_is_linear_in_the_message() {
    let limits = Limits::default();
    for ((name, small), (_, large)) in hostile(100_000).into_iter().zip(hostile(1_000_000)) {
        let (few, before, _) = count(&small);
        let (many, after, _) = count(&large);
        let work = |overview: &Overview| overview.octets + overview.searched + 100_000;
        assert!(work(&after) <= 12 * work(&before), "{name}: {} {}", work(&before), work(&after));
        for (count, overview, message) in [(few, &before, &small), (many, &after, &large)] {
            assert!(
                count.octets == overview.octets && count.octets <= limits.octets_of(message.len()),
                "{name}"
            );
            assert!(count.parts == u64::from(overview.parts) && overview.parts <= limits.parts, "{name}");
            // A search that has begun is ended.
            assert!(
                overview.searched <= limits.search_of(message.len()) + 8 * message.len() as u64,
                "{name}"
            );
            assert!(count.deepest <= limits.depth + 1, "{name}");
        }
    }
}

/// `cargo test --release -- --ignored --nocapture time_is_linear`: the figures.
#[test]
#[ignore = "takes time, and is only true without other work on the machine"]
fn time_is_linear_in_the_message() {
    for ((name, small), (_, large)) in hostile(2_500_000).into_iter().zip(hostile(25_000_000)) {
        let quick = (0..3).map(|_| count(&small).2).min().unwrap_or_default();
        let (_, overview, slow) = count(&large);
        let odd: BTreeSet<&str> = overview.odd.iter().map(|(_, odd)| odd.name()).collect();
        println!(
            "{name:32} {:8.1} ms {:8.1} ms  {odd:?}",
            quick.as_secs_f64() * 1e3,
            slow.as_secs_f64() * 1e3
        );
        assert!(slow <= 20 * quick + Duration::from_millis(100), "{name}");
    }
}

#[test]
fn what_is_over_a_bound_is_told() {
    let parts = |n: usize| {
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", "--b\r\n\r\nx\r\n".repeat(n))
    };
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(51);
    let header = format!("X: {}\r\n\r\n", "x".repeat(300_000));
    let parameters = format!("Content-Type: x/x; {}\r\n\r\n", "a=b;".repeat(101));
    let fields = "Content-Type: x/x\r\n".repeat(8);
    let names = format!("Content-Disposition: attachment; filename={}\r\n\r\n", "x".repeat(40_000));
    for (name, message, odd) in [
        ("parts", parts(2_000), Some(Odd::TooManyParts)),
        ("as many as may be", parts(1_999), None),
        ("depth", messages, Some(Odd::TooDeep)),
        ("header", header, Some(Odd::LongHeader)),
        ("field", names, Some(Odd::LongField)),
        ("parameters", parameters, Some(Odd::LongField)),
        ("fields", fields, Some(Odd::LongField)),
        ("files", "begin 644 x\n".repeat(101), Some(Odd::BadHeaderLine)),
    ] {
        let (_, overview) = walk(message.as_bytes());
        assert_eq!(overview.odd.first().map(|(_, odd)| *odd), odd, "{name}");
    }
    let mut inner = b"Subject: x\r\n\r\nx".to_vec();
    for _ in 0..9 {
        let hex: String = inner.iter().map(|b| format!("={b:02X}")).collect();
        inner = format!(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{hex}"
        )
        .into_bytes();
    }
    assert!(walk(&inner).1.has(Odd::TooOftenEncoded));
    let many =
        format!("Content-Type: x/x\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", "-Q==".repeat(300_000));
    let limits = Limits { octets: 1, ..Limits::default() };
    let overview = visit(many.as_bytes(), &limits, &mut Count::default());
    assert!(overview.has(Odd::TooMuch) && overview.is_over());
}

#[test]
fn parts_are_where_they_say() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: y\r\n\r\none\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\ntwo\r\n--b--\r\n";
    let (seen, overview) = walk(message);
    let at = |range: &Option<std::ops::Range<usize>>| {
        String::from_utf8_lossy(&message[range.clone().unwrap()]).into_owned()
    };
    let got: Vec<(u32, Option<u32>, u32, String)> =
        seen.parts.iter().skip(1).map(|p| (p.number, p.parent, p.depth, at(&p.body))).collect();
    let want = [(2, Some(1), 1, "one\r\n"), (3, Some(1), 1, "Subject: s\r\n\r\ntwo"), (4, Some(3), 2, "two")];
    assert_eq!(got, want.map(|(number, parent, depth, body)| (number, parent, depth, body.to_owned())));
    assert_eq!(at(&seen.parts[1].range), "X: y\r\n\r\none\r\n");
    assert_eq!((overview.parts, overview.odd), (4, vec![]));
}

#[test]
fn every_odd_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = Odd::EACH.iter().map(|odd| odd.name()).collect();
    assert_eq!(names.len(), Odd::EACH.len());
    for odd in Odd::EACH {
        assert_eq!(Odd::named(odd.name()), Some(odd));
        assert!(odd.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert!(!odd.words().is_empty());
    }
}

/// Every beginning of an awkward message is read without a panic.
#[test]
fn cut_messages_are_read() {
    let message = format!(
        "Content-Type: multipart/mixed; boundary=a; boundary=\"b\r\nContent-Transfer-Encoding : base64\r\n \r\n--a \r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable;\r\n\r\nX=\r\n: =3D=zz\r\n\r\n{}\r\n--ajunk\r\n--b\r\n--a--\r\nbegin 644 x\r\n%:&5L;&\\\r\n",
        String::from_utf8(eicar()).unwrap()
    );
    for end in 0..=message.len() {
        walk(&message.as_bytes()[..end]);
        walk(&message.as_bytes()[end..]);
    }
}

/// Real mail, where somebody says where it is unpacked: `PORTCULLIS_MAIL=DIR cargo test -- --nocapture real_mail`.
#[test]
fn real_mail_is_read_and_seldom_odd() {
    let Some(folder) = std::env::var_os("PORTCULLIS_MAIL").map(PathBuf::from) else {
        return println!("skipped: PORTCULLIS_MAIL names no folder");
    };
    for name in ["ham", "spam", "phish", "mime4j", "mikel"] {
        let (mut messages, mut again, mut malformed, mut over, mut slowest) = (0, 0, 0, 0, Duration::ZERO);
        let mut odd = std::collections::BTreeMap::<&str, u32>::new();
        for entry in std::fs::read_dir(folder.join(name)).into_iter().flatten().flatten() {
            let message = std::fs::read(entry.path()).unwrap();
            let (_, overview, took) = count(&message);
            messages += 1;
            slowest = slowest.max(took);
            again += u32::from(!overview.again.is_empty());
            malformed += u32::from(overview.is_malformed());
            over += u32::from(overview.is_over());
            let each: BTreeSet<&str> = overview.odd.iter().map(|(_, odd)| odd.name()).collect();
            each.into_iter().for_each(|name| *odd.entry(name).or_default() += 1);
        }
        println!(
            "{name}: {messages} messages, {again} twice, {malformed} malformed, {over} over, {slowest:?}: {odd:?}"
        );
        let awkward = matches!(name, "mime4j" | "mikel");
        assert!(over == 0 && (awkward || malformed * 100 <= messages), "{name}");
    }
}

/// The README names them all, with their weights.
#[test]
fn the_readme_names_every_odd() {
    let readme = include_str!("../../../README.md");
    for odd in Odd::EACH {
        let weight = format!("{:?}", odd.weight()).to_lowercase();
        let row = format!("| `{}` | {weight} | {} |", odd.name(), odd.words());
        assert!(readme.contains(&row), "{row}");
    }
}

#[test]
fn no_reading_is_deeper_than_the_bound() {
    // A header with CR for line ends, in parts at the bound: as some program reads it, there is one more level.
    let text = "Content-Type: multipart/digest; boundary=a\n\n--a\n\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\n\
                Content-Type: text/plain\rX: y\n\nbegin 644 x\n%:&5L;&\\ \n`\n";
    for depth in 0..5 {
        let limits = Limits { depth, ..Limits::default() };
        let mut count = Count::default();
        let overview = visit(text.as_bytes(), &limits, &mut count);
        assert!(count.deepest <= depth + 1, "{depth}: {}", count.deepest);
        assert_eq!(overview.has(Odd::TooDeep), depth < 4, "{depth}: {:?}", overview.odd);
    }
}
