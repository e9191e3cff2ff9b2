//! What mutation begins with: the dialogues of the tests, and a few words for each target.

const DIALOGUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/dialogues");
const RULES: &str = include_str!("../../../rules/gateway.toml");
const PROTOCOL: &str = include_str!("../../../rules/protocol.toml");
const BLOCKS: &str = include_str!("../../../rules/lists/blocks.list");

/// The lines of all dialogues that begin with one of `marks`, one entry a dialogue and one a line.
fn said(marks: [&str; 2]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut paths: Vec<_> =
        std::fs::read_dir(DIALOGUES).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    // The order of a folder is nobody's; the same seed shall give the same inputs.
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut all = Vec::new();
        for line in text.lines().filter(|l| !l.contains("{{")) {
            let Some(words) = marks.iter().find_map(|m| line.strip_prefix(m)) else { continue };
            let mut octets = unescape(words.strip_prefix(' ').unwrap_or(words));
            if line.as_bytes().get(1) == Some(&b':') {
                octets.extend_from_slice(b"\r\n");
            }
            all.extend_from_slice(&octets);
            out.push(octets);
        }
        out.push(all);
    }
    out.sort();
    out.dedup();
    out
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.bytes();
    while let Some(octet) = chars.next() {
        out.push(match (octet, octet == b'\\') {
            (_, false) => octet,
            _ => match chars.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'0') => 0,
                Some(b'x') => {
                    let mut digit =
                        || chars.next().and_then(|c| char::from(c).to_digit(16)).unwrap_or(0) as u8;
                    digit() << 4 | digit()
                }
                Some(other) => other,
                None => b'\\',
            },
        });
    }
    out
}

/// The parts of a file of settings with their comments as settings, and the whole file.
fn parts(text: &str) -> Vec<Vec<u8>> {
    let parts = text.split("\n\n").map(|part| part.replace("\n# ", "\n").into_bytes());
    parts.chain([text.as_bytes().to_vec()]).collect()
}

fn words(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|t| t.as_bytes().to_vec()).collect()
}

/// The corpus of a target; never empty.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut out = match target {
        "framer" | "server" | "command" => said(["C:", "C|"]),
        "client" | "extension" => said(["d:", "d|"]),
        "config" => parts(RULES),
        "protocol" => parts(PROTOCOL),
        "list" => vec![BLOCKS.as_bytes().to_vec(), BLOCKS.replace("\n# ", "\n").into_bytes()],
        _ => Vec::new(),
    };
    out.extend(match target {
        "decoder" | "body-check" | "stuffer" => words(&[
            "Subject: x\r\n\r\nbody\r\n.\r\n",
            ".\r\n",
            "..\r\n...\r\n.\r\n",
            "a\n.\nb\r.\rc\r\n.\r\n",
            "\r\n.\r\r\n.\n\r\n.\r\n",
            "x\0.\0\r\n.\r\n",
            "\u{fc}\r\n",
        ]),
        "client" | "extension" => words(&[
            "220 mx\r\n250-mx\r\n250-PIPELINING\r\n250-SIZE 100\r\n250 8BITMIME\r\n354 go\r\n250 ok\r\n",
            "250-mx\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=LOGIN\r\n250-LIMITS RCPTMAX=5 MAILMAX=9\r\n250 XCLIENT NAME ADDR\r\n",
            "250-mx\r\n250-DELIVERBY 100\r\n250-SMTPUTF8\r\n250-MT-PRIORITY STANAG4406\r\n250-CHUNKING\r\n250 REQUIRETLS\r\n",
            "421 bye\r\n550-a\r\n550 b\r\n",
        ]),
        "proxy" => [
            &b"PROXY TCP4 192.0.2.1 198.51.100.1 5 25\r\nEHLO x\r\n"[..],
            b"PROXY TCP6 2001:db8::1 ::1 5 25\r\n",
            b"PROXY UNKNOWN\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\xc6\x33\x64\x19\x15\xb3\0\x19",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x27\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x09\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x19\x15\xb3\0\x19\x04\0\0",
        ]
        .map(<[u8]>::to_vec)
        .to_vec(),
        "xclient" => words(&[
            "ADDR=192.0.2.1 PORT=25 NAME=mx.example HELO=a+20b PROTO=ESMTP LOGIN=x+3Dy",
            "ADDR=IPV6:2001:db8::1 DESTADDR=[UNAVAILABLE] DESTPORT=[TEMPUNAVAIL]",
        ]),
        "path" => words(&[
            "<>",
            "<a@b.example> SIZE=1",
            "<\"a b\\\"c\"@[192.0.2.1]>",
            "<@x.example,@y.example:a%b@c.example>",
            "<Postmaster>",
            "<gr\u{fc}n@b\u{fc}cher.example>",
            "<a!b@xn--bcher-kva.example.> NOTIFY=NEVER",
        ]),
        "command" => words(&[
            "MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME AUTH=a@b RET=HDRS ENVID=x SMTPUTF8 REQUIRETLS",
            "RCPT TO:<a@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b",
            "BDAT 123 LAST",
            "AUTH PLAIN AGEAYg==",
        ]),
        "header" => words(&[
            "From: \"a, b\" <c@d.example>, G: (e) f@g.example;\r\nfrom :\r\n =?utf-8?q?h=40i?= <@j,@k:l@[192.0.2.1]>\r\n\r\n",
            "Received: from a by b id 7F3K9QAB.0123456789; now\r\n\tfolded\r\nSubject: =?utf-8?Q?gr=C3=BC?=\r\nFrom: \"A, B\" <a@b>, c@d\r\nMessage-ID: <x@y>\r\n\r\nbody",
            "From: =?iso-8859-1?B?4Q==?= <a@b>\r\nSubject: a\r\n =?us-ascii?Q?b?=\r\n\r\n",
            "Received : x\r\nreceived:y\r\n: z\r\n\r\n",
        ]),
        "list" | "list-edit" => words(&[
            "192.0.2.0/24\n192.0.2.1; until=2026-12-31 note=\"a \\\" b\" by=top # c\r\n!192.0.2.1\n",
            "x.example\n.x.example\nbob@x.example; dir=in mode=log action=drop\n!b?b@*.example\n<>\n",
            "ehlo:localhost; until=2020-01-01T10:00Z created=2019-12-31\nrdns:.dsl.x.example\nuser:bob\n",
            "header-from:.x.example; text=\"go away\"\nrcpt:/^bo+b@/; auth=any\nip:2001:db8::/32\n",
            "\"B ob\"@[192.0.2.1]\nb\u{fc}cher.example\n10.1.2.3/8\n/(/\nfrom:*\n",
        ]),
        "matcher" => words(&[
            "@names\n!bob@x.example\n*.x.example",
            "192.0.2.0/25\n!192.0.2.1\n2001:db8::/32\n@nmaes",
            "/^b[o0]+b@(x|y)\\.example$/\n.x.example\nb?b@*",
            "<>\n!*",
        ]),
        "protocol" => words(&[
            "[[rule]]\nid = \"r\"\naction = \"reject\"\nhello = [\"mx.x.example\", \"!/^a/\"]\ntext = \"no {x}\"\npoints = 7\n",
            "answer_at = \"data\"\n[[rule]]\nid = \"s\"\naction = \"tempfail\"\nsender = \"@names\"\ncountry = [\"DE\"]\nlisted_from = 0.5\nanswer_at = \"data\"\n[[expect]]\nclient = \"192.0.2.1\"\nsender = \"a@x.example\"\nresult = \"tempfail\"\nrule = \"s\"\n",
            "[country]\ndatabase = \"x.mmdb\"\n[access]\nblock = [\"names\"]\n[[dnsbl]]\nzone = \"bl.example\"\nweight = 1.5\nanswers = [\"127.0.0.2-127.0.0.11\"]\n[reputation]\nreject = 1.0\ntempfail = 0.5\n",
            "[syntax]\nmissing_brackets = \"log\"\n[hello]\nunresolvable = \"on\"\n[sender]\nunresolvable = \"on\"\nnull_recipients = 2\n[[rule]]\nid = \"h\"\naction = \"hide\"\nhide = [\"CHUNKING\"]\nclient = \"192.0.2.0/24\"\n",
        ]),
        "record" => words(&[
            r#"{"time":"2026-11-21T20:00:00.123Z","kind":"message","session":"7F3K9QAB","message":"7F3K9QAC","client":"192.0.2.7","helo":"a\\x00","from":"a@x.example","to":[{"rcpt":"<b@y.example>","reply":"550 5.7.1 no"}],"findings":[{"id":"block","verdict":"reject","enforced":true,"file":"l","line":7}],"reply":"250 ok","header":{"message_id":"<1@x>","from":7},"facts":{"country":{"known":"DE"}},"conduct":{"early_talk":true}}"#,
            r#"{"kind":"connection","client":"2001:db8::1","end":"quit","messages":2}"#,
            r#"{"kind":"refused","client":"192.0.2.7","count":40,"findings":[{"id":"blocks","verdict":"disconnect"}]}"#,
            r#"{"kind":"novel","facts":[],"conduct":7,"to":null}"#,
        ]),
        "engines" => words(&[
            "stream: OK\0",
            "stream: Eicar FOUND\0",
            "INSTREAM size limit exceeded. ERROR\0",
            "HTTP/1.1 200 OK\r\nContent-Length: 71\r\n\r\n{\"score\":6.5,\"action\":\"add header\",\"symbols\":{\"GTUBE\":{\"score\":6.5}}}  ",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n{\"score\":1,\"action\":\"reject\"} \r\n0\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nContent-length: 17\r\nSpam: True ; 6.5 / 5.0\r\n\r\nGTUBE,NO_RECEIVED",
            "SPAMD/1.0 76 Bad header line\r\n",
        ]),
        "signatures" => words(&[
            "rule a { strings: $a = \"text\" nocase wide $b = { 4D 5A ?? [2-4] (41 | 42) } $c = /ab+c[^x]{2,4}/i condition: any of them and filesize < 1KB }",
            "import \"pe\"\nimport \"hash\"\nprivate rule a { meta: x = 1 condition: pe.number_of_sections > 2 or hash.md5(0, filesize) == \"x\" }\nrule b { condition: a and for any i in (0..filesize) : (uint8(i) == 0x4d) }",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad:3:Test # x\n# y\nba78 z\n",
        ]),
        "mime" | "content" => {
            let mut mails = words(&[
                "Content-Type: multipart/mixed; boundary=\"X\"\r\n\r\n--X\r\n\r\none\r\n--X\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntwo\r\n--X--\r\n",
                "Content-Type: multipart/alternative; boundary=X\r\n\r\n--X\r\nContent-Type: text/html; charset=utf-7\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<a href=3D\"x\">=\r\ny</a>&amp;<script>z</script>\r\n--X--",
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogaQ0KQ29udGVudC1UcmFuc2Zlci1FbmNvZGluZzogYmFzZTY0DQoN\r\nCmFHaz0NCg==\r\n",
                "Content-Disposition: attachment; filename*0*=utf-8''%41; filename*1=\"b\\\"c\"; filename=\"=?utf-8?B?Z3I=?=\"\r\nContent-Transfer-Encoding: base64;\r\n\r\naGVs!bG8=aa\r\n",
                "Content-Type: multipart/digest; boundary=\" a--\"\n\n-- a--\n\nSubject: x\n\ny\n-- a----\n-- a--z\n",
            ]);
            mails.extend(words(&[
                "Content-Type: multipart/mixed; boundary=a; boundary=\"b c\"\r\nContent-Transfer-Encoding : x-base64\r\nno field\r\n \r\n--a \r\nContent-Type: application/x; name=x.eml\r\n\r\nSubject: y\r\n\r\nz\r\n--ajunk\r\n\r\n--a--\r\n--a\r\nContent-Type: message/partial\r\n\r\n--b c\r\n",
                "Content-Type: text/plain\r\n\r\nbegin 644 x\r\n%:&5L;&\\\r\n`\r\nend\r\n=ybegin line=1 name=y\r\n=}a=\r\n=yend\r\nbegin-base64 644 z\naGk=\n====\n",
                "Content-Type: multipart/mixed\nContent-Type: multipart/x; boundary*0=A; boundary*1*=%41\nContent-Transfer-Encoding: quoted-printable\n\n--AA=\n\n\n\nX=3D: y\n\n--AA--\n",
                "Content-Type: message/rfc822\rContent-Transfer-Encoding: 7bit\r\rSubject: x\r\ry",
                "Content-Type: (a (b)) text/html (\"; name=x.svg\nContent-Location: file:///a.exe\n\n<a href='data:x/y;base64,TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAA4fug4='>data:,%41%42%43%44%45%46%47%48%49%50%51%52%53%54%55%56%57%58%59%60%61%62'",
                "Content-Type: application/pkcs7-mime; name=a.p7m\n\n0\u{1}$\u{10}\u{4}\u{5}Conte\u{4}\u{8}nt-Type:\u{4}\u{3}x/y\0\0",
            ]));
            mails.extend([
                &include_bytes!("../../../src/cli/demo/samples/html.eml")[..],
                include_bytes!("../../../src/cli/demo/samples/utf8.eml"),
                include_bytes!("../../../src/cli/demo/samples/foreign.eml"),
            ].map(<[u8]>::to_vec));
            mails
        }
        "files" => files(),
        "edit" => words(&[
            "From: a\r\nSubject: [S] x\r\nX-A: 1\r\n 2\r\nAuthentication-Results: (c) \"a\" 1; spf=pass\r\n\r\nbody\r\n",
            "Authentication-Results:\r\n a;\r\nSubject:\r\n\r\n",
        ]),
        _ => Vec::new(),
    });
    out.push(Vec::new());
    out
}

/// A small file of each kind that is opened.
#[rustfmt::skip]
fn files() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = vec![
            b"%PDF-1.5\x0a1 0 obj<</EmbeddedFile/Filter/AHx>>stream\x0a4d5a90>endstream 2 0 obj<</EmbeddedFile/Filter[/A85/FlateDecode]>>stream\x0aGb\"0;0`_7S!5bE~>endstream".to_vec(),
            b"PK\x03\x04\x14\x00\x01\x00\x00\x00\x00\x00\x21\x5c\x86\xa6\x10\x36\x05\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00ahello".to_vec(),
            b"PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00!\\\x11\xd8\xe1c\x10\x00\x00\x00\x10\x00\x00\x00\x0a\x00\x00\x00a/bill.exeMZ\x90\x00MZ\x90\x00MZ\x90\x00MZ\x90\x00PK\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00!\\\x11\x91\xf2\xf9\x08\x00\x00\x00 \x00\x00\x00\x13\x00\x00\x00[Content_Types].xml\xb3\xa9\xd0\xb7\xb3\xc1\x83\x01PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00\x00\x00!\\\x11\xd8\xe1c\x10\x00\x00\x00\x10\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00\x00\x00a/bill.exePK\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00\x00\x00!\\\x11\x91\xf2\xf9\x08\x00\x00\x00 \x00\x00\x00\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x018\x00\x00\x00[Content_Types].xmlPK\x05\x06\x00\x00\x00\x00\x02\x00\x02\x00y\x00\x00\x00q\x00\x00\x00\x00\x00".to_vec(),
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcbH\xcd\xc9\xc9W\xc8 \x91\x04\x00\xd5\x80d\x986\x00\x00\x00".to_vec(),
            b"7z\xbc\xaf'\x1c\x00\x04\x8f\xfa=]\x19\x00\x00\x00\x00\x00\x00\x00X\x00\x00\x00\x00\x00\x00\x00\xdc~\xf4,\x004\x19I\xee\x8d\xe9O~k\xd6H\xa4`46\x9d\xe6L\xff\xff\xfde0\x00\x01\x04\x06\x00\x01\x09\x19\x00\x07\x0b\x01\x00\x01#\x03\x01\x01\x05]\x00\x00\x01\x00\x0c\x19\x00\x08\x0d\x02\x09\x11\x0a\x01\x80\x88\xf9\xe5\x01\x07\xcc_\x00\x00\x05\x02\x11'\x00a\x00.\x00t\x00x\x00t\x00\x00\x00d\x00i\x00r\x00/\x00b\x00i\x00l\x00l\x00.\x00e\x00x\x00e\x00\x00\x00\x00\x00".to_vec(),
            b"Rar!\x1a\x07\x00\x00\x00s\x00\x00\x0d\x00\x00\x00\x00\x00\x00\x00\x00\x00t\x00\x82%\x00\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x140\x05\x00\x00\x00\x00\x00a.exeMZ".to_vec(),
            b"Rar!\x1a\x07\x01\x00\x00\x00\x00\x00\x03\x01\x00\x00\x00\x00\x00\x00\x0e\x02\x02\x02\x00\x02\x00\x00\x00\x04a.jshi".to_vec(),
            b"%PDF-1.5\x0a1 0 obj<</Type/EmbeddedFile/Filter/FlateDecode>>stream\x0ax\x9c\x03\x00\x00\x00\x00\x01endstream 2 0 obj<</Type/ObjStm/FlateDecode>>stream\x0ax\x9c\x03\x00\x00\x00\x00\x01endstream /J#53".to_vec(),
            b"{\\rtf1{\\object\\objemb{\\*\\objdata 01050000020000000800 00005061636b61676500 0000000000000000 08000000 020061006100{\\x}}}}".to_vec(),
            b"x\x9f>\"\x00\x00\x02\x02\x90\x06\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02\x10\x80\x01\x00\x06\x00\x00\x00a.exe\x00\x00\x00\x02\x0f\x80\x06\x00\x02\x00\x00\x00MZ\x00\x00\x02\x05\x90\x06\x00\x14\x00\x00\x00\x01\x00\x00\x00\x1e\x00\x077\x01\x00\x00\x00\x04\x00\x00\x00b.e\x00\x00\x00".to_vec(),
    ];
    let mut tar = vec![0; 2048];
    tar[..5].copy_from_slice(b"a.exe");
    tar[124..136].copy_from_slice(b"00000000002\0");
    tar[257..263].copy_from_slice(b"ustar\0");
    files.push(tar);
    files
}
