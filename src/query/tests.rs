//! Every form of a query, every mistake with its text, and the way back to text.

use super::*;
use crate::mail::Scramble;
use crate::verdict::Direction;
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// 2026-11-21, 10:00 UTC.
const NOW: i64 = 1_795_255_200_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2026-11-21, 00:00 UTC.
const TODAY: i64 = NOW - 10 * HOUR;

fn utc(text: &str) -> Result<Query, QueryError> {
    parse(text, NOW, &TimeZone::UTC)
}

fn whats(text: &str) -> Vec<What> {
    let query = utc(text).unwrap_or_else(|error| panic!("{error}"));
    assert!(query.terms.iter().all(|term| !term.not), "{text}");
    query.terms.into_iter().map(|term| term.what).collect()
}

fn what(text: &str) -> What {
    let mut all = whats(text);
    assert_eq!(all.len(), 1, "{text}: {all:?}");
    all.remove(0)
}

fn exact(text: &str) -> Text {
    Text::Exact(text.into())
}

fn glob(text: &str) -> Text {
    Text::Glob(text.into())
}

#[test]
fn fields_are_read() {
    let id = Scramble::new(1).id(5);
    let like = format!("like:{}", id.to_string().to_lowercase());
    for (text, want) in [
        ("id:7f3k", What::Id("7F3K".into())),
        ("ref:7F3KO", What::Reference("7F3K0".into())),
        ("folder:Virus", What::Folder("virus".into())),
        ("state:held", What::State(State::Held)),
        ("STATE:Trash", What::State(State::Trash)),
        ("subject:invoice", What::Subject("invoice".into())),
        ("subject:\"your invoice\"", What::Subject("your invoice".into())),
        ("subject:invoi*", What::Subject("invoi*".into())),
        ("client:192.0.2.7", What::Client("192.0.2.7/32".parse().unwrap())),
        ("ip:192.0.2.7/24", What::Client("192.0.2.0/24".parse().unwrap())),
        ("client:::ffff:192.0.2.7", What::Client("192.0.2.7/32".parse().unwrap())),
        ("client:[2001:db8::1]", What::Client("2001:db8::1/128".parse().unwrap())),
        ("helo:MX.example.com", What::Helo(exact("mx.example.com"))),
        ("helo:.example.com", What::Helo(Text::Below("example.com".into()))),
        ("helo:\"\"", What::Helo(Text::Empty)),
        ("user:bob", What::User(exact("bob"))),
        ("user:@example.com", What::User(Text::Domain("example.com".into()))),
        ("rule:a2*", What::Rule(glob("a2*"))),
        ("listener:in", What::Listener("in".into())),
        ("direction:in", What::Direction(Direction::Inbound)),
        ("direction:outbound", What::Direction(Direction::Outbound)),
        ("message-id:<1@Example.com>", What::MessageId(exact("1@example.com"))),
        ("message_id:1@example.com", What::MessageId(exact("1@example.com"))),
        ("digest:ABCDEF", What::Digest("abcdef".into())),
        ("tag:bulk", What::Tag("bulk".into())),
        (like.as_str(), What::Like(id)),
        ("size:>1M", What::Size(Comparison::More, 1 << 20)),
        ("size>=16k", What::Size(Comparison::AtLeast, 16 << 10)),
        ("size:100", What::Size(Comparison::Equal, 100)),
        ("size:=100", What::Size(Comparison::Equal, 100)),
        ("score:<-2.5", What::Score(Comparison::Less, -2500)),
        ("score<=5", What::Score(Comparison::AtMost, 5000)),
        ("invoice", What::Words("invoice".into())),
        ("\"your invoice\"", What::Words("your invoice".into())),
        ("\"a \\\"b\\\" \\x\"", What::Words("a \"b\" \\x".into())),
        ("12:30", What::Words("12:30".into())),
        ("bob@example.com", What::Words("bob@example.com".into())),
    ] {
        assert_eq!(what(text), want, "{text}");
    }
}

#[test]
fn addresses_are_read() {
    for (text, want) in [
        ("bob@example.com", exact("bob@example.com")),
        ("Bob@EXAMPLE.com", exact("bob@example.com")),
        ("<bob@example.com>", exact("bob@example.com")),
        ("bob@Bücher.example", exact("bob@xn--bcher-kva.example")),
        ("bob@[192.0.2.1]", exact("bob@[192.0.2.1]")),
        ("@example.com", Text::Domain("example.com".into())),
        ("example.com", Text::Domain("example.com".into())),
        ("Bücher.example", Text::Domain("xn--bcher-kva.example".into())),
        (".example.com", Text::Below("example.com".into())),
        (".com", Text::Below("com".into())),
        ("*@example.com", glob("*@example.com")),
        ("bob*", glob("bob*")),
        ("bob", glob("bob@*")),
        ("\"bob\"", exact("bob")),
        ("\"example.com\"", exact("example.com")),
        ("\"A b@example.com\"", exact("a b@example.com")),
        ("\"*a b*\"", glob("*a b*")),
        ("\"a\\*b@example.com\"", exact("a*b@example.com")),
        ("<>", Text::Empty),
        ("\"\"", Text::Empty),
    ] {
        assert_eq!(what(&format!("from:{text}")), What::From(want.clone()), "{text}");
        assert_eq!(what(&format!("header-from:{text}")), What::HeaderFrom(want.clone()), "{text}");
        assert_eq!(what(&format!("rcpt:{text}")), What::Rcpt(want.clone()), "{text}");
        assert_eq!(what(&format!("to:{text}")), What::Rcpt(want), "{text}");
    }
}

#[test]
fn terms_are_turned_round_and_joined() {
    assert!(utc("").unwrap().is_everything());
    assert!(utc(" \t ").unwrap().is_everything());
    let query = utc("folder:virus -from:bob@example.com  not invoice NOT state:held -\"a b\" x").unwrap();
    let nots: Vec<bool> = query.terms.iter().map(|term| term.not).collect();
    assert_eq!(nots, [false, true, true, true, true, false]);
    assert!(!query.is_everything());
}

#[test]
fn references_are_told_from_words() {
    let id = |text: &str| What::Id(text.into());
    let word = |text: &str| What::Words(text.into());
    for (text, want) in [
        ("7F3K9QAB", vec![id("7F3K9QAB")]),
        ("7f3k9qab 7F3K", vec![id("7F3K9QAB"), id("7F3K")]),
        ("YVTX QVTXVJKS", vec![id("YVTX"), id("QVTXVJKS")]),
        ("yvtx", vec![word("yvtx")]),
        ("FREE", vec![id("FREE")]),
        ("FREE MONEY", vec![word("FREE"), word("MONEY")]),
        ("\"FREE\"", vec![word("FREE")]),
        ("7F3K folder:virus", vec![id("7F3K"), What::Folder("virus".into())]),
        ("2026", vec![id("2026")]),
        ("\"2026\"", vec![word("2026")]),
        ("invoice 2026", vec![word("invoice"), word("2026")]),
        ("invoice id:2026", vec![word("invoice"), id("2026")]),
        ("\"your invoice\" 7F3K", vec![word("your invoice"), id("7F3K")]),
        // Letters are a reference in capitals only.
        ("BCDFGHJK", vec![id("BCDFGHJK")]),
        ("bcdfghjk", vec![word("bcdfghjk")]),
        ("password", vec![word("password")]),
        ("PASSWORD", vec![word("PASSWORD")]),
        ("BCDFGHJ", vec![id("BCDFGHJ")]),
        ("7F3", vec![word("7F3")]),
        ("7F3K9QAB7", vec![word("7F3K9QAB7")]),
        ("7F3U", vec![word("7F3U")]),
        ("7F3K*", vec![word("7F3K*")]),
    ] {
        assert_eq!(whats(text), want, "{text}");
    }
    assert_eq!(utc("7F3K9QAB 7F3K").unwrap().references(), Some(vec!["7F3K9QAB", "7F3K"]));
    assert_eq!(utc("7F3K9QAB folder:virus").unwrap().references(), None);
    assert_eq!(utc("-7F3K9QAB").unwrap().references(), None);
    assert_eq!(utc("").unwrap().references(), None);
}

#[test]
fn ages_are_read() {
    for (text, how, want) in [
        ("age:<2d", Comparison::Less, 2 * DAY),
        ("age>2w", Comparison::More, 14 * DAY),
        ("age:<=2d4h", Comparison::AtMost, 2 * DAY + 4 * HOUR),
        ("age:>=\"2d 4h\"", Comparison::AtLeast, 2 * DAY + 4 * HOUR),
        ("age:<2d 4h", Comparison::Less, 2 * DAY + 4 * HOUR),
        ("age:<2d 4h 5m 6s", Comparison::Less, 2 * DAY + 4 * HOUR + 306_000),
        ("age:>900d", Comparison::More, 900 * DAY),
    ] {
        assert_eq!(what(text), What::Age(how, want), "{text}");
    }
    // What goes on with no smaller unit is a term of its own.
    let all = whats("age:<4h 2d5 x");
    assert_eq!(all.len(), 3);
    let all = whats("age:<4h -folder:virus".strip_suffix(" -folder:virus").unwrap());
    assert_eq!(all, [What::Age(Comparison::Less, 4 * HOUR)]);
    assert_eq!(whats("age:<2d \"4h\"").len(), 2);
}

#[test]
fn dates_are_read_in_the_time_zone_of_the_reader() {
    let interval = |text: &str, zone: &TimeZone| match parse(text, NOW, zone).unwrap().terms.remove(0).what {
        What::Received { from_ms, until_ms } => (from_ms, until_ms),
        other => panic!("{other:?}"),
    };
    let east = TimeZone::fixed(jiff::tz::offset(2));
    for (text, zone, want) in [
        ("received:2026-11-21", &TimeZone::UTC, (TODAY, TODAY + DAY)),
        ("received:2026-11-21", &east, (TODAY - 2 * HOUR, TODAY + DAY - 2 * HOUR)),
        ("received:2026-11-21Z", &east, (TODAY, TODAY + DAY)),
        ("received:today", &TimeZone::UTC, (TODAY, TODAY + DAY)),
        ("received:yesterday", &TimeZone::UTC, (TODAY - DAY, TODAY)),
        ("received:2026-11", &TimeZone::UTC, (TODAY - 20 * DAY, TODAY + 10 * DAY)),
        ("received:>=2026", &TimeZone::UTC, (TODAY - (304 + 20) * DAY, i64::MAX)),
        ("received:2026-11-21T10", &TimeZone::UTC, (NOW, NOW + HOUR)),
        ("received:2026-11-21T10:00", &TimeZone::UTC, (NOW, NOW + 60_000)),
        ("received:\"2026-11-21 10:00:01\"", &TimeZone::UTC, (NOW + 1000, NOW + 2000)),
        ("received:2026-11-21t10:00:01.005z", &east, (NOW + 1005, NOW + 1006)),
        ("received:<2026-11-21", &TimeZone::UTC, (i64::MIN, TODAY)),
        ("received:<=2026-11-21", &TimeZone::UTC, (i64::MIN, TODAY + DAY)),
        ("received:>2026-11-21", &TimeZone::UTC, (TODAY + DAY, i64::MAX)),
        ("received>=2026-11-21", &TimeZone::UTC, (TODAY, i64::MAX)),
        ("received:2026-11-20..2026-11-21", &TimeZone::UTC, (TODAY - DAY, TODAY + DAY)),
        ("received:yesterday..today", &TimeZone::UTC, (TODAY - DAY, TODAY + DAY)),
    ] {
        assert_eq!(interval(text, zone), want, "{text}");
    }
    // The day on which the clocks go back has 25 hours.
    if let Ok(berlin) = TimeZone::get("Europe/Berlin") {
        let (from, until) = interval("received:2026-10-25", &berlin);
        assert_eq!(until - from, 25 * HOUR);
    }
}

/// Query, column, a part of what is said, the nearest word.
const MISTAKES: [(&str, usize, &str, Option<&str>); 62] = [
    ("form:bob", 1, "there is no field `form`", Some("from:")),
    ("folder:virus sbject:x", 14, "there is no field `sbject`", Some("subject:")),
    ("sender:bob", 1, "there is no field `sender`", Some("from:")),
    ("recieved:2026", 1, "there is no field `recieved`", Some("received:")),
    ("http://example.com", 1, "there is no field `http`; expected one of the fields, or quotes", None),
    ("-xyzzy:1", 2, "there is no field `xyzzy`", None),
    ("état folder:", 13, "`folder:` has no value; expected the name of a folder", None),
    ("folder: virus", 8, "`folder:` has no value", None),
    ("folder:\"\"", 8, "`folder:` has no value", None),
    ("folder:vi*", 8, "`folder:` takes no `*`", None),
    ("listener:*", 10, "`listener:` takes no `*`", None),
    ("tag:a*", 5, "`tag:` takes no `*`", None),
    ("state:hold", 7, "there is no state `hold`", Some("held")),
    (
        "state:relased",
        7,
        "there is no state `relased`; did you mean released?; expected one of kept",
        Some("released"),
    ),
    ("state:zzz", 7, "there is no state `zzz`; expected one of kept, held", None),
    ("direction:inbuond", 11, "there is no direction `inbuond`", Some("inbound")),
    ("id:7F3", 4, "`7F3` is no beginning of a reference", None),
    ("id:7F3K9QABC", 4, "is no beginning of a reference", None),
    (
        "ref:hullo",
        5,
        "`hullo` is no beginning of a reference; expected a reference of message or session",
        None,
    ),
    ("like:7F3K", 6, "`7F3K` is no reference", None),
    ("digest:abc", 8, "`abc` is no beginning of a digest; expected the beginning of a SHA-256", None),
    ("digest:wxyz", 8, "`wxyz` is no beginning of a digest", None),
    ("client:192.0.2", 8, "`192.0.2` is no address or network; expected an address or network", None),
    ("client:192.0.2.0/33", 8, "is no address or network", None),
    ("client:mx.example.com", 8, "is no address or network", None),
    ("from:@", 6, "`@` is no domain: an empty label", None),
    ("from:@exa_mple..com", 6, "is no domain: an empty label; expected an address, @domain", None),
    ("rcpt:.exam,ple.com", 6, "is no domain", None),
    ("to:exam(ple.com", 4, "is no domain", None),
    ("from:\"a\\*b*\"", 6, "a `*` for itself beside one for any characters", None),
    ("from:bob\"x", 9, "quotes in the middle of a value", None),
    ("from:\"bob\"@example.com", 11, "something stands right behind the quotes; expected a blank", None),
    ("subject:\"your invoice", 9, "the quotes are not closed", None),
    ("x \"", 3, "the quotes are not closed", None),
    ("\"\\\"", 1, "the quotes are not closed", None),
    ("subject:*voice", 9, "a `*` at the beginning or in the middle of a word", None),
    ("in*oice", 1, "in the middle of a word; expected it at the end of a word, as in invoi*", None),
    ("subject:i*", 9, "fewer than 2 letters before the `*`", None),
    ("\"!!\"", 1, "no letter or digit to look for", None),
    ("subject:\"\"", 9, "no letter or digit to look for", None),
    ("*", 1, "no letter or digit to look for", None),
    ("size:big", 6, "`big` is no size (K, M, G)", None),
    (
        "size:>1MB",
        7,
        "`1MB` is no size (K, M, G); did you mean 1M?; expected a comparison with a size",
        Some("1M"),
    ),
    ("size:>", 7, "`size:` has no value", None),
    ("size:>99999999999999999999", 7, "is no size", None),
    ("score:>high", 8, "`high` is no number of at most three places", None),
    ("score:1.2345", 7, "`1.2345` is no number", None),
    ("age:2d", 5, "an age is compared", Some("age:>2d")),
    ("age:=2d", 6, "an age is compared", Some("age:>2d")),
    ("age:<2", 6, "the unit is missing behind `2` (w, d, h, m, s)", Some("2d")),
    ("age:<2days", 6, "there is no unit `days`", Some("2d")),
    ("age:>5 min", 6, "the unit is missing behind `5`", Some("5d")),
    ("age:>5minuts", 6, "there is no unit `minuts`", Some("5m")),
    ("age:>5y", 6, "there is no unit `y` (w, d, h, m, s); expected younger or older than a duration", None),
    ("age:<4h2d", 6, "units go from large to small, each once", None),
    ("age:<old", 6, "`old` is no duration", None),
    ("age:<99999999999999999999d", 6, "more than a hundred years", None),
    (
        "received:2026-13-01",
        10,
        "`2026-13-01` is no date; expected a date, such as received:2026-11-21",
        None,
    ),
    ("received:yesteday", 10, "`yesteday` is no date", Some("yesterday")),
    ("received:2026-11-21..2026-11-20", 10, "the second date lies before the first", None),
    ("a or b", 3, "`or` is no word of the language; expected terms joined by blanks", None),
    ("not not a", 5, "a term is turned round twice", None),
];

#[test]
fn every_mistake_has_its_place_and_its_text() {
    for (text, column, said, nearest) in MISTAKES {
        let error = utc(text).expect_err(text);
        let shown = error.to_string();
        assert_eq!((error.column, error.nearest.as_deref()), (column, nearest), "{shown}");
        assert!(shown.contains(said), "{said} not in {shown}");
        assert_eq!(error.query, text);
    }
    for (text, column, said) in [
        ("-", 1, "nothing stands behind the `-`"),
        ("a -", 3, "nothing stands behind the `-`"),
        ("not -a", 5, "turned round twice"),
        ("-not a", 1, "turned round twice"),
        ("a not", 3, "nothing stands behind the `not`; expected a term"),
        ("a AND b", 3, "`AND` is no word of the language"),
        ("received:2026-11-21T25", 10, "is no date"),
        ("received:2026-11-21T10:00..x", 10, "`x` is no date"),
        ("received:2026-11-1", 10, "is no date"),
        ("received:2026T10", 10, "is no date"),
        ("received:2026-11-21-05", 10, "is no date"),
        ("received:9999-12-31", 10, "is no date"),
    ] {
        let error = utc(text).expect_err(text);
        assert_eq!(error.column, column, "{error}");
        assert!(error.to_string().contains(said), "{said} not in {error}");
    }
}

#[test]
fn a_mistake_is_shown_below_the_query() {
    let error = utc("größe state:relased").unwrap_err();
    let want = "there is no state `relased`; did you mean released?; expected one of kept, held, spooled, released, \
                failed, trash, copy\n  größe state:relased\n              ^";
    assert_eq!(error.to_string(), want);
    let long = format!("{} state:x\u{1b}[2J", "wörter ".repeat(50));
    let shown = utc(&long).unwrap_err().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let caret = lines[2].chars().count() - 1;
    assert_eq!(lines[1].chars().skip(caret).collect::<String>(), "x\u{b7}[2J");
    assert!(lines[1].chars().count() < 130 && !shown.contains('\u{1b}'), "{shown}");
    let json = serde_json::to_string(&error).unwrap();
    assert_eq!(serde_json::from_str::<QueryError>(&json).unwrap(), error);
}

#[test]
fn queries_are_bounded() {
    let words = |n: usize| "word ".repeat(n);
    assert_eq!(utc(&words(TERMS_MAX)).unwrap().terms.len(), TERMS_MAX);
    let error = utc(&words(TERMS_MAX + 1)).unwrap_err();
    assert_eq!(error.column, 5 * TERMS_MAX + 1);
    assert!(error.what.contains("over 64 terms"), "{error}");
    assert!(utc(&"a".repeat(QUERY_OCTETS_MAX)).is_ok());
    let error = utc(&"a".repeat(QUERY_OCTETS_MAX + 1)).unwrap_err();
    assert!(error.what.contains("over 4096 octets"), "{error}");
}

#[test]
fn a_query_is_kept_as_it_was() {
    // What is stored and what goes over the control socket: a change here breaks both.
    let query = utc("-from:*@x.example size:>1M received:2026-11-21 client:192.0.2.0/24 invoice").unwrap();
    let json = serde_json::to_string(&query).unwrap();
    let want = "{\"terms\":[{\"not\":true,\"what\":{\"from\":{\"glob\":\"*@x.example\"}}},\
                {\"not\":false,\"what\":{\"size\":[\"more\",1048576]}},\
                {\"not\":false,\"what\":{\"received\":{\"from_ms\":1795219200000,\"until_ms\":1795305600000}}},\
                {\"not\":false,\"what\":{\"client\":\"192.0.2.0/24\"}},\
                {\"not\":false,\"what\":{\"words\":\"invoice\"}}]}";
    assert_eq!(json, want);
    assert_eq!(serde_json::from_str::<Query>(&json).unwrap(), query);
}

/// A text as the parser makes it for a field.
fn any_text(field: &'static str) -> impl Strategy<Value = Option<What>> {
    let value = prop_oneof![
        "[a-z]{1,5}@[a-z]{1,5}\\.[a-z]{2,3}",
        "@[a-z]{1,5}\\.example",
        "\\.[a-z]{1,5}\\.example",
        "[a-z*@.]{1,9}",
        "\"[a-zü \\\\\"*@.-]{0,9}\"",
        "<>",
    ];
    value.prop_map(move |value| {
        utc(&format!("{field}:{value}")).ok().and_then(|mut q| q.terms.pop()).map(|t| t.what)
    })
}

fn any_term() -> impl Strategy<Value = Term> {
    let how = prop::sample::select(vec![
        Comparison::Less,
        Comparison::AtMost,
        Comparison::AtLeast,
        Comparison::More,
    ]);
    let ms = -62_000_000_000_000..253_000_000_000_000_i64;
    let texts = ["from", "header-from", "rcpt", "helo", "user", "rule", "message-id"].map(any_text);
    let [from, header, rcpt, helo, user, rule, mid] = texts;
    let text = prop_oneof![from, header, rcpt, helo, user, rule, mid];
    let what = prop_oneof![
        text.prop_filter_map("no text", |what| what),
        "[0-9A-HJKMNP-TV-Z]{4,8}".prop_map(What::Id),
        "[0-9A-HJKMNP-TV-Z]{4,8}".prop_map(What::Reference),
        "[a-z0-9_ -]{1,12}".prop_map(What::Folder),
        prop::sample::select(&State::ALL[..]).prop_map(What::State),
        "[a-zA-Z0-9üß\\\\\" *:-]{0,9}[a-z]{2}[*]?".prop_map(What::Subject),
        "[a-zA-Z0-9üß\\\\\" *:-]{0,9}[a-z]{2}[*]?".prop_map(What::Words),
        (any::<u32>(), 0..=32_u8).prop_map(|(ip, bits)| {
            What::Client(ipnet::IpNet::new(std::net::Ipv4Addr::from_bits(ip).into(), bits).unwrap().trunc())
        }),
        (any::<u128>(), 1..=128_u8).prop_filter_map("mapped", |(ip, bits)| {
            let net = ipnet::IpNet::new(std::net::Ipv6Addr::from_bits(ip).into(), bits).unwrap().trunc();
            (crate::mail::unmapped(net.addr()) == net.addr()).then_some(What::Client(net))
        }),
        "[a-z0-9.:-]{1,9}".prop_map(What::Listener),
        prop::sample::select(&[Direction::Inbound, Direction::Outbound][..]).prop_map(What::Direction),
        "[0-9a-f]{4,64}".prop_map(What::Digest),
        "[a-z *\"\\\\]{1,9}".prop_map(What::Tag),
        any::<u32>().prop_map(|n| What::Like(Scramble::new(3).id(n.into()))),
        (how.clone(), any::<u64>()).prop_map(|(how, size)| What::Size(how, size)),
        (0..20_u64, 0..40_u32).prop_map(|(size, shift)| What::Size(Comparison::Equal, size << shift)),
        (how.clone(), 0..3_000_000_000_i64).prop_map(|(how, s)| What::Age(how, s * 1000)),
        (how, any::<i32>()).prop_map(|(how, score)| What::Score(how, score.into())),
        (ms.clone(), 1..90_000_000_000_i64)
            .prop_map(|(from_ms, length)| What::Received { from_ms, until_ms: from_ms + length }),
        ms.clone().prop_map(|from_ms| What::Received { from_ms, until_ms: i64::MAX }),
        ms.prop_map(|until_ms| What::Received { from_ms: i64::MIN, until_ms }),
    ];
    (any::<bool>(), what).prop_map(|(not, what)| Term { not, what })
}

#[test]
fn the_trash_is_asked_for_by_name_only() {
    for (text, asks) in [
        ("state:trash", true),
        ("a state:trash", true),
        ("-state:trash", false),
        ("state:held", false),
        ("", false),
    ] {
        let query = utc(text).unwrap();
        assert_eq!(query.asks_for_trash(), asks, "{text}");
        let there = query.clone().in_trash();
        assert!(there.asks_for_trash(), "{text}");
        assert_eq!(there.terms.len(), query.terms.len() + usize::from(!asks), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_query_shown_reads_back_as_the_same(terms in prop::collection::vec(any_term(), 0..6)) {
        let query = Query { terms };
        let text = query.to_string();
        // Elsewhere on the earth too: what is shown does not depend on it.
        let zone = TimeZone::fixed(jiff::tz::offset(-7));
        let read = parse(&text, NOW, &zone).unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(&read, &query, "{}", text);
        let json = serde_json::to_string(&query).unwrap();
        prop_assert_eq!(serde_json::from_str::<Query>(&json).unwrap(), query);
    }

    #[test]
    fn whatever_is_written_is_read_or_has_its_place(text in "[a-z0-9:*\"\\\\<>=@. \u{e9}\u{1f600}-]{0,40}", any in ".{0,60}") {
        for text in [text, any] {
            match utc(&text) {
                Ok(query) => prop_assert_eq!(utc(&query.to_string()).unwrap(), query),
                Err(error) => {
                    prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
                    prop_assert!(error.to_string().lines().count() == 3);
                }
            }
        }
    }
}
