//! Parsers of one piece.

use crate::stream::{cuts, pieces};
use portcullis::mail::{Mailbox, Path};
use portcullis::message::header::HeaderScan;
use portcullis::message::trace::TraceKey;
use portcullis::smtp::command::Command;
use portcullis::smtp::extension::{AuthOffer, Capabilities, MirrorInput, mirror};
use portcullis::smtp::param::Parameters;
use portcullis::smtp::proxy::{self, ProxyHeader};
use portcullis::smtp::response;
use portcullis::smtp::xclient::{self, PeerFacts};

pub fn extension(input: &[u8]) {
    let mut all: Vec<Capabilities> = Vec::new();
    let mut rest = input;
    while let Ok(Some((used, reply))) = response::parse(rest) {
        all.push(Capabilities::parse(&reply));
        rest = &rest[used..];
    }
    let whole = all.iter().skip(1).fold(all.first().cloned(), |both, next| Some(both?.intersect(next)));
    for capabilities in all.iter().chain(&whole) {
        let bits = input.iter().fold(0usize, |n, &o| n.wrapping_mul(31).wrapping_add(o.into()));
        offer(capabilities, bits);
        let same = capabilities.intersect(capabilities);
        assert_eq!(same.size(), capabilities.size());
        assert_eq!(same.has("DSN"), capabilities.has("DSN"));
    }
    if let Some(whole) = &whole {
        for keyword in ["8BITMIME", "DSN", "SMTPUTF8", "REQUIRETLS", "AUTH", "SIZE"] {
            assert_eq!(whole.has(keyword), all.iter().all(|c| c.has(keyword)), "{keyword}");
        }
    }
}

fn offer(capabilities: &Capabilities, bits: usize) {
    let bit = |n: usize| bits >> n & 1 == 1;
    let hide = ["DSN".to_owned(), "AUTH=PLAIN".to_owned()];
    let offer = mirror(&MirrorInput {
        hostname: "mx.example.net",
        downstream: Some(capabilities),
        own_size_max: 1000,
        client_tls: bit(0),
        downstream_tls: bit(1),
        downstream_verified: bit(2),
        downstream_loopback: bit(3),
        offer_starttls: bit(4),
        auth: if bit(5) { AuthOffer::Tls } else { AuthOffer::Plaintext },
        ntlm: bit(6),
        hide: if bit(7) { &hide } else { &[] },
        own_recipients_max: 100,
        authenticated: bit(8),
        xclient: bit(9),
    });
    let mut wire = Vec::new();
    offer.reply().write_to(&mut wire);
    assert!(
        wire.iter().all(|&o| (32..127).contains(&o) || matches!(o, b'\r' | b'\n')),
        "{}",
        wire.escape_ascii()
    );
    assert!(wire.split_inclusive(|&o| o == b'\n').all(|line| line.len() <= 512));
    let parsed = response::parse(&wire).expect("our own EHLO does not parse").expect("or is not complete");
    assert_eq!(parsed.0, wire.len());
    let text = String::from_utf8_lossy(&wire).to_ascii_uppercase();
    let keywords: Vec<&str> = text.lines().skip(1).filter_map(|l| l.get(4..)?.split(' ').next()).collect();
    for never in ["BINARYMIME", "XEXCH50", "X-EXPS", "X-ANONYMOUSTLS", "BURL", "ETRN", "XFORWARD"] {
        assert!(!keywords.contains(&never), "{never}");
    }
    for (at, keyword) in keywords.iter().enumerate() {
        assert!(!keywords[..at].contains(keyword), "{keyword} twice");
    }
    assert!(offer.size() > 0 && offer.size() <= 1000);
    if keywords.contains(&"REQUIRETLS") {
        assert!(bit(0) && bit(1) && bit(2));
    }
    if keywords.contains(&"AUTH") {
        assert!((bit(1) || bit(3)) && (bit(0) || !bit(5)) && !bit(8));
        assert!(!text.contains("GSSAPI") || !text.contains("AUTH GSSAPI"));
    }
}

pub fn proxy(input: &[u8]) {
    let whole = proxy::parse(input);
    let mut judged = None;
    for length in 0..=input.len().min(4200) {
        match proxy::parse(&input[..length]) {
            ProxyHeader::Incomplete => assert!(judged.is_none(), "a judgement is taken back"),
            ProxyHeader::Local { consumed } | ProxyHeader::Proxied { consumed, .. } => {
                assert!(consumed <= length);
                judged.get_or_insert(length);
            }
            ProxyHeader::Invalid(_) => {
                judged.get_or_insert(length);
            }
        }
        if judged.is_some_and(|j| length > j + 40) {
            break;
        }
    }
    if let ProxyHeader::Proxied { source, destination, .. } = whole {
        let ours = proxy::v2(source, destination);
        match proxy::parse(&ours) {
            ProxyHeader::Proxied { consumed, source: s, destination: d } => {
                assert_eq!((consumed, s, d), (ours.len(), source, destination));
            }
            other => panic!("our own header reads {other:?}"),
        }
    }
}

pub fn xclient(input: &[u8]) {
    let stated = xclient::parse(input);
    let text = String::from_utf8_lossy(input);
    let facts = PeerFacts {
        ip: [192, 0, 2, 1].into(),
        port: input.len() as u16,
        name: Some(&text),
        helo: Some(input),
        esmtp: true,
        login: Some(&text),
        ident: "7F3K9QAB",
    };
    let offered = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT IDENT SOURCE";
    let lines: Vec<Vec<u8>> = xclient::xclient_command(&facts, offered)
        .into_iter()
        .chain(xclient::xforward_commands(&facts, offered))
        .collect();
    for line in &lines {
        assert!(line.len() <= 512 && line.ends_with(b"\r\n"), "{}", line.escape_ascii());
        assert!(line[..line.len() - 2].iter().all(|o| (32..127).contains(o)), "{}", line.escape_ascii());
    }
    if let (Ok(_), Some(line)) = (&stated, lines.first()) {
        // What we would say of this client is something that we would understand ourselves, but for names.
        let rest = line.strip_prefix(b"XCLIENT ").expect("XCLIENT").trim_ascii_end();
        let without: Vec<&[u8]> = rest.split(|&o| o == b' ').filter(|w| !w.starts_with(b"NAME=")).collect();
        let control = input.iter().any(u8::is_ascii_control);
        assert!(control || xclient::parse(&without.join(&b' ')).is_ok(), "{}", line.escape_ascii());
    }
}

pub fn path(input: &[u8]) {
    if let Ok((path, used)) = Path::parse(input) {
        assert!(used <= input.len() && used <= 258);
        assert!(input.starts_with(b"<") && input[used - 1] == b'>');
        assert!(
            !input[..used].iter().any(|o| matches!(o, b'\r' | b'\n' | 0)),
            "{}",
            input[..used].escape_ascii()
        );
        // What is in the brackets is all there is to it.
        assert_eq!(Path::parse(&input[..used]), Ok((path.clone(), used)));
        let shown = path.to_string();
        assert!(!shown.contains(['\r', '\n', '\0']));
        if let Some(mailbox) = path.mailbox() {
            assert!(!mailbox.local().is_empty());
            let _ = (mailbox.domain(), mailbox.has_routing_characters(), mailbox.is_bare_postmaster());
        }
    }
    let _ = Mailbox::parse(input);
    if let Ok(parameters) = Parameters::parse(input, 7) {
        let mut last = 7;
        for parameter in parameters.iter() {
            assert!(parameter.span.start >= last && parameter.span.end <= input.len() + 7);
            last = parameter.span.end;
            let said = &input[parameter.span.start - 7..parameter.span.end - 7];
            let keyword = said.split(|&o| o == b'=').next().unwrap_or_default();
            assert!(parameter.keyword.as_bytes().eq_ignore_ascii_case(keyword));
        }
    }
}

/// Whether a line is the one that was sent, but for the brackets that a path without them gets.
fn is_said(line: &[u8], mended: bool, raw: &[u8]) -> bool {
    if !mended {
        return line == raw;
    }
    let mut said = line.to_vec();
    said.remove(said.iter().position(|&o| o == b'<').expect("a bracket"));
    (0..said.len()).filter(|&at| said[at] == b'>').any(|at| [&said[..at], &said[at + 1..]].concat() == raw)
}

pub fn command(input: &[u8]) {
    for line in input.split(|o| matches!(o, b'\r' | b'\n' | 0)) {
        let raw = [line, b"\r\n"].concat();
        match Command::parse(line, &raw) {
            Command::Mail(mail) => {
                assert!(is_said(&mail.line, mail.violations.missing_brackets, &raw));
                let edited = mail.line_without_identity();
                assert!(edited.ends_with(b"\r\n") && edited.len() <= raw.len() + 10);
                match Command::parse(&edited[..edited.len() - 2], &edited) {
                    Command::Mail(again) => {
                        assert_eq!((&again.path, again.facts), (&mail.path, mail.facts));
                        assert_eq!(again.line_without_identity(), edited);
                        let auth = again.parameters.get("AUTH").map(|p| p.value.clone());
                        assert!(auth.is_none() || auth == Some(Some((*b"<>").into())));
                    }
                    other => panic!("the edited line reads {other:?}"),
                }
            }
            Command::Rcpt(rcpt) => {
                assert!(is_said(&rcpt.line, rcpt.violations.missing_brackets, &raw));
                assert!(rcpt.path.mailbox().is_some());
                let _ = rcpt.is_qualified();
            }
            Command::Bdat { octets, .. } => {
                let digits: String =
                    line.iter().skip(4).map(|&o| char::from(o)).filter(char::is_ascii_digit).collect();
                assert_eq!(digits.parse::<u64>().ok(), Some(octets), "{}", line.escape_ascii());
            }
            Command::Hello { name, .. } => {
                assert!(!name.is_empty() && name.len() <= 255 && name.iter().all(|o| (32..127).contains(o)));
            }
            Command::Expn(said) | Command::Etrn(said) | Command::Auth { line: said, .. } => {
                assert_eq!(&*said, &raw[..]);
            }
            Command::Xclient(_)
            | Command::Data
            | Command::Rset
            | Command::Noop
            | Command::Quit
            | Command::Vrfy
            | Command::Help
            | Command::StartTls
            | Command::Bad(_)
            | Command::BadBdat
            | Command::Foreign => {}
        }
    }
}

pub fn header(input: &[u8]) {
    let key = TraceKey::new([7; 32]);
    let scan = |pieces: &[&[u8]]| {
        let mut scan = HeaderScan::new(2000);
        pieces.iter().for_each(|piece| scan.push(piece));
        scan.finish(&key)
    };
    let whole = scan(&[input]);
    assert_eq!(scan(&pieces(input, &cuts(input))), whole);
    assert_eq!(scan(&pieces(input, &|_| true)), whole);
    assert!(whole.received as usize <= input.len() / 9 && whole.own_marks <= whole.received);
    for shown in [&whole.message_id, &whole.subject, &whole.from].into_iter().flatten() {
        assert!(shown.chars().count() <= 200);
    }
    assert!(whole.from_mailboxes.len() <= 50);
    // Whatever stands before it, an author is found.
    let folded: Vec<u8> = input.iter().map(|&o| if matches!(o, b'\r' | b'\n') { b' ' } else { o }).collect();
    let author = scan(&[b"From: ", &folded, b" <x@evil.example>\r\n\r\n"]);
    let evil = Mailbox::parse(b"x@evil.example").expect("a mailbox");
    assert!(author.from_cut || author.from_mailboxes.contains(&evil), "{:?}", author.from_mailboxes);
}

pub fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let none = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let (policy, problems) = portcullis::config::parse(&text, std::path::Path::new("/rules"), &none);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(policy.is_some() || !said.is_empty(), "no policy, and nobody says why");
    assert_eq!(policy.is_some(), !problems.iter().any(|p| p.is_error()));
    for line in &said {
        assert!(line.len() < 4000, "{} octets: {}", line.len(), line.get(..300).unwrap_or_default());
        assert!(!line.chars().any(|c| c.is_control()), "{line:?}");
    }
}
