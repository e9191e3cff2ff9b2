//! The test file of scanners in every place where a mail program finds it and a scanner may not.

use super::{Limits, Odd, Overview, PartInfo, Reading, Visitor, visit};

/// The test file, put together here so that it is nowhere whole.
pub(super) fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTI", "VIRUS-TEST-FILE!", "$H+H*"]
        .concat()
        .into_bytes()
}

/// What a visitor saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) parts: Vec<PartInfo>,
    pub(super) octets: Vec<(u32, Reading, Vec<u8>)>,
}

impl Visitor for Seen {
    fn part(&mut self, part: &PartInfo) {
        assert_eq!(part.number as usize, self.parts.len() + 1);
        assert!(part.parent.is_none_or(|p| p < part.number) && !part.kinds.is_empty());
        self.parts.push(part.clone());
    }

    fn octets(&mut self, part: &PartInfo, reading: Reading, octets: &[u8]) {
        assert_eq!(self.parts.get(part.number as usize - 1), Some(part));
        self.octets.push((part.number, reading, octets.to_vec()));
    }
}

pub(super) fn walk(message: &[u8]) -> (Seen, Overview) {
    let mut seen = Seen::default();
    let overview = visit(message, &Limits::default(), &mut seen);
    (seen, overview)
}

fn base64(octets: &[u8]) -> String {
    use mail_parser::decoders::base64::base64_decode;
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in octets.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = digits[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at > group.len() { '=' } else { digit.into() });
        }
    }
    assert_eq!(base64_decode(out.as_bytes()).as_deref(), Some(octets));
    out
}

fn lines(text: &str, length: usize) -> String {
    text.as_bytes()
        .chunks(length)
        .map(|line| std::str::from_utf8(line).unwrap().to_owned() + "\r\n")
        .collect()
}

fn quoted(octets: &[u8]) -> String {
    lines(&octets.iter().map(|b| format!("={b:02X}")).collect::<String>(), 72).replace("\r\n", "=\r\n")
}

fn uu(octets: &[u8]) -> String {
    let mut out = "begin 644 file.com\r\n".to_owned();
    for line in octets.chunks(45) {
        out.push(char::from(32 + line.len() as u8));
        for group in line.chunks(3) {
            let bits =
                group.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
            (0..4).for_each(|at| {
                out.push(
                    char::from(32 + ((bits >> (18 - 6 * at)) & 63) as u8)
                        .to_string()
                        .replace(' ', "`")
                        .remove(0),
                )
            });
        }
        out.push_str("\r\n");
    }
    out + "`\r\nend\r\n"
}

const TOP: &str = "From: a@example.com\r\nTo: b@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n";

/// A message of one part with these fields and this body.
fn single(fields: &str, body: &str) -> Vec<u8> {
    format!("{TOP}{fields}\r\n\r\n{body}").into_bytes()
}

/// A multipart of a text and a part that is all of this.
fn mixed(part: &str) -> Vec<u8> {
    multi(
        "Content-Type: multipart/mixed; boundary=\"BB\"",
        &format!("--BB\r\nContent-Type: text/plain\r\n\r\nhello\r\n--BB\r\n{part}\r\n--BB--\r\n"),
    )
}

fn multi(fields: &str, body: &str) -> Vec<u8> {
    single(fields, body)
}

const FILE: &str = "Content-Type: application/octet-stream; name=\"file.com\"\r\nContent-Disposition: attachment; filename=\"file.com\"";

fn attached(encoding: &str, body: &str) -> Vec<u8> {
    mixed(&format!("{FILE}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"))
}

/// Honest messages with a file of these octets in the place; none is odd.
fn honest(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let b64 = lines(&base64(file), 76);
    let plain = String::from_utf8(file.to_vec()).unwrap();
    let inner = String::from_utf8(attached("base64", &b64)).unwrap().replace("BB", "inner");
    let alternative = format!(
        "--A\r\nContent-Type: multipart/related; boundary=A2\r\n\r\n--A2\r\nContent-Type: text/html\r\n\r\n<p>\r\n--A2\r\n{FILE}\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64}\r\n--A2--\r\n\r\n--A--\r\n"
    );
    vec![
        ("plain body", single("Content-Type: text/plain", &plain)),
        ("no type", single("X-Y: z", &plain)),
        ("7bit", attached("7bit", &plain)),
        ("8bit", attached("8bit", &plain)),
        ("binary", attached("binary", &plain)),
        ("base64", attached("base64", &b64)),
        ("BASE64", attached("BASE64", &b64)),
        ("base64 in lines of 4", attached("base64", &lines(&base64(file), 4))),
        ("base64 in one line", attached("base64", &base64(file))),
        ("quoted-printable", attached("quoted-printable", &quoted(file))),
        ("a single base64 part", single(&format!("{FILE}\r\nContent-Transfer-Encoding: base64"), &b64)),
        (
            "nested multiparts, boundaries that begin alike",
            multi("Content-Type: multipart/mixed; boundary=A", &alternative),
        ),
        ("a message inside", mixed(&format!("Content-Type: message/rfc822\r\n\r\n{inner}"))),
        (
            "a digest",
            multi(
                "Content-Type: multipart/digest; boundary=DD",
                &format!("--DD\r\n\r\n{inner}\r\n--DD--\r\n"),
            ),
        ),
        (
            "a preamble",
            multi(
                "Content-Type: multipart/mixed; boundary=BB",
                &format!(
                    "This is a multi-part message in MIME format.\r\n--BB\r\n{FILE}\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64}\r\n--BB--\r\n"
                ),
            ),
        ),
        (
            "a folded boundary",
            multi(
                "Content-Type: multipart/mixed;\r\n\tboundary=\"=_x y\"",
                &format!("--=_x y\r\n{FILE}\r\n\r\n{plain}\r\n--=_x y--\r\n"),
            ),
        ),
    ]
}

/// The same file where programs differ.
#[allow(clippy::too_many_lines, reason = "a table")]
fn ambiguous(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let code = base64(file);
    let b64 = lines(&code, 76);
    let plain = String::from_utf8(file.to_vec()).unwrap();
    let inner = String::from_utf8(attached("base64", &b64)).unwrap();
    let part = format!("{FILE}\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64}");
    let pieces: String = file.chunks(10).map(|piece| base64(piece) + "\r\n").collect();
    let (first, second) = code.split_at(20);
    let boundary = |field: &str, body: &str| multi(&format!("Content-Type: multipart/mixed{field}"), body);
    let body = |open: &str, end: &str| format!("{open}\r\n{part}\r\n{end}\r\n");
    let partial = format!("Content-Type: message/partial; id=\"x\"; number=1; total=2\r\n\r\n{inner}");
    let mut deep = part.clone();
    for level in 0..45 {
        deep = format!(
            "Content-Type: multipart/mixed; boundary=L{level}x\r\n\r\n--L{level}x\r\n{deep}\r\n--L{level}x--\r\n"
        );
    }
    let mut deeper = deep.clone();
    for level in 45..1000 {
        deeper = format!(
            "Content-Type: multipart/mixed; boundary=L{level}x\r\n\r\n--L{level}x\r\n{deeper}\r\n--L{level}x--\r\n"
        );
    }
    let mut rfc822 = inner.clone();
    for _ in 0..6 {
        rfc822 = format!(
            "{TOP}Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            lines(&base64(rfc822.as_bytes()), 76)
        );
    }
    vec![
        ("base64;", attached("base64;", &b64)),
        ("\"base64\"", attached("\"base64\"", &b64)),
        ("base64 with a comment", attached("base64 (really)", &b64)),
        ("base64 and a word", attached("base64 x", &b64)),
        ("base64.", attached("base64.", &b64)),
        ("base-64", attached("base-64", &b64)),
        ("x-base64", attached("x-base64", &b64)),
        ("quoted printable", attached("quoted printable", &quoted(file))),
        ("7bit then base64", attached("7bit\r\nContent-Transfer-Encoding: base64", &b64)),
        ("base64 then 7bit", attached("base64\r\nContent-Transfer-Encoding: 7bit", &b64)),
        ("base64 then 7bit, and plain", attached("base64\r\nContent-Transfer-Encoding: 7bit", &plain)),
        (
            "quoted-printable then base64",
            attached("quoted-printable\r\nContent-Transfer-Encoding: base64", &b64),
        ),
        (
            "Content-Transfer-Encoding :",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding : base64\r\n\r\n{b64}")),
        ),
        (
            "Content-Transfer-Encoding : and plain",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding : base64\r\n\r\n{plain}")),
        ),
        ("a folded encoding", attached("\r\n base64", &b64)),
        ("base64 with foreign octets", attached("base64", &format!("{}!\r\n*{}", first, second))),
        (
            "base64 with text behind",
            attached("base64", &format!("{b64}\r\n-- \r\nA footer of a list: here!\r\n")),
        ),
        ("base64 with text in front", attached("base64", &format!("!!!!\r\n{b64}"))),
        ("base64 padded in the middle", attached("base64", &pieces)),
        ("base64 with padding put in", attached("base64", &format!("{first}={second}"))),
        ("base64 behind padding", attached("base64", &format!("eA==\r\n{b64}"))),
        ("base64 without padding", attached("base64", code.trim_end_matches('='))),
        ("base64 in odd lines", attached("base64", &lines(&code, 7))),
        (
            "base64 line by line",
            attached(
                "base64",
                &file
                    .chunks(10)
                    .map(|p| base64(p).trim_end_matches('=').to_owned() + "\r\n")
                    .collect::<String>(),
            ),
        ),
        ("plain that says base64", attached("base64", &plain)),
        ("plain that says quoted-printable", attached("quoted-printable", &plain)),
        ("quoted-printable with a bad escape", attached("quoted-printable", &format!("=ZZ{}", quoted(file)))),
        (
            "two boundaries, the first",
            boundary("; boundary=\"AA\"; boundary=\"BB\"", &body("--AA", "--AA--")),
        ),
        (
            "two boundaries, the second",
            boundary("; boundary=\"AA\"; boundary=\"BB\"", &body("--BB", "--BB--")),
        ),
        (
            "two types, the first",
            multi(
                "Content-Type: multipart/mixed; boundary=AA\r\nContent-Type: text/plain",
                &body("--AA", "--AA--"),
            ),
        ),
        (
            "two types, the second",
            multi(
                "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=AA",
                &body("--AA", "--AA--"),
            ),
        ),
        (
            "two types with boundaries",
            multi(
                "Content-Type: multipart/mixed; boundary=BB\r\nContent-Type: multipart/mixed; boundary=AA",
                &body("--AA", "--AA--"),
            ),
        ),
        ("a boundary in pieces", boundary("; boundary*0=\"A\"; boundary*1=\"A\"", &body("--AA", "--AA--"))),
        ("a boundary in RFC 2231", boundary("; boundary*=us-ascii''A%41", &body("--AA", "--AA--"))),
        (
            "a boundary in pieces and whole",
            boundary("; boundary*0=\"A\"; boundary*1=\"A\"; boundary=BB", &body("--AA", "--AA--")),
        ),
        ("a boundary with a blank", boundary("; boundary=AA BB", &body("--AA", "--AA--"))),
        ("a boundary with a comment", boundary("; boundary=AA(x)", &body("--AA", "--AA--"))),
        ("a boundary in single quotes", boundary("; boundary='AA'", &body("--AA", "--AA--"))),
        ("a boundary without its end quote", boundary("; boundary=\"AA", &body("--AA", "--AA--"))),
        ("no semicolon", boundary(" boundary=AA", &body("--AA", "--AA--"))),
        ("a comma", boundary(", boundary=AA", &body("--AA", "--AA--"))),
        ("no boundary", boundary("", &body("--AA", "--AA--"))),
        ("an empty boundary", boundary("; boundary=\"\"", &body("--AA", "--AA--"))),
        (
            "a boundary of 300 octets",
            boundary(
                &format!("; boundary={}", "A".repeat(300)),
                &body(&format!("--{}", "A".repeat(300)), "--"),
            ),
        ),
        ("multipart alone", multi("Content-Type: multipart; boundary=AA", &body("--AA", "--AA--"))),
        ("multipart/", multi("Content-Type: multipart/; boundary=AA", &body("--AA", "--AA--"))),
        ("delimiters with blanks", boundary("; boundary=AA", &body("--AA  \t", "--AA-- "))),
        ("delimiters with junk", boundary("; boundary=AA", &body("--AAjunk", "--AA--"))),
        ("delimiters with junk behind a blank", boundary("; boundary=AA", &body("--AA junk", "--AA--"))),
        (
            "the last delimiter with junk",
            boundary("; boundary=AA", &format!("--AA\r\n\r\nx\r\n--AA--junk\r\n{part}\r\n--AA--\r\n")),
        ),
        (
            "parts behind the end",
            boundary("; boundary=AA", &format!("--AA\r\n\r\nx\r\n--AA--\r\n--AA\r\n{part}\r\n--AA--\r\n")),
        ),
        (
            "a file in the preamble",
            boundary("; boundary=AA", &format!("{plain}\r\n--AA\r\n\r\nx\r\n--AA--\r\n")),
        ),
        (
            "uuencode in the preamble",
            boundary("; boundary=AA", &format!("{}\r\n--AA\r\n\r\nx\r\n--AA--\r\n", uu(file))),
        ),
        ("a file in the epilogue", boundary("; boundary=AA", &format!("--AA\r\n\r\nx\r\n--AA--\r\n{plain}"))),
        (
            "uuencode in the epilogue",
            boundary("; boundary=AA", &format!("--AA\r\n\r\nx\r\n--AA--\r\n{}", uu(file))),
        ),
        ("no last delimiter", boundary("; boundary=AA", &body("--AA", ""))),
        ("no delimiter", boundary("; boundary=AA", &plain)),
        ("no blank line", mixed(&format!("{FILE}\r\nContent-Transfer-Encoding: base64\r\n{b64}"))),
        (
            "no blank line, and one later",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding: base64\r\n{b64}\r\nx")),
        ),
        ("no header", mixed(&plain)),
        (
            "a line of blanks for the empty one",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding: base64\r\n \t\r\n{b64}")),
        ),
        (
            "a line that is no field",
            mixed(&format!("{FILE}\r\nno field\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64}")),
        ),
        (
            "a header behind an empty line",
            mixed(&format!("\r\n{FILE}\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64}")),
        ),
        ("a boundary in a line that is not folded", boundary(";\r\nboundary=AA", &body("--AA", "--AA--"))),
        (
            "uuencode with something behind each line",
            single(
                "Content-Type: text/plain",
                &uu(file).replace("\r\n", "junk\r\n").replace("endjunk", "end"),
            ),
        ),
        (
            "fields behind a line of blanks",
            mixed(&format!("X: y\r\n \r\n{FILE}\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64}")),
        ),
        (
            "no blank line in front of a multipart",
            multi(
                "Content-Type: multipart/mixed; boundary=AA\r\n--AA\r\nX: y",
                &format!("\r\n--AA\r\n{part}\r\n--AA--\r\n"),
            ),
        ),
        (
            "a message in base64",
            mixed(&format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                lines(&base64(inner.as_bytes()), 76)
            )),
        ),
        (
            "a message in quoted-printable",
            mixed(&format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
                quoted(inner.as_bytes())
            )),
        ),
        (
            "a plain message that says base64",
            mixed(&format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{inner}"
            )),
        ),
        ("messages in base64, six deep", rfc822.into_bytes()),
        ("a message of an unknown kind", mixed(&format!("Content-Type: message/x-other\r\n\r\n{inner}"))),
        (
            "a message by its name",
            mixed(&format!(
                "Content-Type: application/octet-stream; name=\"x.eml\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                lines(&base64(inner.as_bytes()), 76)
            )),
        ),
        ("a web archive", mixed(&format!("Content-Type: text/html; name=\"x.mht\"\r\n\r\n{inner}"))),
        (
            "a signed message",
            mixed(&format!(
                "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                lines(&base64(format!("\x30\x10\x24{part}").as_bytes()), 76)
            )),
        ),
        (
            "a multipart in base64",
            multi(
                "Content-Type: multipart/mixed; boundary=AA\r\nContent-Transfer-Encoding: base64",
                &lines(&base64(body("--AA", "--AA--").as_bytes()), 76),
            ),
        ),
        (
            "a multipart that says base64",
            multi(
                "Content-Type: multipart/mixed; boundary=AA\r\nContent-Transfer-Encoding: base64",
                &body("--AA", "--AA--"),
            ),
        ),
        ("a piece of a message", format!("{TOP}{partial}").into_bytes()),
        ("uuencode in text", single("Content-Type: text/plain", &format!("hello\r\n\r\n{}", uu(file)))),
        ("uuencode as encoding", attached("x-uuencode", &uu(file))),
        (
            "uuencode in base64 text",
            single(
                "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64",
                &lines(&base64(uu(file).as_bytes()), 76),
            ),
        ),
        (
            "the inner boundary is the outer one",
            multi(
                "Content-Type: multipart/mixed; boundary=AA",
                &format!(
                    "--AA\r\nContent-Type: multipart/mixed; boundary=AA\r\n\r\n--AA\r\n{part}\r\n--AA--\r\n--AA--\r\n"
                ),
            ),
        ),
        ("45 deep", format!("{TOP}{deep}").into_bytes()),
        ("1,000 deep", format!("{TOP}{deeper}").into_bytes()),
        (
            "CR for line ends, in base64",
            mixed(&format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                lines(&base64(inner.replace("\r\n", "\r").as_bytes()), 76)
            )),
        ),
        (
            "LF for line ends, in base64",
            mixed(&format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                lines(&base64(inner.replace("\r\n", "\n").as_bytes()), 76)
            )),
        ),
    ]
}

/// What mail programs make of less common forms; every one of them finds the file.
#[allow(clippy::too_many_lines, reason = "a table")]
fn habits(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let code = base64(file);
    let b64 = lines(&code, 76);
    let part = format!("{FILE}\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64}");
    let body = |boundary: &str| format!("--{boundary}\r\n{part}\r\n--{boundary}--\r\n");
    let multi = |kind: &str, text: &str| single(&format!("Content-Type: {kind}"), text);
    let page = |text: &str| single("Content-Type: text/html", text);
    let wide: Vec<u8> =
        format!("<a href='data:;base64,{code}'>").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let escaped: String = file.iter().map(|b| format!("%{b:02X}")).collect();
    let (first, second) = code.split_at(20);
    // BER: a constructed string of octets without a length, in pieces.
    let mut signed = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80".to_vec();
    for piece in part.as_bytes().chunks(50) {
        signed.extend([0x04, u8::try_from(piece.len()).unwrap()]);
        signed.extend(piece);
    }
    signed.extend([0; 6]);
    let pkcs7 = "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m";
    let named = "Content-Type: application/octet-stream; name=\"smime.p7m\"";
    let encoded =
        |octets: &[u8]| format!("Content-Transfer-Encoding: base64\r\n\r\n{}", lines(&base64(octets), 76));
    let apple = format!("--AD\r\nContent-Type: application/applefile\r\n\r\nx\r\n--AD\r\n{part}\r\n--AD--");
    let twice = format!(
        "--AA\r\nContent-Type: multipart/mixed; boundary=AA\r\n\r\n--AA\r\n\r\nx\r\n--AA--\r\n--AA\r\n{part}\r\n--AA--\r\n"
    );
    let inner = |inner: &str| {
        format!("Content-Type: multipart/mixed; boundary={inner}\r\n\r\n--{inner}\r\n{part}\r\n--{inner}--")
    };
    vec![
        (
            "a comment in front of the encoding",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding: (c) base64\r\n\r\n{b64}")),
        ),
        ("comments everywhere", multi("(c) multipart/mixed (d); (e) boundary (f) = (g) \"BB\"", &body("BB"))),
        ("a comment with a quote", multi("multipart/mixed; (\") boundary=\"BB\"", &body("BB"))),
        ("a comment in a comment", multi("multipart/mixed; (a (b) \\) c) boundary=\"BB\"", &body("BB"))),
        ("comments in the type", multi("multipart(x)/(y)mixed; boundary=BB", &body("BB"))),
        (
            "a boundary in an encoded word",
            multi("multipart/mixed; boundary=\"=?us-ascii?Q?BB?=\"", &body("BB")),
        ),
        (
            "a boundary that is an encoded word",
            multi("multipart/mixed; boundary=\"=?us-ascii?Q?BB?=\"", &body("=?us-ascii?Q?BB?=")),
        ),
        ("a boundary with an escape", multi("multipart/mixed; boundary=\"B\\B\"", &body("BB"))),
        (
            "a boundary with an escape as it stands",
            multi("multipart/mixed; boundary=\"B\\B\"", &body("B\\B")),
        ),
        ("a boundary in other letters", multi("multipart/mixed; boundary=abc", &body("ABC"))),
        ("a boundary of dashes", multi("multipart/mixed; boundary=\"--\"", &body("--"))),
        (
            "a boundary in pieces with a charset",
            multi("multipart/mixed; boundary*0*=us-ascii'en'B%42; boundary*1=C", &body("BBC")),
        ),
        ("a boundary folded in its quotes", multi("multipart/mixed; boundary=\"B\r\n\tB\"", &body("BB"))),
        ("a name with blanks before =", multi("multipart/mixed;\r\n BOUNDARY\r\n =\r\n \"BB\"", &body("BB"))),
        ("a multipart of no known kind", multi("multipart/x-none; boundary=BB", &body("BB"))),
        ("appledouble", multi("multipart/appledouble; boundary=AD", &apple)),
        (
            "a boundary that is another's beginning, inside",
            multi("multipart/mixed; boundary=AAB", &format!("--AAB\r\n{}\r\n--AAB--\r\n", inner("AA"))),
        ),
        (
            "a boundary that is another's beginning, outside",
            multi("multipart/mixed; boundary=AA", &format!("--AA\r\n{}\r\n--AA--\r\n", inner("AAB"))),
        ),
        ("the same boundary twice, the file behind", multi("multipart/mixed; boundary=AA", &twice)),
        (
            "an inner multipart that the outer one ends",
            multi(
                "multipart/mixed; boundary=AA",
                &format!(
                    "--AA\r\nContent-Type: multipart/mixed; boundary=BB\r\n\r\n--BB\r\n\r\nx\r\n--AA\r\n{part}\r\n--AA--\r\n"
                ),
            ),
        ),
        (
            "clear-signed, with one more part",
            multi(
                "multipart/signed; boundary=BB",
                &format!(
                    "--BB\r\n\r\nx\r\n--BB\r\nContent-Type: application/pgp-signature\r\n\r\ns\r\n{}",
                    body("BB")
                ),
            ),
        ),
        (
            "folded by a vertical tab",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding:\r\n\x0bbase64\r\n\r\n{b64}")),
        ),
        (
            "a form feed in front of the encoding",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding:\x0cbase64\r\n\r\n{b64}")),
        ),
        (
            "an encoding folded in its word",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding: bas\r\n e64\r\n\r\n{b64}")),
        ),
        (
            "an encoding with NUL",
            mixed(&format!("{FILE}\r\nContent-Transfer-Encoding: base64\0\r\n\r\n{b64}")),
        ),
        (
            "a mark of byte order in front of the first field",
            mixed(&format!("\u{feff}Content-Transfer-Encoding: base64\r\n{FILE}\r\n\r\n{b64}")),
        ),
        (
            "a line of a mailbox in front",
            mixed(&format!(
                "From a@example.com Mon\r\nContent-Transfer-Encoding: base64\r\n{FILE}\r\n\r\n{b64}"
            )),
        ),
        ("base64 with NULs", attached("base64", &b64.chars().map(|c| format!("{c}\0")).collect::<String>())),
        ("base64 behind a broken group", attached("base64", &format!("AA=\r\n{b64}"))),
        (
            "soft line ends with blanks",
            attached("quoted-printable", &file.iter().map(|b| format!("={b:02x}= \r\n")).collect::<String>()),
        ),
        ("uuencode in a page", page(&format!("<html><pre>\r\n{}</pre>", uu(file)))),
        (
            "uuencode with a mode of seven digits",
            single("Content-Type: text/plain", &uu(file).replace("644", "0100644")),
        ),
        ("uuencode without an end", single("Content-Type: text/plain", &uu(file).replace("end\r\n", ""))),
        (
            "uuencode with CR for line ends",
            mixed(&format!(
                "Content-Type: text/plain\r\n{}",
                encoded(uu(file).replace("\r\n", "\r").as_bytes())
            )),
        ),
        (
            "uuencode in a file",
            mixed(&format!(
                "Content-Type: application/octet-stream; name=x.uue\r\n{}",
                encoded(uu(file).as_bytes())
            )),
        ),
        (
            "uuencode in base64 lines",
            single("Content-Type: text/plain", &format!("begin-base64 644 file.com\r\n{b64}====\r\n")),
        ),
        (
            "a data: address",
            page(&format!(
                "<a download=\"x.exe\" href=\"data:application/octet-stream;base64,{code}\">x</a>"
            )),
        ),
        (
            "a data: address with blanks",
            page(&format!("<a href=\"data:;base64,{first}\r\n {second}\">x</a>")),
        ),
        (
            "a data: address with escapes",
            page(&format!("<a href='data:application/octet-stream,{escaped}'>x</a>")),
        ),
        (
            "a data: address in entities",
            page(&format!("<a href=\"&#100;ata&colon;x/y;base64&#44;{code}\">x</a>")),
        ),
        (
            "a data: address in UTF-16",
            mixed(&format!("Content-Type: text/html; charset=utf-16\r\n{}", encoded(&wide))),
        ),
        (
            "a script that makes a file",
            mixed(&format!(
                "Content-Type: application/octet-stream; name=x.html\r\n\r\n<script>var b = atob('{code}');</script>"
            )),
        ),
        (
            "a picture that makes a file",
            mixed(&format!(
                "Content-Type: image/svg+xml\r\n\r\n<svg><a href=\"data:x/y;base64,{code}\"/></svg>"
            )),
        ),
        ("a signed part in pieces", mixed(&format!("{pkcs7}\r\n{}", encoded(&signed)))),
        ("a signed part by its name", mixed(&format!("{named}\r\n{}", encoded(&signed)))),
    ]
}

#[test]
fn the_file_is_found_where_mail_programs_have_habits_of_their_own() {
    let file = eicar();
    let missed: Vec<&str> = habits(&file)
        .into_iter()
        .filter(|(_, message)| !walk(message).0.octets.iter().any(|(_, _, octets)| holds(octets, &file)))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(missed, [""; 0]);
}

/// BinHex is not opened, and so it is malformed wherever it says what it is.
#[test]
fn binhex_is_told() {
    let text = "(This file must be converted with BinHex 4.0)\r\n\r\n:abc:\r\n";
    for message in [
        single("Content-Type: text/plain", text),
        mixed(&format!(
            "Content-Type: application/mac-binhex40\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            base64(text.as_bytes())
        )),
        mixed("Content-Type: application/mac-binhex40; name=x.hqx\r\n\r\n:abc:"),
        mixed("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binhex\r\n\r\n:abc:"),
    ] {
        assert!(walk(&message).1.has(Odd::Binhex), "{}", String::from_utf8_lossy(&message));
    }
}

#[test]
fn names_that_programs_take_from_elsewhere() {
    for (fields, want) in [
        ("Content-Location: file:///C:/x/bill.exe", &["C:/x/bill.exe"][..]),
        ("Content-Location: http://www.example.com", &[]),
        ("Content-Location: http://www.example.com/logo.png", &[]),
        ("Content-Description: bill.scr", &["bill.scr"]),
        ("Content-Description: see www.example.com", &[]),
        ("Content-Disposition: attachment; name=bill.exe", &["bill.exe"]),
        ("Content-Type: x/y; filename=bill.exe", &["bill.exe"]),
        ("Content-Description: bill.scr\r\nContent-Type: x/y; name=a.txt", &["a.txt"]),
    ] {
        let (seen, _) = walk(&mixed(&format!("{fields}\r\n\r\nx")));
        let names: Vec<&str> = seen.parts.last().unwrap().names.iter().map(|name| &**name).collect();
        assert_eq!(names, want, "{fields}");
    }
}

#[test]
fn nothing_is_odd_about_honest_messages_and_the_file_is_found_in_each() {
    let file = eicar();
    for (name, message) in honest(&file) {
        let (seen, overview) = walk(&message);
        assert_eq!(overview.odd, [], "{name}");
        assert!(overview.again.is_empty(), "{name}");
        let found = seen
            .octets
            .iter()
            .filter(|(_, reading, octets)| *reading == Reading::Main && holds(octets, &file));
        assert_eq!(found.count(), 1, "{name}");
    }
}

fn holds(octets: &[u8], file: &[u8]) -> bool {
    memchr::memmem::find(octets, file).is_some()
}

#[test]
fn the_file_is_found_wherever_a_program_finds_it() {
    let file = eicar();
    for (name, message) in ambiguous(&file) {
        let (seen, overview) = walk(&message);
        let whole =
            |octets: &[u8]| octets.strip_suffix(b"\r\n").unwrap_or(octets) == file || holds(octets, &file);
        let found: Vec<u32> =
            seen.octets.iter().filter(|(_, _, octets)| whole(octets)).map(|(part, ..)| *part).collect();
        if overview.is_over() {
            assert!(overview.has(Odd::TooDeep), "{name}: {:?}", overview.odd);
            continue;
        }
        assert!(!found.is_empty(), "{name}: {:?} {:#?}", overview.odd, seen.parts);
        // Scanners, which read the message in their own way, are given it once more.
        let told = found.iter().any(|part| overview.again.contains(part));
        assert!(told || same_as_honest(name), "{name}: {:?} {:?}", overview.odd, overview.again);
    }
}

/// Places that are in the table because scanners should not miss them; no program reads them in two ways.
fn same_as_honest(name: &str) -> bool {
    [
        "a folded encoding",
        "base64 without padding",
        "a boundary in pieces",
        "a boundary in RFC 2231",
        "plain that says quoted-printable",
    ]
    .contains(&name)
}

#[test]
fn clean_messages_of_the_same_shapes_hold_nothing() {
    let file = eicar();
    let clean: Vec<u8> = file.iter().map(|b| if b.is_ascii_alphabetic() { b'A' } else { *b }).collect();
    for (name, message) in honest(&clean).into_iter().chain(ambiguous(&clean)).chain(habits(&clean)) {
        let (seen, _) = walk(&message);
        assert!(!seen.octets.iter().any(|(_, _, octets)| holds(octets, &file)), "{name}");
    }
}
