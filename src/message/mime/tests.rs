//! Tests of the walker, of what is taken out, and of what can be read.

use super::*;
use proptest::prelude::*;
use std::time::Instant;

fn walk_in(octets: &[u8], piece: usize) -> Structure {
    let mut walker = Walker::new();
    octets.chunks(piece.max(1)).for_each(|piece| walker.push(piece));
    walker.finish()
}

/// `1 multipart/mixed, 2.1 text/plain "hello"`: number, depth, type, octets.
fn shape(message: &str) -> String {
    let message = message.replace('\n', "\r\n");
    let structure = Walker::walk(message.as_bytes());
    let mut lines: Vec<String> = structure
        .parts
        .iter()
        .map(|p| {
            let body = Extract::whole(&structure, p.number, Take::Body, message.as_bytes()).unwrap();
            assert_eq!(body.len() as u64, p.octets, "part {}", p.number);
            let body = if p.is_container() {
                String::new()
            } else {
                format!(" {:?}", String::from_utf8_lossy(&body))
            };
            format!("{}.{} {}{body}", p.number, p.depth, p.kind)
        })
        .collect();
    lines.extend(structure.problems.iter().map(|p| format!("{}: {:?}", p.part, p.what)));
    lines.join(", ")
}

#[test]
fn parts_are_found_where_they_are() {
    for (message, want) in [
        ("Subject: x\n\nhello\n", r#"1.0 text/plain "hello\r\n""#),
        ("Subject: x", r#"1.0 text/plain """#),
        ("", r#"1.0 text/plain """#),
        ("\nbody", r#"1.0 text/plain "body""#),
        (
            "Content-Type: multipart/mixed; boundary=X\n\npreamble\n--X\n\none\n--X\nContent-Type: image/png\n\ntwo\n\n--X--\nepilogue\n",
            r#"1.0 multipart/mixed, 2.1 text/plain "one", 3.1 image/png "two\r\n""#,
        ),
        (
            "Content-Type: multipart/mixed; boundary=X\n\n--X\n--X\n\n--X  \t\n\n\n--X--",
            r#"1.0 multipart/mixed, 2.1 text/plain "", 3.1 text/plain "", 4.1 text/plain """#,
        ),
        (
            "Content-Type: multipart/mixed; boundary=X\n\n--X\nContent-Type: multipart/alternative; boundary=Xa\n\n--Xa\n\na\n--Xa\n\nb\n--X\n\nc\n--X--\n",
            r#"1.0 multipart/mixed, 2.1 multipart/alternative, 3.2 text/plain "a", 4.2 text/plain "b", 5.1 text/plain "c", 2: MissingEnd"#,
        ),
        (
            "Content-Type: multipart/mixed; boundary=\" a b-- \"\n\n-- a b--\n\nx\n-- a b----\n",
            r#"1.0 multipart/mixed, 2.1 text/plain "x""#,
        ),
        (
            "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
            r#"1.0 multipart/mixed, 2.1 text/plain "x""#,
        ),
        ("Content-Type: multipart/mixed\n\n--X\n\nx", r#"1.0 multipart/mixed, 1: NoBoundary"#),
        ("Content-Type: multipart/mixed; boundary=X\n\nnone\n", r#"1.0 multipart/mixed, 1: NoParts"#),
        (
            "Content-Type: multipart/mixed; boundary=X\n\n--X\n\na\n--Xy\nb\n--X--\n--X\n\nhidden\n",
            r#"1.0 multipart/mixed, 2.1 text/plain "a\r\n--Xy\r\nb", 1: NearDelimiter, 1: AfterEnd"#,
        ),
        (
            "Content-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=Y\n\n--Y\n\nz\n--Y--\n",
            r#"1.0 message/rfc822, 2.1 multipart/mixed, 3.2 text/plain "z""#,
        ),
        (
            "Content-Type: multipart/digest; boundary=D\n\n--D\n\nSubject: a\n\na\n--D\nContent-Type: text/plain\n\nb\n--D--\n",
            r#"1.0 multipart/digest, 2.1 message/rfc822, 3.2 text/plain "a", 4.1 text/plain "b""#,
        ),
        ("Content-Type: message/rfc822\n", r#"1.0 message/rfc822, 2.1 text/plain """#),
        (
            "Content-Type: multipart/mixed; boundary=X\nContent-Transfer-Encoding: base64\n\n--X\nContent-Transfer-Encoding: base64\n\naGVs\nbG8=\n--X--\n",
            r#"1.0 multipart/mixed, 2.1 text/plain "hello", 1: EncodedMultipart"#,
        ),
        (
            // "Subject: i\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n"
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaQ0KQ29udGVudC1UcmFuc2Zlci1FbmNvZGluZzogYmFzZTY0DQoN\nCmFHaz0NCg==\n",
            r#"1.0 message/rfc822, 2.1 text/plain "hi""#,
        ),
    ] {
        assert_eq!(shape(message), want, "{message}");
    }
}

#[test]
fn bare_line_ends_make_lines_too() {
    let structure = Walker::walk(b"Content-Type: multipart/mixed; boundary=X\n\n--X\n\none\n--X--\n");
    assert_eq!(structure.parts.len(), 2);
    assert_eq!(structure.parts[1].octets, 3);
}

#[test]
fn the_whole_message_and_its_header_can_be_had() {
    let message = b"Subject: x\r\nA: b\r\n\r\nhello\r\n";
    let structure = Walker::walk(message);
    let header = Extract::whole(&structure, 1, Take::Header, message).unwrap();
    assert_eq!(header, b"Subject: x\r\nA: b\r\n\r\n");
    assert!(Extract::new(&structure, 2, Take::Body).is_none());
    assert!(Extract::new(&structure, 0, Take::Body).is_none());
}

/// Multiparts inside of each other.
fn nested(depth: usize) -> Vec<u8> {
    let mut out = String::new();
    for at in 0..depth {
        out.push_str(&format!("Content-Type: multipart/mixed; boundary=b{at}x\r\n\r\n--b{at}x\r\n"));
    }
    out.into_bytes()
}

#[test]
fn bounds_hold_and_are_said() {
    let has = |s: &Structure, what| s.problems.iter().any(|p| p.what == what);
    let deep = Walker::walk(&nested(100_000));
    assert!(has(&deep, Wrong::TooDeep) && deep.parts.len() <= DEPTH_MAX as usize + 1);
    let deep = Walker::walk("Content-Type: message/rfc822\r\n\r\n".repeat(100_000).as_bytes());
    assert!(has(&deep, Wrong::TooDeep) && deep.parts.len() == DEPTH_MAX as usize + 1);
    let many =
        format!("Content-Type: multipart/mixed; boundary=X\r\n\r\n{}", "--X\r\n\r\na\r\n".repeat(100_000));
    let many = Walker::walk(many.as_bytes());
    assert!(has(&many, Wrong::TooManyParts) && many.parts.len() == PARTS_MAX, "{}", many.parts.len());
    assert!(!has(&many, Wrong::MissingEnd));
    let long = format!("A: {}\r\nContent-Type: text/html\r\n\r\nx", "y".repeat(HEADER_OCTETS_MAX));
    let long = Walker::walk(long.as_bytes());
    assert!(has(&long, Wrong::LongHeader));
    assert_eq!((long.parts[0].kind.as_str(), long.parts[0].octets), ("text/plain", 1));
    let wide = format!("Content-Type: multipart/mixed; boundary={}\r\n\r\nx", "y".repeat(201));
    assert!(has(&Walker::walk(wide.as_bytes()), Wrong::NoBoundary));
    // An encoded message in an encoded message in …
    use base64::Engine as _;
    let mut message = b"Subject: x\r\n\r\nx".to_vec();
    for _ in 0..6 {
        let text = base64::engine::general_purpose::STANDARD.encode(&message);
        message = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}")
            .into_bytes();
    }
    let encoded = Walker::walk(&message);
    assert!(has(&encoded, Wrong::TooOftenEncoded) && encoded.parts.len() == 4, "{encoded:?}");
    assert!(Extract::whole(&encoded, 4, Take::Header, &message).unwrap().starts_with(b"Content-Type"));
}

#[test]
fn hostile_messages_take_linear_time() {
    let boundaries: String = (0..20)
        .map(|at| {
            format!("Content-Type: multipart/mixed; boundary={}{at}\r\n\r\n--{0}{at}\r\n", "y".repeat(190))
        })
        .collect();
    let almost = format!("--{}zz\r\n", "y".repeat(190));
    for message in [
        boundaries + &almost.repeat(10_000),
        format!("Content-Type: multipart/mixed; boundary=X\r\n\r\n{}", "--X\r\n".repeat(500_000)),
        format!("Content-Type: multipart/mixed; boundary=X\r\n\r\n{}", "-".repeat(2_000_000)),
        format!("Content-Type: text/plain{}\r\n\r\n", "; a=b".repeat(400_000)),
        format!("Content-Type: text/plain; {}\r\n\r\n", "(".repeat(2_000_000)),
        format!("Content-Transfer-Encoding: quoted-printable\r\n\r\n{}", "=".repeat(2_000_000)),
        format!("Content-Transfer-Encoding: quoted-printable\r\n\r\n{}", " ".repeat(2_000_000)),
        format!("Content-Disposition: x; filename=\"{}\"\r\n\r\n", "=?a?q?".repeat(9_000)),
        "\r\n".repeat(1_000_000),
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n".repeat(30_000),
    ] {
        let began = Instant::now();
        let structure = Walker::walk(message.as_bytes());
        let readable = Reader::read(&structure, message.as_bytes());
        assert!(readable.text.len() <= READABLE_OCTETS_MAX);
        let (took, head) = (began.elapsed(), message.chars().take(60).collect::<String>());
        assert!(took.as_secs() < 5, "{took:?} for {} octets of {head:?}", message.len());
    }
}

#[test]
fn people_read_the_plain_text_else_the_html() {
    let html =
        "Content-Type: text/html; charset=utf-8\r\n\r\n<p>rich <a href=\"http://x.example\">link</a></p>\r\n";
    let read = |message: &str| Reader::read(&Walker::walk(message.as_bytes()), message.as_bytes()).text;
    assert_eq!(read(html), "rich link [http://x.example]");
    let both = format!(
        "Content-Type: multipart/alternative; boundary=X\r\n\r\n--X\r\n\r\nplain\x1b[31m\r\n--X\r\n{html}\r\n--X--\r\n"
    );
    assert_eq!(read(&both), "plain\\x1b[31m");
    let empty = both.replace("plain\x1b[31m", "");
    assert_eq!(read(&empty), "rich link [http://x.example]");
    let two = format!(
        "Content-Type: multipart/mixed; boundary=M\r\n\r\n--M\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\ngr=FCn\r\n--M\r\nContent-Type: message/rfc822\r\n\r\n{both}\r\n--M\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nnot shown\r\n--M--\r\n"
    );
    assert_eq!(read(&two), "--- part 2 ---\ngrün\n\n--- part 5, of a message inside ---\nplain\\x1b[31m");
    let large = format!("\r\n{}", "größe\r\n".repeat(20_000));
    let structure = Walker::walk(large.as_bytes());
    let readable = Reader::read(&structure, large.as_bytes());
    assert!(readable.cut && readable.text.len() <= READABLE_OCTETS_MAX);
}

/// Something like mail.
fn mail() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("Content-Type: multipart/mixed; boundary=X\r\n".to_owned()),
        Just("Content-Type: multipart/alternative;\r\n boundary=\"Xa\"\r\n".to_owned()),
        Just("Content-Type: message/rfc822\r\n".to_owned()),
        Just("Content-Type: text/html\r\n".to_owned()),
        Just("Content-Transfer-Encoding: base64\r\n".to_owned()),
        Just("Content-Transfer-Encoding: quoted-printable\r\n".to_owned()),
        Just("Content-Disposition: attachment; filename=\"a\"\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("--X\r\n".to_owned()),
        Just("--Xa\r\n".to_owned()),
        Just("--X--\r\n".to_owned()),
        Just("--Xa--\n".to_owned()),
        Just("--X".to_owned()),
        Just("-".to_owned()),
        Just("aGVsbG8=\r\n".to_owned()),
        Just("a=3D\r\n".to_owned()),
        "[ -~\r\n]{0,20}",
    ];
    proptest::collection::vec(line, 0..40).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn where_a_message_is_cut_does_not_matter(mail in mail(), piece in 1usize..20) {
        let whole = Walker::walk(mail.as_bytes());
        prop_assert_eq!(&walk_in(mail.as_bytes(), piece), &whole);
        for part in &whole.parts {
            let body = Extract::whole(&whole, part.number, Take::Body, mail.as_bytes()).unwrap();
            prop_assert_eq!(body.len() as u64, part.octets, "part {}", part.number);
            let mut extract = Extract::new(&whole, part.number, Take::Body).unwrap();
            let mut pieces = Vec::new();
            mail.as_bytes().chunks(piece).for_each(|piece| _ = extract.push(piece, &mut pieces));
            extract.finish(&mut pieces);
            prop_assert_eq!(body, pieces);
        }
        let mut reader = Reader::new(&whole);
        mail.as_bytes().chunks(piece).for_each(|piece| _ = reader.push(piece));
        prop_assert_eq!(reader.finish(), Reader::read(&whole, mail.as_bytes()));
    }

    #[test]
    fn parts_lie_in_order_inside_of_each_other(mail in mail()) {
        let structure = Walker::walk(mail.as_bytes());
        prop_assert!(!structure.parts.is_empty());
        for part in &structure.parts {
            prop_assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
            prop_assert!(part.body.start <= part.body.end, "{part:?}");
            if part.within.is_none() {
                prop_assert!(part.body.end <= mail.len() as u64);
            }
            let Some(parent) = part.parent.and_then(|p| structure.part(p)) else { continue };
            prop_assert!(parent.number < part.number && parent.depth + 1 == part.depth);
            if parent.within == part.within {
                prop_assert!(parent.body.start <= part.header.start && part.body.end <= parent.body.end);
            }
        }
    }

    #[test]
    fn nothing_panics(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let structure = Walker::walk(&octets);
        let text = Reader::read(&structure, &octets).text;
        prop_assert!(text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    }
}

/// Real mail, where somebody has some: every file of `$PORTCULLIS_CORPUS`.
#[test]
fn a_corpus_of_real_mail_is_read() {
    let Some(folder) = std::env::var_os("PORTCULLIS_CORPUS") else { return };
    let mut folders = vec![std::path::PathBuf::from(folder)];
    let (mut mails, mut octets, began) = (0usize, 0usize, Instant::now());
    let mut wrong: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(mail) = std::fs::read(&path) else { continue };
            let structure = Walker::walk(&mail);
            assert_eq!(walk_in(&mail, 1000), structure, "{}", path.display());
            for part in &structure.parts {
                let body = Extract::whole(&structure, part.number, Take::Body, &mail).unwrap();
                assert_eq!(body.len() as u64, part.octets, "{} part {}", path.display(), part.number);
            }
            let _ = Reader::read(&structure, &mail);
            structure.problems.iter().for_each(|p| *wrong.entry(format!("{:?}", p.what)).or_default() += 1);
            (mails, octets) = (mails + 1, octets + mail.len());
        }
    }
    println!("{mails} mails, {octets} octets in {:?}; {wrong:?}", began.elapsed());
}
