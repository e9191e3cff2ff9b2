//! What is said of each mistake in `limits.toml` and `protocol.toml`, and where.

use super::several::read;

#[test]
fn mistakes_are_told_where_they_stand() {
    let mut bad = Vec::new();
    for (file, text, want) in TABLE {
        let lists = [("lists/blocks.list", "192.0.2.1\n"), ("lists/partners.list", "198.51.100.0/24\n")];
        let mut all = vec![(*file, *text)];
        all.extend(lists);
        // What uses no list is not about lists.
        let told: Vec<String> =
            read(&all).1.into_iter().filter(|told| !told.contains("nothing uses this list")).collect();
        if told != *want {
            bad.push((file, text, told));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// A file, its text, and what is told.
type Row = (&'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("limits.toml", "per_ip = 3", &[
        "limits.toml:1:1: error: `per_ip` does not belong at the top of the file but in [connections]",
    ]),
    ("limits.toml", "max_connections = 3", &[
        "limits.toml:1:1: error: `max_connections` belongs to gateway.toml, at the top of the file or in [[listener]] or in [[downstream]]",
    ]),
    ("limits.toml", "[connections]\nper_ipp = 3", &[
        "limits.toml:2:1: error: unknown key `per_ipp` in [connections]; did you mean `per_ip`?",
    ]),
    ("limits.toml", "[connection]\nper_ip = 3", &[
        "limits.toml:1:2: error: unknown table [connection]; did you mean [connections]?",
    ]),
    ("limits.toml", "[hello]\nsyntax = \"on\"", &[
        "limits.toml:1:2: error: [hello] belongs to protocol.toml",
    ]),
    ("limits.toml", "[helo]\nsyntax = \"on\"", &[
        "limits.toml:1:2: error: unknown table [helo]; did you mean [hello], which belongs to protocol.toml?",
    ]),
    ("limits.toml", "[[connections]]", &[
        "limits.toml:1:1: error: there is one `connections`, written with one bracket: [connections]",
    ]),
    ("limits.toml", "[throttle]\nname = \"a\"", &[
        "limits.toml:1:1: error: `throttle` is written with two brackets: [[throttle]]",
        "limits.toml:1:1: error: `by` is missing in [[throttle]]; for example: by = \"user\"",
        "limits.toml:1:1: error: this [[throttle]] limits nothing: give `messages`, `recipients`, `bytes` or `bounces`, for example messages = \"500/1h\"",
    ]),
    ("protocol.toml", "per_ip = 3", &[
        "protocol.toml:1:1: error: `per_ip` belongs to limits.toml, in [connections]",
    ]),
    ("protocol.toml", "hostname = \"a\"", &[
        "protocol.toml:1:1: error: `hostname` belongs to gateway.toml, at the top of the file, above every [table]",
    ]),
    ("protocol.toml", "greylist = { mode = \"on\" }", &[
        "protocol.toml:1:1: error: [greylist] belongs to limits.toml",
    ]),
    ("protocol.toml", "[[listener]]\nname = \"b\"", &[
        "protocol.toml:1:3: error: [[listener]] belongs to gateway.toml",
    ]),
    ("protocol.toml", "mode = \"on\"", &[
        "protocol.toml:1:1: error: `mode` does not belong at the top of the file but in [reputation] or in [[rule]]",
    ]),
    ("limits.toml", "[connections]\nmode = \"yes\"\nper_ip = 0\nprefix_v4 = 33\nprefix_v6 = 8", &[
        "limits.toml:2:8: error: `mode`: expected \"on\", \"log\" or \"off\", found \"yes\"",
        "limits.toml:3:10: error: `per_ip`: expected a whole number from 1 to 1000000, found the number 0",
        "limits.toml:4:13: error: `prefix_v4`: expected a whole number from 8 to 32, found the number 33",
        "limits.toml:5:13: error: `prefix_v6`: expected a whole number from 16 to 128, found the number 8",
    ]),
    ("limits.toml", "[connections]\nmode = true\nper_prefix = 10", &[
        "limits.toml:2:8: error: `mode`: expected \"on\", \"log\" or \"off\", found true",
        "limits.toml:3:14: warning: `per_prefix` is less than `per_ip`, so no address ever has `per_ip` connections",
    ]),
    ("limits.toml", "[rates]\nmessages = \"100\"\nrecipients = 5\nerrors = \"0/1m\"\nconnections = \"1/1y\"\nauth_failures = \"1/40d\"", &[
        "limits.toml:2:12: error: `messages`: expected a rate such as \"30/1m\", or \"off\" for no limit, found \"100\"",
        "limits.toml:3:14: error: `recipients`: expected a rate such as \"30/1m\", or \"off\", found the number 5",
        "limits.toml:4:10: error: `errors`: a limit of 0 would refuse everything: write \"off\" for no limit, found \"0/1m\"",
        "limits.toml:5:15: error: `connections`: expected a duration behind the /, as in \"30/1m\", found \"1/1y\"",
        "limits.toml:6:17: error: `auth_failures`: the period of a rate goes from \"1s\" to \"31d\", found \"1/40d\"",
    ]),
    ("limits.toml", "[greeting]\ndelay = \"31s\"\nearly_talk = \"of\"", &[
        "limits.toml:2:9: warning: `delay`: many mail servers wait no longer than 30 seconds for a greeting and give up",
        "limits.toml:3:14: error: `early_talk`: expected \"on\", \"log\" or \"off\", found \"of\"; did you mean \"on\"?",
    ]),
    ("limits.toml", "[greeting]\ndelay = 2", &[
        "limits.toml:2:9: error: `delay`: the unit is missing: write \"2s\" for seconds or \"2m\" for minutes",
    ]),
    ("limits.toml", "[tarpit]\nstep = \"20s\"", &[
        "limits.toml:2:8: warning: `most` is less than `step`, so the first slow answer is the slowest",
    ]),
    ("limits.toml", "[tarpit]\nmost = \"2m\"", &[
        "limits.toml:2:8: warning: `most`: each slow answer holds one of our own connections; more than a minute helps the attacker",
    ]),
    ("limits.toml", "[bans]\ngrow = 11\nmost = \"1m\"\nwindow = \"0s\"", &[
        "limits.toml:2:8: error: `grow`: expected a decimal number from 1 to 10, found the number 11",
        "limits.toml:3:8: warning: `most` is less than `time`, so every ban lasts `most`",
        "limits.toml:4:10: error: `window`: zero would mean that nothing is ever waited for",
    ]),
    ("limits.toml", "[bans]\ngrow = 1.2345", &[
        "limits.toml:2:8: error: `grow`: expected a decimal number from 1 to 10, found the number 1.2345 (at most three places)",
    ]),
    ("limits.toml", "[bans]\ngrow = \"2\"\n[ban_points]\nvirus = -1", &[
        "limits.toml:2:8: error: `grow`: expected a decimal number from 1 to 10, found \"2\" (numbers stand without quotes)",
        "limits.toml:4:9: error: `virus`: expected a whole number from 0 to 1000000, found the number -1",
    ]),
    ("limits.toml", "[greylist]\nonly = \"some\"\ndelay = \"6h\"", &[
        "limits.toml:2:8: error: `only`: expected \"suspicious\" or \"all\", found \"some\"",
        "limits.toml:3:9: error: `window` must be longer than `delay`: a retry that comes in time would always be too late",
    ]),
    ("limits.toml", "[greylist]\nlifetime = \"1h\"\nentries = 5", &[
        "limits.toml:2:12: warning: `lifetime` is less than `window`, so whoever passed is soon forgotten",
        "limits.toml:3:11: error: `entries`: expected a whole number from 1000 to 10000000, found the number 5",
    ]),
    ("limits.toml", "[[throttle]]\nname = \"a\"\nby = \"user\"\nmessages = \"1/1m\"\n[[throttle]]\nname = \"a\"\nby = \"users\"", &[
        "limits.toml:5:1: error: this [[throttle]] limits nothing: give `messages`, `recipients`, `bytes` or `bounces`, for example messages = \"500/1h\"",
        "limits.toml:6:8: error: `name`: \"a\" is already the name of the [[throttle]] in line 2",
        "limits.toml:7:6: error: `by`: expected \"user\", \"sender\", \"sender_domain\", \"recipient\", \"recipient_domain\" or \"client\", found \"users\"; did you mean \"user\"?",
    ]),
    ("limits.toml", "[[throttle]]\nname = \"a b\"\nby = \"user\"", &[
        "limits.toml:1:1: error: this [[throttle]] limits nothing: give `messages`, `recipients`, `bytes` or `bounces`, for example messages = \"500/1h\"",
        "limits.toml:2:8: error: `name`: expected up to 64 letters, digits, `-`, `_` and `.`, found \"a b\"",
    ]),
    ("limits.toml", "[[throttle]]\nname = \"a\"\nby = \"sender\"\nnull_sender = true\nbytes = \"1/1m\"\nexcept = []", &[
        "limits.toml:4:15: error: `null_sender`: messages from <> have no sender to be counted by: write by = \"client\" or by = \"recipient\", or limit `bounces`",
        "limits.toml:6:10: error: `except`: an empty list matches nothing: take the line out",
    ]),
    ("limits.toml", "[[throttle]]\nname = \"a\"\nby = \"client\"\nbounces = \"1/1m\"\nexcept = [\"@partner\", \"a b\", 3]", &[
        "limits.toml:4:11: error: `bounces` are counted by = \"user\", \"sender\" or \"sender_domain\", whose mail came back; for others write null_sender = true and limit `messages`",
        "limits.toml:5:11: error: `except`: no list is named \"partner\"; did you mean \"@partners\"?",
        "limits.toml:5:23: error: `except`: expected an address or a network such as \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\"",
        "limits.toml:5:30: error: `except`: expected a text in quotes, found the number 3",
    ]),
    ("limits.toml", "[[throttle]]\nname = \"a\"\nby = \"user\"\nmessages = \"1/1m\"\nbytes = \"1GB/1h\"\nrecipients = \"off\"", &[
        "limits.toml:5:9: error: `bytes`: sizes are written without a space and with one letter, such as \"1G\", found \"1GB/1h\"",
    ]),
    ("protocol.toml", "answer_at = \"helo\"\nexempt_recipients = [\"postmaster@example.net\", \"\"]", &[
        "protocol.toml:1:13: error: `answer_at`: expected \"connect\", \"mail\", \"rcpt\" or \"data\", found \"helo\"",
        "protocol.toml:2:22: error: `exempt_recipients`: expected local parts such as \"postmaster\" (of every domain of ours), found \"postmaster@example.net\"",
        "protocol.toml:2:48: error: `exempt_recipients`: expected local parts such as \"postmaster\" (of every domain of ours), found \"\"",
    ]),
    ("protocol.toml", "exempt_recipients = \"postmaster\"", &[
        "protocol.toml:1:21: error: `exempt_recipients`: expected a list of local parts, found \"postmaster\" (lists stand in square brackets: [\"…\", \"…\"])",
    ]),
    ("protocol.toml", "[syntax]\nmissing_helo = \"on\"\nunknown_command = \"lgo\"", &[
        "protocol.toml:2:1: error: unknown key `missing_helo` in [syntax]; did you mean `missing_hello`?",
        "protocol.toml:3:19: error: `unknown_command`: expected \"on\", \"log\" or \"off\", found \"lgo\"; did you mean \"log\"?",
    ]),
    ("protocol.toml", "[sender]\nnull_recipients = 0", &[
        "protocol.toml:2:19: error: `null_recipients`: expected a whole number from 1 to 1000000, found the number 0",
    ]),
    ("protocol.toml", "[reputation]\nreject = 0\ntempfail = 1\ndeadline = \"0s\"", &[
        "protocol.toml:2:10: error: `reject`: expected a decimal number from 0.001 to 1000, found the number 0",
        "protocol.toml:3:12: warning: `tempfail` is not below `reject`, so nobody is ever put off",
        "protocol.toml:4:12: error: `deadline`: zero would mean that nothing is ever waited for",
    ]),
    ("protocol.toml", "[reputation]\nreject = \"1.0\"\n", &[
        "protocol.toml:2:10: error: `reject`: expected a decimal number from 0.001 to 1000, found \"1.0\" (numbers stand without quotes)",
    ]),
    ("protocol.toml", "[[dnsbl]]\nzone = \"zen\"\nweight = 0\nanswers = [\"10.0.0.1\", \"127.0.0.9-127.0.0.2\", \"x\", \"127.0.0.2\"]", &[
        "protocol.toml:2:8: error: `zone`: expected the zone of a list such as \"zen.spamhaus.org\", found \"zen\"",
        "protocol.toml:3:10: warning: `weight`: a list of weight 0 is asked and never counts",
        "protocol.toml:4:12: error: `answers`: lists answer with addresses in 127.0.0.0/8 (RFC 5782), found \"10.0.0.1\"",
        "protocol.toml:4:24: error: `answers`: the range ends before it begins: write \"127.0.0.2-127.0.0.9\", found \"127.0.0.9-127.0.0.2\"",
        "protocol.toml:4:47: error: `answers`: expected an address or a range such as \"127.0.0.2-127.0.0.11\", found \"x\"",
    ]),
    ("protocol.toml", "[[dnsbl]]\nweight = 1.0\n[[dnsbl]]\nzone = \"a.example\"\n[[dnsbl]]\nzone = \"A.example.\"", &[
        "protocol.toml:1:1: error: `zone` is missing in [[dnsbl]]; for example: zone = \"zen.spamhaus.org\"",
        "protocol.toml:5:1: error: `zone`: a.example is already asked by the [[dnsbl]] in line 3",
    ]),
    ("protocol.toml", "[access]\nblock = [\"block\", \"@blocks\", \"lists/blocks.list\", \"partners\", \"partners\"]\nallow = [\"partners\", \"zzz\"]", &[
        "protocol.toml:2:10: error: `block`: there is no list lists/block.list; did you mean \"blocks\"?",
        "protocol.toml:2:19: error: `block`: lists are named alone here: write \"blocks\", found \"@blocks\"",
        "protocol.toml:2:30: error: `block`: lists are named alone here: write \"blocks\", found \"lists/blocks.list\"",
        "protocol.toml:2:63: warning: `block`: \"partners\" is listed twice",
        "protocol.toml:3:10: error: `allow`: \"partners\" is a block list as well",
        "protocol.toml:3:22: error: `allow`: there is no list lists/zzz.list",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\n[[rule]]\nid = \"a\"\naction = \"accept\"\nclient = \"192.0.2.2\"", &[
        "protocol.toml:6:6: error: `id`: \"a\" is already the id of the [[rule]] in line 2",
    ]),
    ("protocol.toml", "[[rule]]\naction = \"reject\"", &[
        "protocol.toml:1:1: error: `id` is missing in [[rule]]; for example: id = \"no-dsl\"",
        "protocol.toml:1:1: warning: this [[rule]] has no condition, so it is for everybody",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"refuse\"\nclient = \"192.0.2.1\"", &[
        "protocol.toml:3:10: error: `action`: expected \"accept\", \"reject\", \"tempfail\", \"drop\", \"quarantine\", \"discard\", \"hide\" or \"continue\", found \"refuse\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"ä\"\naction = \"drop\"\nclient = \"192.0.2.1\"", &[
        "protocol.toml:2:6: error: `id`: expected up to 64 letters, digits, `-`, `_` and `.`, found \"ä\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\nsendr = \"a@b.example\"\nclient_ip = \"x\"\nzone = \"x\"", &[
        "protocol.toml:5:1: error: unknown key `sendr` in [[rule]]; did you mean `sender`?",
        "protocol.toml:6:1: error: unknown key `client_ip` in [[rule]]; did you mean `client`?",
        "protocol.toml:7:1: error: `zone` does not belong in [[rule]] but in [[dnsbl]]",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nanswer_at = \"connect\"\nsender = \"a@b.example\"", &[
        "protocol.toml:4:13: error: `answer_at`: `sender` is not known yet at \"connect\", the earliest is \"mail\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nanswer_at = \"connect\"\ntls = true", &[
        "protocol.toml:4:13: error: `answer_at`: `tls` is not known yet at \"connect\", the earliest is \"mail\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nanswer_at = \"connect\"\nauthenticated = true", &[
        "protocol.toml:4:13: error: `answer_at`: `authenticated` is not known yet at \"connect\", the earliest is \"mail\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nanswer_at = \"rcpt\"\nheader_from = \"a@b.example\"", &[
        "protocol.toml:4:13: error: `answer_at`: `header_from` is not known yet at \"rcpt\", the earliest is \"message\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nanswer_at = \"data\"\nrecipient = \"a@b.example\"", &[
        "protocol.toml:4:13: error: `answer_at`: a rule about `recipient` answers that recipient: \"rcpt\" is the latest, found \"data\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nrecipient = \"a@example.net\"\nheader_from = \"a@b.example\"", &[
        "protocol.toml:4:13: error: `recipient` and `header_from` are never known together: the message has all its recipients; write two rules",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"hide\"\nclient = \"192.0.2.1\"", &[
        "protocol.toml:3:10: error: action = \"hide\" also needs `hide`, for example hide = [\"CHUNKING\"]",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\nhide = [\"DSN\"]", &[
        "protocol.toml:5:8: error: `hide` is for rules with action = \"hide\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"hide\"\nhide = [\"SIZE\", \"DNS\", \"ETRN\", \"a b\"]\nsender = \"a@b.example\"\nanswer_at = \"mail\"", &[
        "protocol.toml:4:17: warning: `hide`: \"DNS\" is no known EHLO keyword; did you mean DSN?",
        "protocol.toml:4:24: warning: `hide`: ETRN is never offered anyway",
        "protocol.toml:4:32: error: `hide`: expected EHLO keywords such as \"DSN\" or \"AUTH=NTLM\", found \"a b\"",
        "protocol.toml:5:10: error: `sender` is not known yet when EHLO is answered, so it can hide nothing",
        "protocol.toml:6:13: error: `answer_at`: keywords are hidden in the answer to EHLO: take the line out",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ncode = 450", &[
        "protocol.toml:5:8: error: `code`: reject is a permanent refusal: a code from 500 to 599, found 450",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"tempfail\"\nclient = \"192.0.2.1\"\ncode = 550", &[
        "protocol.toml:5:8: error: `code`: tempfail is a temporary refusal: a code from 400 to 499, found 550",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"tempfail\"\nclient = \"192.0.2.1\"\ncode = 421", &[
        "protocol.toml:5:8: error: `code`: this code says that the connection is closed: write 450, or action = \"drop\", found 421",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"drop\"\nclient = \"192.0.2.1\"\ncode = 450", &[
        "protocol.toml:5:8: error: `code`: drop ends the session: 421, or a code from 500 to 599, found 450",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"accept\"\nclient = \"192.0.2.1\"\ncode = 550\ntext = \"x\"", &[
        "protocol.toml:5:8: error: `code`: a rule with this action gives no reply",
        "protocol.toml:6:8: error: `text`: a rule with this action gives no reply",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ncode = 250", &[
        "protocol.toml:5:8: error: `code`: expected a whole number from 400 to 599, found the number 250",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ntext = \"nö\"", &[
        "protocol.toml:5:8: error: `text`: only printable ASCII can stand in a reply, found \"ö\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ntext = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"", &[
        "protocol.toml:5:8: error: `text`: 401 characters, at most 400 fit a reply line (RFC 5321 section 4.5.3.1.5)",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ntext = \"550 5.7.1 no\"", &[
        "protocol.toml:5:8: error: `text`: code and enhanced code are put before the text: write the words alone, and `code` for another code",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ntext = \"\"", &[
        "protocol.toml:5:8: error: `text`: it is empty: write a value, or take the line out",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ndelay = \"2m\"\npoints = -1\non_unknown = \"accept\"", &[
        "protocol.toml:5:9: error: `delay`: at most \"60s\": each client that waits holds a connection",
        "protocol.toml:6:10: error: `points`: expected a whole number from 0 to 1000000, found the number -1",
        "protocol.toml:7:14: error: `on_unknown`: expected \"tempfail\" or \"pass\", found \"accept\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ncountry = \"DE\"", &[
        "protocol.toml:5:11: error: `country`: the country of a client is known only with a database: set `database` in [country]",
    ]),
    ("protocol.toml", "[country]\ndatabase = \"a.mmdb\"\n[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\ncountry = [\"D\", \"GER\"]", &[
        "protocol.toml:7:12: error: `country`: expected the two letters of a country such as \"DE\" (ISO 3166), found \"D\"",
        "protocol.toml:7:17: error: `country`: expected the two letters of a country such as \"DE\" (ISO 3166), found \"GER\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\nlisted_from = 0.5", &[
        "protocol.toml:5:15: error: `listed_from`: there is no [[dnsbl]], so nobody is ever listed",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\nlistener = [\"In\", \"out\"]\ndirection = \"both\"", &[
        "protocol.toml:5:13: error: `listener`: no [[listener]] of gateway.toml is named \"In\"; did you mean \"in\"?",
        "protocol.toml:5:19: error: `listener`: no [[listener]] of gateway.toml is named \"out\"; there is \"in\"",
        "protocol.toml:6:13: error: `direction`: expected \"inbound\" or \"outbound\", found \"both\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = [\"192.0.2.1\", \"192.0.2.300\", \"@partner\", \"@nowhere-at-all\", \"192.0.2.9/24\"]\n", &[
        "protocol.toml:4:24: error: `client`: expected an address or a network such as \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\"",
        "protocol.toml:4:39: error: `client`: no list is named \"partner\"; did you mean \"@partners\"?",
        "protocol.toml:4:51: error: `client`: no list is named \"nowhere-at-all\"; there is @blocks, @partners; or make the file lists/nowhere-at-all.list",
        "protocol.toml:4:70: warning: `client`: host bits are set; this is 192.0.2.0/24: write \"192.0.2.0/24\"",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\nsender = \"/(/\"\nsize_over = \"1MB\"\nhello = \"\"", &[
        "protocol.toml:5:10: error: `sender`: not a regular expression: unclosed group",
        "protocol.toml:6:13: error: `size_over`: sizes are written without a space and with one letter, such as \"1M\", found \"1MB\"",
        "protocol.toml:7:9: error: `hello`: expected a host name, \".example.net\" for every name below it, a pattern with * or ?, or a /regex/",
    ]),
    ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = \"192.0.2.1\"\nuser = []\nhas_reverse_name = \"true\"", &[
        "protocol.toml:5:8: error: `user`: an empty list matches nothing: take the line out",
        "protocol.toml:6:20: error: `has_reverse_name`: expected true or false, found \"true\" (true and false stand without quotes)",
    ]),
    ("protocol.toml", "[[expect]]\nresult = \"pas\"", &[
        "protocol.toml:1:1: error: `client` is missing in [[expect]]; for example: client = \"203.0.113.7\"",
        "protocol.toml:2:10: error: `result`: expected \"pass\", \"quarantine\", \"discard\", \"reject\", \"tempfail\" or \"drop\", found \"pas\"; did you mean \"pass\"?",
    ]),
    ("protocol.toml", "[[expect]]\nclient = \"192.0.2.0/24\"\nresult = \"pass\"\nlistener = \"inn\"", &[
        "protocol.toml:2:10: error: `client`: expected one address such as \"203.0.113.7\", found \"192.0.2.0/24\"",
        "protocol.toml:4:12: error: `listener`: no [[listener]] of gateway.toml is named \"inn\"; did you mean \"in\"?",
    ]),
    ("protocol.toml", "[[expect]]\nclient = \"192.0.2.1\"\nresult = \"pass\"\nsender = \"a b\"\nrecipient = \"<>\"\nheader_from = \"Anna <a@b.example>\"\ncountry = \"Germany\"\nsize = \"x\"\nlisted = \"1\"", &[
        "protocol.toml:4:10: error: `sender`: expected an address such as \"anna@example.com\", or \"<>\" for the null sender, found \"a b\"",
        "protocol.toml:5:13: error: `recipient`: the null path is nobody's address",
        "protocol.toml:6:15: error: `header_from`: expected an address such as \"anna@example.com\" without a name, found \"Anna <a@b.example>\"",
        "protocol.toml:7:11: error: `country`: expected the two letters of a country such as \"DE\" (ISO 3166), found \"Germany\"",
        "protocol.toml:8:8: error: `size`: expected a size such as \"50M\" (K, M, G; 1K = 1024 octets) or a number of octets, found \"x\"",
        "protocol.toml:9:10: error: `listed`: expected a decimal number from -1000 to 1000, found \"1\" (numbers stand without quotes)",
    ]),
    ("protocol.toml", "[[expect]]\nclient = \"192.0.2.1\"\nresult = \"pass\"\nrecipient = \"<a@b.example> x\"", &[
        "protocol.toml:4:13: error: `recipient`: expected an address such as \"anna@example.com\", found \"<a@b.example> x\"",
    ]),
    ("protocol.toml", "[[rule]\nid = \"a\"", &[
        "protocol.toml:1:8: error: the closing ]] of the table's name is missing",
    ]),
    ("limits.toml", "connections: 3", &[
        "limits.toml:1:12: error: expected a key, `=` and a value, as in: mode = \"on\"; found \":\"",
    ]),
    ("protocol.toml", "[[rule]]\n[rule]\n", &[
        "protocol.toml:2:2: error: `rule` is written in two ways: begin each one with [[rule]]",
    ]),
];
