//! What is said of each mistake, and where.

use super::tests::{MINIMAL, read, with};
use super::{Moment, load};
use std::path::Path;

/// Problems of the minimal file with some lines put in, without `gateway.toml:` and with the line within what
/// was put in.
fn problems(place: &str, lines: &str) -> Vec<String> {
    let text = with(place, lines);
    let first = text.lines().position(|line| Some(line) == lines.lines().next()).unwrap();
    let first = if place == "end" { MINIMAL.lines().count() } else { first };
    let strip = |problem: String| match problem.strip_prefix("gateway.toml:").and_then(|p| p.split_once(':'))
    {
        Some((line, rest)) => format!("{}:{rest}", line.parse::<usize>().unwrap() - first),
        None => problem,
    };
    read(&text, &[]).1.into_iter().map(strip).collect()
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (place, lines, want) in TABLE {
        assert_eq!(problems(place, lines), *want, "{place}: {lines}");
    }
}

#[test]
fn mistakes_of_the_whole_file_are_told() {
    for (from, to, want) in WHOLE {
        let text = MINIMAL.replace(from, to);
        assert_ne!(text, MINIMAL, "{from}");
        assert_eq!(read(&text, &[]).1, *want, "{from} -> {to}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_in_plain_words() {
    for (text, want) in SYNTAX {
        assert_eq!(read(text, &[]).1, *want, "{text}");
    }
}

#[test]
fn mistakes_in_a_list_are_told_in_the_list() {
    let text = with("relay", "recipients = { \"example.net\" = \"@lists/a.list\" }");
    let list = "# people\ninfo\n\n  a b\nx@example.org # moved\n";
    assert_eq!(
        read(&text, &[("lists/a.list", list)]).1,
        [
            "lists/a.list:4:3: error: expected a local part such as \"info\" or an address such as \"info@example.net\", found \"a b\"",
            "lists/a.list:5:1: error: an address in example.org among the recipients of example.net, found \"x@example.org\"",
        ]
    );
    let (_, many) = read(&text, &[("lists/a.list", &"a b\n".repeat(50))]);
    assert_eq!(many.len(), 21);
    assert_eq!(many[0], "gateway.toml:13:32: error: `recipients`: 30 more mistakes in lists/a.list");
    let (policy, none) = read(
        &text.replace("@lists", "@file:lists"),
        &[("lists/a.list", "\u{feff}Info\r\nx@example.net\r\n")],
    );
    assert!(none.is_empty(), "{none:?}");
    assert_eq!(format!("{:?}", policy.unwrap().relay.recipients), "RecipientTable(1 domains, 2 recipients)");
    let (_, empty) = read(&text, &[("lists/a.list", "# nobody\n")]);
    assert_eq!(
        empty,
        [
            "gateway.toml:13:32: warning: `recipients`: the list is empty, so all mail for example.net is refused"
        ]
    );
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let told = |dir: &Path| {
        let (policy, problems) = load(dir, Moment::at(0));
        assert!(policy.is_none());
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(told(&dir.path().join("no")).contains("gateway.toml:1:1: error: there is no directory"));
    assert!(told(dir.path()).contains("copy the shipped one there, or name another directory with --rules"));
    let file = dir.path().join("gateway.toml");
    std::fs::write(&file, b"# all\n# gr\xfc\xdfe\n").unwrap();
    assert_eq!(told(dir.path()), "gateway.toml:2:5: error: not UTF-8: save the file in UTF-8 encoding");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(told(dir.path()).contains("cannot be read: it is not a file"));
}

#[test]
fn a_list_is_read_from_beside_the_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("gateway.toml"),
        with("relay", "recipients = { \"example.net\" = \"@a.list\" }"),
    )
    .unwrap();
    std::fs::write(dir.path().join("a.list"), b"info\nb\xfc\n").unwrap();
    let told = |dir: &Path| load(dir, Moment::at(0)).1.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told(dir.path()),
        ["gateway.toml:13:32: error: `recipients`: the list \"a.list\" cannot be read: line 2 is not UTF-8"]
    );
    std::fs::write(dir.path().join("a.list"), b"info\n").unwrap();
    assert!(told(dir.path()).is_empty());
}

/// Where lines are put in, the lines, and what is told.
type Row = (&'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("top", "max_message_size = \"63K\"", &[
         "1:20: error: `max_message_size`: \"63K\" is too small, the least is 64K",
    ]),
    ("top", "max_message_size = \"50MB\"", &[
        "1:20: error: `max_message_size`: sizes are written without a space and with one letter, such as \"50M\", found \"50MB\"",
    ]),
    ("top", "max_message_size = true", &[
        "1:20: error: `max_message_size`: expected a size such as \"50M\" or a number of octets, found true",
    ]),
    ("top", "max_mesage_size = \"50M\"", &[
         "1:1: error: unknown key `max_mesage_size` at the top of the file; did you mean `max_message_size`?",
    ]),
    ("top", "domains = []", &[
        "1:1: error: `domains` does not belong at the top of the file but in [relay]",
    ]),
    ("top", "certificate = \"a\"\nmax_connections = 0", &[
        "1:1: error: `certificate` does not belong at the top of the file but in [[listener]]",
        "2:19: error: `max_connections`: expected a whole number from 1 to 1000000, found the number 0",
    ]),
    ("top", "max_connections = \"100\"", &[
        "1:19: error: `max_connections`: expected a whole number from 1 to 1000000, found \"100\" (numbers stand without quotes)",
    ]),
    ("top", "max_connections = -1", &[
        "1:19: error: `max_connections`: expected a whole number from 1 to 1000000, found the number -1",
    ]),
    ("top", "drain = \"0s\"", &[
        "1:9: error: `drain`: zero would mean that nothing is ever waited for",
    ]),
    ("top", "drain = 30", &[
        "1:9: error: `drain`: the unit is missing: write \"30s\" for seconds or \"30m\" for minutes",
    ]),
    ("top", "drain = \"30\"", &[
         "1:9: error: `drain`: the unit is missing: write \"30s\" for seconds or \"30m\" for minutes, found \"30\"",
    ]),
    ("top", "drain = \"5 min\"", &[
        "1:9: error: `drain`: durations are written without a space, with ms, s, m, h or d, such as \"5m\", found \"5 min\"",
    ]),
    ("top", "disk = \"10M\"", &[
        "1:8: warning: `disk` is less than `max_message_size`: the largest messages would be deferred again and again (452 4.3.1)",
    ]),
    ("top", "user = \"\"", &[
        "1:8: error: `user`: it is empty: write a value, or take the line out",
    ]),
    ("top", "foo = 1", &[
        "1:1: error: unknown key `foo` at the top of the file",
    ]),
    ("top", "trusted = 5", &[
        "1:11: error: `trusted` is a table: its keys stand in lines of their own below [trusted]",
    ]),
    ("end", "[[relay2]]\nx = 1", &[
        "1:3: error: unknown table [relay2]; did you mean [relay]?",
    ]),
    ("end", "[listeners]\nx = 1", &[
        "1:2: error: unknown table [listeners]; did you mean [[listener]]?",
    ]),
    ("end", "[timeouts]\ncomand = \"5m\"\ndownstream_data_reply = \"9m\"\ndata = \"0s\"\nmin_rate = 0", &[
        "2:1: error: unknown key `comand` in [timeouts]; did you mean `command`?",
        "3:25: warning: `downstream_data_reply`: giving up before 10 minutes makes duplicates, for the downstream may have taken the message (RFC 1047, RFC 5321 section 4.5.3.2.6)",
        "4:8: error: `data`: zero would mean that nothing is ever waited for",
        "5:12: error: `min_rate`: the number 0 is too small, the least is 1",
    ]),
    ("end", "[trusted]\nclients = \"10.0.0.0/8\"", &[
        "2:11: error: `clients`: expected a list of networks, found \"10.0.0.0/8\" (lists stand in square brackets: [\"…\", \"…\"])",
    ]),
    ("end", "[trusted]\nclients = [\"0.0.0.0/0\"]", &[
        "2:11: warning: `clients`: this is every address: anybody is free of limits, bans and delays",
    ]),
    ("end", "[log]\nlevel = \"inof\"\nformat = \"xml\"\nfile = \"x\"\nfoo = 1", &[
        "2:9: error: `level`: expected one of off, error, warn, info, debug, trace; found \"inof\"; did you mean info?",
        "3:10: error: `format`: expected \"text\" or \"json\", found \"xml\"",
        "4:1: error: `file` does not belong in [log] but in [audit]",
        "5:1: error: unknown key `foo` in [log]; known are level, format",
    ]),
    ("end", "[[listener]]\nname = \"in\"\naddress = \"0.0.0.0:25\"\ndirection = \"inbund\"\ndownstream = \"mial\"", &[
        "2:8: error: `name`: \"in\" is already the name of the [[listener]] in line 4",
        "3:11: error: `address`: \"0.0.0.0:25\" is already taken by the [[listener]] in line 5",
        "4:13: error: `direction`: expected \"inbound\" or \"outbound\", found \"inbund\"; did you mean \"inbound\"?",
        "5:14: error: `downstream`: no [[downstream]] is named \"mial\"; did you mean \"mail\"?",
    ]),
    ("end", "[[listener]]", &[
        "1:1: error: `name` is missing in [[listener]]; for example: name = \"in\"",
        "1:1: error: `address` is missing in [[listener]]; for example: address = \"0.0.0.0:25\"",
        "1:1: error: `direction` is missing in [[listener]]; for example: direction = \"inbound\"",
        "1:1: error: `downstream` is missing in [[listener]]; for example: downstream = \"mail\"",
    ]),
    ("end", "[[downstream]]\nname = \"mail\"\naddresses = [\"127.0.0.1\", \"mail.example.net\", \"10.0.0.7;weight=0\", \"10.0.0.8\", \"10.0.0.8:25\", 5]", &[
        "2:8: error: `name`: \"mail\" is already the name of the [[downstream]] in line 9",
        "3:14: error: `addresses`: 127.0.0.1:25 is our own [[listener]] in line 5: mail would go in circles",
        "3:27: error: `addresses`: expected an IP address such as \"10.0.0.5\", \"10.0.0.5:25\" or \"[2001:db8::5]:25\" (host names are not looked up), found \"mail.example.net\"",
        "3:47: error: `addresses`: a weight of 0 means that the address is never used: write 1 or more, or take it out",
        "3:80: error: `addresses`: 10.0.0.8:25 is listed twice",
        "3:95: error: `addresses`: expected a text in quotes, found the number 5",
    ]),
    ("end", "[[downstream]]\nname = \"a b\"\naddresses = []", &[
         "2:8: error: `name`: expected up to 64 letters, digits, `-`, `_` and `.`, found \"a b\"",
        "3:13: error: `addresses`: at least one address is needed, for example [\"10.0.0.5:25\"]",
    ]),
    ("listener", "tls = \"starttls\"", &[
        "1:7: error: tls = \"starttls\" also needs `certificate` and `key` (PEM files)",
    ]),
    ("listener", "tls = \"implicit\"\nkey = \"k\"", &[
        "1:7: error: tls = \"implicit\" also needs `certificate` (PEM files)",
    ]),
    ("listener", "tls = \"startls\"", &[
        "1:7: error: `tls`: expected \"off\", \"starttls\" or \"implicit\", found \"startls\"; did you mean \"starttls\"?",
    ]),
    ("listener", "certificate = \"c\"", &[
        "1:15: warning: `certificate` is not used without tls = \"starttls\" or tls = \"implicit\"",
    ]),
    ("listener", "auth = \"tls\"\nauth_ntlm = \"true\"", &[
         "1:8: warning: auth = \"tls\" is never offered on a listener without TLS: set `tls`, `certificate` and `key`",
        "2:13: error: `auth_ntlm`: expected true or false, found \"true\" (true and false stand without quotes)",
    ]),
    ("listener", "auth_ntlm = true\nxclient_login = true", &[
        "1:13: warning: `auth_ntlm` is not used with auth = \"off\"",
        "2:17: warning: `xclient_login` is not used without peers in `xclient`",
    ]),
    ("listener", "proxy_protocol = [\"0.0.0.0/1\", \"128.0.0.0/1\"]\nxclient = [\"::/0\"]", &[
         "1:18: warning: `proxy_protocol`: this is every address: anybody can name any client address in a PROXY header",
        "2:11: warning: `xclient`: this is every address: anybody can name any client address with XCLIENT",
    ]),
    ("listener", "normalize_from = [\"10.0.0.5/8\", \"10.0.0/8\", \"10.0.0.0/40\"]", &[
        "1:19: warning: `normalize_from`: \"10.0.0.5/8\" has bits behind its prefix; it is taken as 10.0.0.0/8",
        "1:33: error: `normalize_from`: expected an address or a network such as \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\", found \"10.0.0/8\"",
        "1:45: error: `normalize_from`: the prefix length of 10.0.0.0 goes from 0 to 32, found \"10.0.0.0/40\"",
    ]),
    ("listener", "hide = [\"DNS\", \"AUTH=NTML\", \"ETRN\", \"a b\", \"FOO\"]", &[
        "1:9: warning: `hide`: \"DNS\" is no known EHLO keyword; did you mean DSN?",
        "1:16: warning: `hide`: \"NTML\" is no known mechanism; did you mean NTLM?",
        "1:29: warning: `hide`: ETRN is never offered anyway",
        "1:37: error: `hide`: expected EHLO keywords such as \"DSN\" or \"AUTH=NTLM\", found \"a b\"",
        "1:44: warning: `hide`: \"FOO\" is no known EHLO keyword",
    ]),
    ("listener", "max_recipients = 10\nmax_errors = 0", &[
        "1:18: warning: `max_recipients`: a server has to take 100 recipients at least (RFC 5321 section 4.5.3.1.8)",
        "2:14: error: `max_errors`: expected a whole number from 1 to 1000000, found the number 0",
    ]),
    ("listener", "greeting = \"hi\\r\\n250 x\"", &[
        "1:12: error: `greeting`: only printable ASCII can stand in a greeting, found \"\\r\"",
    ]),
    ("listener", "pins = []", &[
        "1:1: error: `pins` does not belong in [[listener]] but in [[downstream]]",
    ]),
    ("listener", "max_message_size = \"1M\"", &[
        "1:1: error: `max_message_size` does not belong in [[listener]] but at the top of the file, above every [table]",
    ]),
    ("downstream", "tls = \"pinned\"", &[
        "1:7: error: tls = \"pinned\" also needs `pins` = [\"sha256:…\"], the SHA-256 of the downstream's public key",
    ]),
    ("downstream", "tls = \"pinned\"\npins = [\"sha256:00\", \"abc\"]", &[
        "2:9: error: `pins`: expected \"sha256:\" and 64 hexadecimal digits, found \"sha256:00\"",
        "2:22: error: `pins`: expected \"sha256:\" and 64 hexadecimal digits, found \"abc\"",
    ]),
    ("downstream", "pins = [\"sha256:00000000000000000000000000000000000000000000000000000000000000ff\"]", &[
        "1:8: warning: `pins` are not used with tls = \"opportunistic\"; did you mean tls = \"pinned\"?",
    ]),
    ("downstream", "identity = \"proxy\"\nreuse = true", &[
        "2:9: warning: reuse = true is not used with identity = \"proxy\": each client gets its own connection",
    ]),
    ("downstream", "ca = \"x\"\nserver_name = \"a b\"\nehlo_name = \"mx\"", &[
        "1:6: warning: `ca`: the certificate is verified only with tls = \"required\"",
        "2:15: error: `server_name`: not a host name (a character that is not a letter, digit, hyphen or underscore); expected one such as \"mail.example.net\", found \"a b\"",
        "3:13: warning: `ehlo_name`: \"mx\" is no fully qualified name; many servers refuse it in EHLO",
    ]),
    ("relay", "from = [\"10.0.0.0/8\", \"0.0.0.0/0\"]", &[
        "1:23: error: `from`: this is every address, so anybody could send mail anywhere through this gateway: it would be an open relay; list only your own networks",
    ]),
    ("relay", "recipients = { \"example.net\" = [\"a b\", \"x@example.org\", 3], \"example.org\" = [], \".x.net\" = [], \"example.com\" = \"@lists/none.list\", \"b.net\" = 5 }", &[
        "1:33: error: `recipients`: expected a local part such as \"info\" or an address such as \"info@example.net\", found \"a b\"",
        "1:40: error: `recipients`: an address in example.org among the recipients of example.net, found \"x@example.org\"",
        "1:57: error: `recipients`: expected a text in quotes, found the number 3",
        "1:61: warning: `recipients`: example.org is not in relay.domains, so its recipients are refused all the same",
        "1:77: warning: `recipients`: the list is empty, so all mail for example.org is refused",
        "1:81: error: `recipients`: each domain is listed by its own name, found \".x.net\"",
        "1:96: warning: `recipients`: example.com is not in relay.domains, so its recipients are refused all the same",
        "1:112: error: `recipients`: the list \"lists/none.list\" cannot be read: no such file",
        "1:132: warning: `recipients`: b.net is not in relay.domains, so its recipients are refused all the same",
        "1:142: error: `recipients`: expected a list of recipients or \"@lists/file.list\", found the number 5",
    ]),
    ("relay", "recipients = [\"a\"]", &[
        "1:14: error: `recipients`: expected a table from domain to recipients, found a list; for example: recipients = { \"example.net\" = [\"info\"] }",
    ]),
];

/// A text of the minimal file, what stands there instead, and what is told.
#[rustfmt::skip]
const WHOLE: &[Row] = &[
    ("[\"example.net\"]", "[\"*.example.net\", \"a@example.net\", \"ok.example\", \"OK.example\", \"a b\"]", &[
        "gateway.toml:12:12: error: `domains`: no wildcards here: write \".example.net\" for every name below it, \"example.net\" for the name itself, found \"*.example.net\"",
        "gateway.toml:12:29: error: `domains`: expected a domain, found a mail address: write \"example.net\", found \"a@example.net\"",
        "gateway.toml:12:60: warning: `domains`: \"OK.example\" is listed twice",
        "gateway.toml:12:74: error: `domains`: not a domain name (a character that is not a letter, digit, hyphen or underscore); expected one such as \"example.net\", or \".example.net\" for every name below it, found \"a b\"",
    ]),
    ("domains = [\"example.net\"]", "", &[
        "gateway.toml:11:1: warning: relay.domains is empty: every recipient is refused; for example: domains = [\"example.net\"]",
    ]),
    ("[relay]\ndomains = [\"example.net\"]\n", "", &[
        "gateway.toml:3:1: warning: relay.domains is empty: every recipient is refused; for example: domains = [\"example.net\"]",
    ]),
    ("[relay]", "[[relay]]", &[
        "gateway.toml:11:1: error: there is one `relay`, written with one bracket: [relay]",
    ]),
    ("[[listener]]", "[listener]", &[
        "gateway.toml:3:1: error: `listener` is written with two brackets: [[listener]]",
    ]),
    ("[[listener]]", "[[listner]]", &[
        "gateway.toml:1:1: error: at least one [[listener]] is needed, with name, address, direction and downstream",
        "gateway.toml:3:3: error: unknown table [listner]; did you mean [[listener]]?",
    ]),
    ("\"inbound\"", "\"outbound\"", &[
    ]),
    ("\"inbound\"\ndownstream = \"mail\"", "\"outbound\"\ndownstream = \"provider\"", &[
        "gateway.toml:7:14: error: `downstream`: no [[downstream]] is named \"provider\"; there is \"mail\"",
    ]),
    ("domains = [\"example.net\"]", "from = [\"0.0.0.0/1\", \"128.0.0.0/1\"]", &[
        "gateway.toml:11:1: warning: relay.domains is empty: every recipient is refused except from the clients in relay.from; for example: domains = [\"example.net\"]",
        "gateway.toml:12:8: error: `from`: this is every address, so anybody could send mail anywhere through this gateway: it would be an open relay; list only your own networks",
    ]),
    ("127.0.0.1:25", "127.0.0.1", &[
        "gateway.toml:5:11: error: `address`: the port is missing: write \"127.0.0.1:25\"",
    ]),
    ("127.0.0.1:25", "[::]", &[
        "gateway.toml:5:11: error: `address`: the port is missing: write \"[::]:25\"",
    ]),
    ("127.0.0.1:25", "*:25", &[
        "gateway.toml:5:11: error: `address`: expected an IP address and a port such as \"0.0.0.0:25\" or \"[::]:25\", found \"*:25\"",
    ]),
    ("\"127.0.0.1:25\"\n", "\"0.0.0.0:25\"\nauth = \"plaintext\"\n", &[
        "gateway.toml:6:8: warning: auth = \"plaintext\" lets passwords cross the network unencrypted; \"tls\" offers AUTH only after STARTTLS",
    ]),
    ("direction = \"inbound\"", "tls = \"startls\"\ncertificate = \"c\"\nkey = \"k\"\nauth = \"tls\"", &[
        "gateway.toml:3:1: error: `direction` is missing in [[listener]]; for example: direction = \"inbound\"",
        "gateway.toml:6:7: error: `tls`: expected \"off\", \"starttls\" or \"implicit\", found \"startls\"; did you mean \"starttls\"?",
    ]),
    ("10.0.0.5", "127.0.0.1", &[
        "gateway.toml:10:14: error: `addresses`: 127.0.0.1:25 is our own [[listener]] in line 5: mail would go in circles",
    ]),
    ("mx.example.net", "mx example.net", &[
        "gateway.toml:1:12: error: `hostname`: not a host name (a character that is not a letter, digit, hyphen or underscore); expected one such as \"mx.example.net\", found \"mx example.net\"",
    ]),
    ("mx.example.net", "localhost", &[
        "gateway.toml:1:12: warning: `hostname`: \"localhost\" is no fully qualified name; many servers refuse it in EHLO",
    ]),
    ("hostname", "hostnmae", &[
        "gateway.toml:1:1: error: `hostname` is missing at the top of the file; for example: hostname = \"mx.example.net\"",
        "gateway.toml:1:1: error: unknown key `hostnmae` at the top of the file; did you mean `hostname`?",
    ]),
    ("\"/var/lib/portcullis\"", "5", &[
        "gateway.toml:2:13: error: `state_dir`: expected a path in quotes, found the number 5",
    ]),
    ("hostname = ", "\u{feff}hostname = ", &[
    ]),
];

#[rustfmt::skip]
const SYNTAX: &[(&str, &[&str])] = &[
    ("", &[
        "gateway.toml:1:1: error: `hostname` is missing at the top of the file; for example: hostname = \"mx.example.net\"",
        "gateway.toml:1:1: error: `state_dir` is missing at the top of the file; for example: state_dir = \"/var/lib/portcullis\"",
        "gateway.toml:1:1: error: at least one [[listener]] is needed, with name, address, direction and downstream",
        "gateway.toml:1:1: error: at least one [[downstream]] is needed, with name and addresses",
    ]),
    ("listener = []\ndownstream = 1", &[
        "gateway.toml:1:1: error: `hostname` is missing at the top of the file; for example: hostname = \"mx.example.net\"",
        "gateway.toml:1:1: error: `state_dir` is missing at the top of the file; for example: state_dir = \"/var/lib/portcullis\"",
        "gateway.toml:1:1: error: at least one [[listener]] is needed, with name, address, direction and downstream",
        "gateway.toml:2:14: error: `downstream` is a table: its keys stand in lines of their own below [[downstream]]",
    ]),
    ("hostname = mx.example.net\nstate_dir = \"a\nmax_message_size = 50M", &[
        "gateway.toml:1:12: error: texts, sizes and durations stand in quotes: \"mx.example.net\"",
        "gateway.toml:2:15: error: the text is not closed: a \" is missing at its end",
        "gateway.toml:3:20: error: texts, sizes and durations stand in quotes: \"50M\"",
    ]),
    ("a = 1\na = 2", &[
        "gateway.toml:2:1: error: `a` is given twice",
    ]),
    ("[[listener]]\n[listener]", &[
        "gateway.toml:2:2: error: `listener` is written in two ways: begin each one with [[listener]]",
    ]),
    ("[relay]\n[relay]", &[
        "gateway.toml:2:2: error: `relay` is given twice",
    ]),
    ("[relay\ndomains = []", &[
        "gateway.toml:1:7: error: the closing ] of the table's name is missing",
    ]),
    ("[[relay]\ndomains = []", &[
        "gateway.toml:1:9: error: the closing ]] of the table's name is missing",
    ]),
    ("[relay]\ndomains = [\"a\"\nfrom = [\"b\"]\n[log]", &[
        "gateway.toml:3:1: error: a comma between two items is missing, or the closing ] of the list",
    ]),
    ("domains = [\"a\" \"b\"]", &[
        "gateway.toml:1:16: error: a comma between two items is missing, or the closing ] of the list",
    ]),
    ("hostname: mx", &[
        "gateway.toml:1:9: error: expected a key, `=` and a value, as in: hostname = \"mx.example.net\"; found \":\"",
    ]),
    ("hostname", &[
        "gateway.toml:1:9: error: expected `=` and a value behind this key",
    ]),
    ("hostname =", &[
        "gateway.toml:1:11: error: the value behind the = is missing",
    ]),
    ("a = 'b", &[
        "gateway.toml:1:7: error: the text is not closed: a ' is missing at its end",
    ]),
    ("a = \"\\d\"", &[
        "gateway.toml:1:7: error: a backslash in \"…\" begins an escape: write \\\\ for a backslash, or put the text in '…'",
    ]),
    ("a = True", &[
        "gateway.toml:1:5: error: write true in small letters",
    ]),
    ("a = yes", &[
        "gateway.toml:1:5: error: expected a value, found yes: write true, or \"yes\" for a word",
    ]),
    ("a = “b”", &[
        "gateway.toml:1:5: error: these are typographic quotes: write plain ones, \"…\"",
    ]),
    ("a = \"b\" c = 1", &[
        "gateway.toml:1:9: error: expected the end of the line here: one key a line",
    ]),
    ("a = { b = 1", &[
        "gateway.toml:1:12: error: the closing } of the table is missing",
    ]),
    ("a = 1__0", &[
        "gateway.toml:1:6: error: not valid TOML: `_` may only go between digits, found \"_\"",
    ]),
];
