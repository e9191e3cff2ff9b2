//! Every mailbox that a reader may take for the author: of all `From:` fields, read as loosely as any mail program.
//!
//! Purpose: block lists of authors. Whoever wants past them writes what programs read differently, so nothing here asks
//! what RFC 5322 allows: whatever stands around an `@` outside quotes and comments is a mailbox; and where a part of the
//! list has none, also what its encoded words, its quotes and its comments say. A name in quotes beside an address is
//! only a name. Pure; linear in the length of the fields; nothing fails: what is beyond a bound is left out and said.

use crate::mail::{Domain, Host, Mailbox};
use mail_parser::MessageParser;

/// Most different mailboxes.
pub const MAILBOXES_MAX: usize = 50;
/// Longest local part that is kept, in octets; the rest is cut off.
const LOCAL_OCTETS_MAX: usize = 256;
/// Most parts of the list whose encoded words are looked into.
const DECODED_MAX: usize = 100;

/// The mailboxes of `From:` fields.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Authors {
    /// In order, each once. Local parts without quotes where they need none.
    pub mailboxes: Vec<Mailbox>,
    /// Whether there may be more of them than are here.
    pub cut: bool,
}

impl Authors {
    /// Adds those of one field, without its name. Line ends and folding may be in it.
    pub fn add_field(&mut self, body: &[u8]) {
        match plain_mailbox(body) {
            Some(mailbox) => self.add(mailbox),
            None => self.add_list(body),
        }
    }

    fn add_list(&mut self, body: &[u8]) {
        let mut lexer = Lexer::new(body, false);
        let mut decoded = 0;
        while let Some((tokens, part)) = lexer.part() {
            if self.add_part(&tokens) {
                continue;
            }
            if part.windows(2).any(|two| two == b"=?") {
                if decoded == DECODED_MAX {
                    self.cut = true;
                    continue;
                }
                decoded += 1;
                let text = decode(part);
                let mut inner = Lexer::new(text.as_bytes(), true);
                while let Some((tokens, _)) = inner.part() {
                    self.add_part(&tokens);
                }
            } else if part.iter().any(|b| matches!(b, b'"' | b'(')) {
                let mut inner = Lexer::new(part, true);
                while let Some((tokens, _)) = inner.part() {
                    self.add_part(&tokens);
                }
            }
        }
    }

    /// Adds what stands around each `@`; whether there was any.
    fn add_part(&mut self, tokens: &[Token<'_>]) -> bool {
        let mut found = false;
        for at in tokens.iter().enumerate().filter(|(_, token)| **token == Token::At).map(|(at, _)| at) {
            let before = tokens.get(..at).unwrap_or_default();
            let after = tokens.get(at + 1..).unwrap_or_default();
            // Blanks around dots belong to the address by RFC 5322 section 4.4, and to the name by habit: both.
            for blanks in [false, true] {
                let (Some(local), Some(host)) = (local(before, blanks), host(after, blanks)) else {
                    continue;
                };
                found = true;
                if local.windows(2).any(|two| two == b"=?") {
                    self.add(Mailbox::of(&canonical(decode(&local).trim().as_bytes()), host.clone()));
                }
                self.add(Mailbox::of(&canonical(&local), host));
            }
        }
        found
    }

    fn add(&mut self, mailbox: Mailbox) {
        if self.mailboxes.contains(&mailbox) {
            return;
        }
        if self.mailboxes.len() == MAILBOXES_MAX {
            self.cut = true;
        } else {
            self.mailboxes.push(mailbox);
        }
    }
}

/// The one address of a field that can be read in one way only: bare, or in angle brackets behind a name of letters,
/// digits, blanks and the like, in quotes or not.
pub(super) fn plain_address(body: &str) -> Option<&str> {
    let address = match body.strip_suffix('>') {
        Some(rest) => {
            let (name, address) = rest.split_once('<')?;
            let name = name.trim_matches(' ');
            let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name);
            let harmless =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'.' | b'-' | b'_' | b'\'');
            if !name.bytes().all(harmless) {
                return None;
            }
            address
        }
        None => body,
    };
    let (local, host) = address.split_once('@')?;
    let atoms = |text: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
        !text.is_empty() && text.bytes().all(good) && !text.starts_with('.') && !text.ends_with('.')
    };
    (atoms(local) && atoms(host)).then_some(address)
}

/// What [`Authors`] would find in a field with one plain address, found at once.
fn plain_mailbox(body: &[u8]) -> Option<Mailbox> {
    let body = std::str::from_utf8(body).ok()?;
    let body = body.strip_suffix('\n').map_or(body, |b| b.strip_suffix('\r').unwrap_or(b));
    let (local, host) = plain_address(body.trim_matches(' '))?.split_once('@')?;
    let domain = Domain::parse(host.as_bytes()).ok()?;
    let short = local.len() <= LOCAL_OCTETS_MAX;
    short.then(|| Mailbox::of(local.as_bytes(), Host::Name(domain)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// Octets without a meaning of their own.
    Text(&'a [u8]),
    /// What stands between quotes, escapes still in it.
    Quoted(&'a [u8]),
    /// `[192.0.2.1]`.
    Literal(&'a [u8]),
    At,
    Dot,
    /// Blanks, line ends, comments.
    Space,
    /// Brackets and colons: an address does not go over them.
    Other,
}

struct Lexer<'a> {
    rest: &'a [u8],
    /// Quotes are blanks, and what is in them counts: it is wanted so, or there is none that ends any more.
    open_quotes: bool,
    /// Comments likewise.
    open_comments: bool,
}

impl<'a> Lexer<'a> {
    fn new(octets: &'a [u8], open: bool) -> Self {
        Self { rest: octets, open_quotes: open, open_comments: open }
    }

    /// Everything up to the next comma or semicolon, and its octets.
    fn part(&mut self) -> Option<(Vec<Token<'a>>, &'a [u8])> {
        let whole = self.rest;
        if whole.is_empty() {
            return None;
        }
        let mut tokens = Vec::new();
        while let Some((&first, after)) = self.rest.split_first() {
            if matches!(first, b',' | b';') {
                let length = whole.len() - self.rest.len();
                self.rest = after;
                return Some((tokens, whole.get(..length).unwrap_or_default()));
            }
            let token = self.token(first, after);
            if token != Token::Space || tokens.last() != Some(&Token::Space) {
                tokens.push(token);
            }
        }
        Some((tokens, whole))
    }

    fn token(&mut self, first: u8, after: &'a [u8]) -> Token<'a> {
        let whole = self.rest;
        self.rest = after;
        match first {
            b'"' if !self.open_quotes => match quoted_end(after) {
                Some(end) => {
                    self.rest = after.get(end + 1..).unwrap_or_default();
                    Token::Quoted(after.get(..end).unwrap_or_default())
                }
                None => {
                    self.open_quotes = true;
                    Token::Space
                }
            },
            b'(' if !self.open_comments => match comment_end(after) {
                Some(end) => {
                    self.rest = after.get(end + 1..).unwrap_or_default();
                    Token::Space
                }
                None => {
                    self.open_comments = true;
                    Token::Space
                }
            },
            b'[' => match after.iter().take(64).position(|b| *b == b']') {
                Some(end) => {
                    self.rest = after.get(end + 1..).unwrap_or_default();
                    Token::Literal(whole.get(..end + 2).unwrap_or_default())
                }
                None => Token::Other,
            },
            b'@' => Token::At,
            b'.' => Token::Dot,
            // A backslash outside quotes has no meaning that programs agree on.
            b'"' | b'(' | b')' | b'\\' | 0..=b' ' | 127 => Token::Space,
            b'<' | b'>' | b':' | b']' => Token::Other,
            _ => match wide_at(whole) {
                Some(length) => {
                    self.rest = whole.get(length..).unwrap_or_default();
                    Token::At
                }
                None => {
                    let length = text_length(whole);
                    self.rest = whole.get(length..).unwrap_or_default();
                    Token::Text(whole.get(..length).unwrap_or_default())
                }
            },
        }
    }
}

/// `U+FF20` and `U+FE6B`, which look like `@` and which some programs fold to it (NFKC).
fn wide_at(octets: &[u8]) -> Option<usize> {
    let wide = octets.starts_with("\u{ff20}".as_bytes()) || octets.starts_with("\u{fe6b}".as_bytes());
    wide.then_some(3)
}

fn text_length(octets: &[u8]) -> usize {
    let special = |at: usize, b: u8| {
        matches!(b, 0..=b' ' | 127 | b'"' | b'(' | b')' | b',' | b'.' | b':' | b';' | b'<' | b'>' | b'@')
            || matches!(b, b'[' | b'\\' | b']')
            || (b == 0xef && octets.get(at..).and_then(wide_at).is_some())
    };
    octets.iter().enumerate().position(|(at, &b)| special(at, b)).unwrap_or(octets.len())
}

fn quoted_end(octets: &[u8]) -> Option<usize> {
    let mut escaped = false;
    octets.iter().position(|&b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })
}

fn comment_end(octets: &[u8]) -> Option<usize> {
    let (mut escaped, mut depth) = (false, 1_usize);
    octets.iter().position(|&b| {
        match b {
            _ if escaped => {}
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        escaped = b == b'\\' && !escaped;
        depth == 0
    })
}

/// What stands left of the `@`: words and quoted strings with dots between them.
fn local(before: &[Token<'_>], blanks: bool) -> Option<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut octets = 0;
    let mut empty = false;
    // Whether the last thing seen was a word, and whether a blank stands between it and what comes.
    let (mut word, mut gap) = (false, false);
    for token in before.iter().rev() {
        let piece = match token {
            Token::Space if pieces.is_empty() => continue,
            Token::Space => {
                gap = true;
                continue;
            }
            Token::Dot => {
                if gap && !blanks {
                    break;
                }
                (word, gap) = (false, false);
                pieces.push(b".".to_vec());
                octets += 1;
                continue;
            }
            Token::Text(text) => text.to_vec(),
            Token::Quoted(text) => {
                empty = true;
                unescaped(text)
            }
            Token::Literal(_) | Token::At | Token::Other => break,
        };
        // Two words are one where they touch (`"a"b@c`), or where a dot stands between them.
        if gap && (word || !blanks) {
            break;
        }
        octets += piece.len();
        pieces.push(piece);
        (word, gap) = (true, false);
        if octets > LOCAL_OCTETS_MAX {
            break;
        }
    }
    pieces.reverse();
    let local = pieces.concat();
    match local.iter().position(|b| *b != b'.') {
        Some(least) => local.get(least..).map(<[u8]>::to_vec),
        // `""@x.example` has a local part; `@x.example` and `.@x.example` have none.
        None => empty.then(Vec::new),
    }
}

/// What stands right of it: a literal, or labels with dots between them.
fn host(after: &[Token<'_>], blanks: bool) -> Option<Host> {
    let mut name: Vec<u8> = Vec::new();
    let (mut word, mut gap) = (false, false);
    for token in after {
        match token {
            Token::Space => gap |= word || !name.is_empty(),
            Token::Literal(text) if name.is_empty() => return Some(Host::Literal((*text).into())),
            Token::Dot if gap && !blanks => break,
            Token::Dot => (word, gap) = (false, false),
            Token::Text(_) if gap && (word || !blanks) => break,
            Token::Text(text) => {
                if !word && !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(text);
                (word, gap) = (true, false);
                // No domain is longer, in whatever script.
                if name.len() > 1024 {
                    break;
                }
            }
            Token::Quoted(_) | Token::Literal(_) | Token::At | Token::Other => break,
        }
    }
    if let Ok(domain) = Domain::parse(&name) {
        return Some(Host::Name(domain));
    }
    // What clings to it from outside: `x@y.example'`, `x@y.example?subject=z`.
    let clean = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') || !b.is_ascii();
    let length = name.iter().position(|b| !clean(b))?;
    Domain::parse(name.get(..length)?).ok().map(Host::Name)
}

fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let mut out = Vec::with_capacity(quoted.len());
    for &b in quoted {
        if b == b'\\' && !escaped {
            escaped = true;
        } else if !matches!(b, b'\r' | b'\n') {
            escaped = false;
            out.push(b);
        }
    }
    out
}

/// The one form of a local part: without quotes where it needs none, bounded.
fn canonical(local: &[u8]) -> Vec<u8> {
    let local = local.get(..LOCAL_OCTETS_MAX).unwrap_or(local);
    let plain = |b: &u8| text_length(std::slice::from_ref(b)) == 1 || *b == b'.';
    if !local.is_empty() && local.iter().all(plain) {
        return local.to_vec();
    }
    let mut out = vec![b'"'];
    for &b in local {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
    out
}

/// The text with its encoded words decoded (RFC 2047), wherever they stand.
fn decode(octets: &[u8]) -> String {
    let mut field = b"Subject: ".to_vec();
    for &b in octets {
        match b {
            0..=b' ' | b'<' | b'>' | b'"' | b'(' | b')' | b'\\' => field.push(b' '),
            // So that a word behind it begins as one.
            b'@' => field.extend_from_slice(b"@ "),
            b => field.push(b),
        }
    }
    field.extend_from_slice(b"\r\n\r\n");
    // Never `parse`: see `header`.
    let message = MessageParser::default().parse_headers(&field);
    message.and_then(|m| m.subject().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(body: &[u8]) -> Vec<String> {
        let mut authors = Authors::default();
        authors.add_field(body);
        authors.mailboxes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_honest_programs_write() {
        for (body, want) in [
            ("a@b.example", &["a@b.example"][..]),
            ("Anna <A@B.Example>", &["A@b.example"]),
            ("\"Anna, B.\" <a@b.example>, c@d.example", &["a@b.example", "c@d.example"]),
            ("\"x@evil.example\" <a@b.example>", &["a@b.example"]),
            ("=?utf-8?q?x=40evil.example?= <a@b.example>", &["a@b.example"]),
            ("a@b.example (Anna at x@evil.example)", &["a@b.example"]),
            ("Friends: a@b.example, Bea <b@c.example>;", &["a@b.example", "b@c.example"]),
            ("undisclosed-recipients:;", &[]),
            ("<@a.example,@b.example:c@d.example>", &["c@d.example"]),
            ("\"a b\"@c.example", &["\"a b\"@c.example"]),
            ("<\"anna\"@b.example>", &["anna@b.example"]),
            ("<a@[192.0.2.1]>", &["a@[192.0.2.1]"]),
            ("Anna <a@b\u{fc}cher.example>", &["a@xn--bcher-kva.example"]),
            ("=?utf-8?B?QW5uYQ==?=\r\n <a@b.example>", &["a@b.example"]),
            ("J. R. <j.r@b.example>", &["j.r@b.example"]),
            ("root", &[]),
            ("<>", &[]),
            ("", &[]),
        ] {
            assert_eq!(of(body.as_bytes()), want, "{body}");
        }
    }

    #[test]
    fn who_hides_is_found() {
        for body in [
            "<x@evil.example",
            "x@evil.example>",
            "<<x@evil.example>>",
            "a@b.example <x@evil.example>",
            "<a@b.example> x@evil.example",
            "<a@b.example><x@evil.example>",
            "\"Anna <x@evil.example>",
            "(Anna <x@evil.example>",
            "((a) <x@evil.example>",
            "\"a\\\" <x@evil.example>",
            "a b c x@evil.example",
            "x @ evil . example",
            "x@(a)evil.(b)example",
            "x(a)@evil.example",
            "x@evil.example.",
            "x@evil..example",
            "x@.evil.example",
            "x\r\n @evil.example",
            "<x\t@\r\n\tevil.example>",
            "<x\0@evil.example>",
            "x\\@evil.example",
            "\"x\"@evil.example",
            "\"\\x\"@evil.example",
            "<x@evil.example?subject=hi>",
            "mailto:x@evil.example",
            "'x@evil.example'",
            "x@evil.example, ",
            ";;;,,, <x@evil.example>",
            "\"x@evil.example\"",
            "(x@evil.example)",
            "a@b.example, \"x@evil.example\"",
            "=?utf-8?q?x=40evil=2Eexample?=",
            "<=?utf-8?b?eEBldmlsLmV4YW1wbGU=?=>",
            "\"=?utf-8?b?eEBldmlsLmV4YW1wbGU=?=\"",
            "a@b.example, =?utf-8?q?=3Cx=40evil.example=3E?=",
            "=?utf-8?q?x?=@evil.example",
            "x@=?utf-8?q?evil.example?=",
            "x\u{ff20}evil.example",
            "x@evil\u{3002}example",
            "x@\u{ff25}vil.example",
            "a@b.example <c@d.example> (e) \"f\" <x@evil.example>",
            "=?utf-8?q?a?= =?x@evil.example",
        ] {
            let found = of(body.as_bytes());
            assert!(found.iter().any(|m| m.ends_with("x@evil.example")), "{body}: {found:?}");
        }
        let long = "x".repeat(300);
        for local in [b"\xff\xfe", long.as_bytes(), b"\"a\tb\"", b"\"\""] {
            let found = of(&[b"<", local, b"@evil.example>"].concat());
            assert!(found[0].ends_with("@evil.example"), "{found:?}");
        }
    }

    #[test]
    fn all_is_bounded_and_linear() {
        let mut authors = Authors::default();
        let many: Vec<String> = (0..200).map(|n| format!("a{n}@b.example")).collect();
        authors.add_field(many.join(", ").as_bytes());
        assert_eq!((authors.mailboxes.len(), authors.cut), (MAILBOXES_MAX, true));
        let mut authors = Authors::default();
        authors.add_field("a@b.example,".repeat(1000).as_bytes());
        assert_eq!((authors.mailboxes.len(), authors.cut), (1, false));
        let began = std::time::Instant::now();
        for piece in [
            "\"",
            "(",
            "\\\"",
            "@",
            "a@",
            "=?,",
            "<",
            "a.",
            ". ",
            "=?utf-8?q?a?=",
            "\"a\".",
            "(a)@",
            "\u{ff20}",
            "[",
            "a@b ",
        ] {
            let mut authors = Authors::default();
            authors.add_field(piece.repeat(32 * 1024 / piece.len()).as_bytes());
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn what_is_plain_is_read_the_same_either_way(
            words in proptest::collection::vec(prop_oneof![
                Just("a"), Just("Bc"), Just("."), Just(" "), Just("@"), Just("<"), Just(">"), Just("<a@b.c>"), Just("a@B.c"),
                Just("\""), Just("\"A b\" "), Just("-"), Just("+"), Just("'"), Just(","), Just("\r\n"), Just("\n"), Just("_"),
            ], 0..7),
        ) {
            let body = words.concat();
            let (mut whole, mut list) = (Authors::default(), Authors::default());
            whole.add_field(body.as_bytes());
            list.add_list(body.as_bytes());
            prop_assert_eq!(whole, list, "{:?}", body);
        }

        #[test]
        fn no_octets_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = of(&body);
        }

        #[test]
        fn nothing_hides_a_second_address(
            words in proptest::collection::vec(prop_oneof![
                Just("a"), Just("."), Just(" "), Just("@"), Just("<"), Just(">"), Just(","), Just(";"), Just(":"),
                Just("(c)"), Just("\"q\""), Just("[1]"), Just("=?utf-8?q?x?="), Just("\\"),
            ], 0..30),
        ) {
            let body = format!("{} <x@evil.example>", words.concat());
            prop_assert!(of(body.as_bytes()).iter().any(|m| m.ends_with("x@evil.example")), "{}", body);
        }
    }
}
