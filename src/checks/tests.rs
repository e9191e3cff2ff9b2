//! Sessions judged as a whole: lists, rules, what is pending, and who is spared.

use super::table::tests::policy_of;
use super::*;
use crate::config::model::Policy;
use crate::verdict::{Ban, Cause, Conduct, Effect, Fact, Finding, Grey, Needs, Stage};

const NOW: i64 = 1_800_000_000;

/// A session over which a test changes what it is about.
fn scene() -> Scene {
    Scene {
        hello: Some("mx.example.com".into()),
        sender: Some("<anna@example.com>".into()),
        recipients: vec!["<bob@example.net>".into()],
        ..Scene::of("192.0.2.7".parse().unwrap(), "in", NOW)
    }
}

fn to(recipient: &str) -> Scene {
    Scene { recipients: vec![recipient.into()], ..scene() }
}

fn from(sender: &str) -> Scene {
    Scene { sender: Some(sender.into()), ..scene() }
}

fn client(ip: &str) -> Scene {
    Scene { client: ip.parse().unwrap(), ..scene() }
}

/// `outcome [by id place]: STAGE code …`: the outcome, what decided, and our replies in order.
fn told(scene: &Scene, policy: &Policy) -> String {
    let judged = judge(scene, policy);
    let by = judged.decided_by.as_ref().map(|f| {
        let place = place(f).map(|p| format!(" {p}")).unwrap_or_default();
        format!(" by {}{place}", f.id)
    });
    let said = |step: &Step| {
        step.reply.as_ref().map(|reply| format!(" {} {}", stage_word(step.stage), reply.code()))
    };
    let replies: String = judged.steps.iter().filter_map(said).collect();
    let colon = if replies.is_empty() { "" } else { ":" };
    format!("{}{}{colon}{replies}", outcome_word(judged.outcome), by.unwrap_or_default())
}

fn findings(scene: &Scene, policy: &Policy) -> Vec<Finding> {
    judge(scene, policy).steps.into_iter().flat_map(|step| step.findings).collect()
}

#[test]
fn block_lists_answer_where_they_know() {
    let policy = policy_of(&[(
        "lists/blocks.list",
        "192.0.2.0/28\n\
         !192.0.2.9\n\
         198.51.100.1 ; action=drop\n\
         198.51.100.2 ; action=tempfail\n\
         198.51.100.3 ; mode=log\n\
         198.51.100.4 ; mode=off\n\
         198.51.100.5 ; until=2020-01-01\n\
         198.51.100.6 ; dir=out\n\
         spam.example\n\
         mole@good.example ; text=\"go away\"\n\
         rcpt:closed@example.net ; action=tempfail\n\
         ehlo:ylmf-pc\n\
         user:mallory\n\
         rdns:.dynamic.example\n\
         header-from:boss@example.org ; action=drop\n",
    )]);
    let file = |line: u32| format!("lists/blocks.list:{line}");
    let reply = |scene: &Scene| {
        let judged = judge(scene, &policy);
        judged.steps.last().unwrap().reply.as_ref().unwrap().to_log()
    };
    for (scene, want) in [
        (client("192.0.2.7"), format!("reject by block-address {}: connect 554", file(1))),
        (client("192.0.2.9"), "pass".into()),
        (client("198.51.100.1"), format!("drop by block-address {}: connect 554", file(3))),
        (client("198.51.100.2"), format!("tempfail by block-address {}: connect 450", file(4))),
        (client("198.51.100.3"), "pass".into()),
        (client("198.51.100.4"), "pass".into()),
        (client("198.51.100.5"), "pass".into()),
        (client("198.51.100.6"), "pass".into()),
    ] {
        assert_eq!(told(&scene, &policy), want, "{}", scene.client);
    }
    let silent = findings(&client("198.51.100.1"), &policy);
    assert!(silent[0].is_silent() && silent[0].effects == [Effect::Silent], "{silent:?}");
    assert!(!findings(&client("198.51.100.3"), &policy)[0].enforced);
    let base = || client("203.0.113.5");
    let pending = |id: &str, line| format!("reject by {id} {}: MAIL 250 RCPT 550", file(line));
    for (scene, want) in [
        (Scene { sender: Some("<x@spam.example>".into()), ..base() }, pending("block-sender", 9)),
        (Scene { sender: Some("<x@sub.spam.example>".into()), ..base() }, "pass".into()),
        (Scene { sender: Some("<Mole@good.example>".into()), ..base() }, pending("block-sender", 10)),
        (Scene { sender: Some("<>".into()), ..base() }, "pass".into()),
        (Scene { hello: Some("ylmf-pc".into()), ..base() }, pending("block-hello", 12)),
        (Scene { user: Some("mallory".into()), ..base() }, pending("block-user", 13)),
        (
            Scene { reverse_name: Fact::Known("a.dynamic.example".into()), ..base() },
            pending("block-reverse-name", 14),
        ),
        (
            Scene { recipients: vec!["<closed@example.net>".into()], ..base() },
            format!("tempfail by block-recipient {}: RCPT 450", file(11)),
        ),
        (
            Scene { header_from: vec!["a@example.com".into(), "Boss@example.org".into()], ..base() },
            format!("drop by block-header-from {}: the message 550", file(15)),
        ),
    ] {
        assert_eq!(told(&scene, &policy), want);
    }
    let scene = Scene { sender: Some("<mole@good.example>".into()), ..base() };
    assert_eq!(reply(&scene), "550 5.7.1 go away");
    assert!(needs(Stage::Mail, &policy).has(Needs::REVERSE_NAME));
    assert!(!needs(Stage::Connect, &policy).has(Needs::REVERSE_NAME));
}

#[test]
fn names_without_a_prefix_cost_no_reverse_name() {
    let policy = policy_of(&[("lists/blocks.list", "spam.example\n")]);
    assert_eq!(needs(Stage::Mail, &policy), Needs::NONE);
}

#[test]
fn allow_lists_come_first_and_guards_stay() {
    let policy = policy_of(&[
        (
            "lists/blocks.list",
            "192.0.2.0/24\nspam.example\nrcpt:bob@example.net\nuser:alice\nehlo:bad.example\n",
        ),
        (
            "lists/allow.list",
            "192.0.2.7\n\
             from:claimed@spam.example\n\
             from:proved@spam.example ; auth=any\n\
             user:alice\n\
             rcpt:abuse@example.net\n\
             198.51.100.9 ; mode=log\n\
             rdns:.partner.example\n\
             203.0.113.9 ; dir=out\n",
        ),
    ]);
    let bob = || to("<bob@example.net>");
    let other = || client("198.51.100.1");
    for (scene, want) in [
        (bob(), "pass by allow-address lists/allow.list:1"),
        (to("<a@example.org>"), "reject by relay-control: RCPT 550"),
        (client("192.0.2.8"), "reject by block-address lists/blocks.list:1: connect 554"),
        (client("198.51.100.9"), "reject by block-recipient lists/blocks.list:3: RCPT 550"),
        (client("203.0.113.9"), "reject by block-recipient lists/blocks.list:3: RCPT 550"),
        (
            Scene { sender: Some("<claimed@spam.example>".into()), ..other() },
            "reject by block-sender lists/blocks.list:2: MAIL 250 RCPT 550",
        ),
        (
            Scene { sender: Some("<claimed@spam.example>".into()), authenticated: true, ..other() },
            "pass by allow-sender lists/allow.list:2",
        ),
        (
            Scene { sender: Some("<proved@spam.example>".into()), ..other() },
            "pass by allow-sender lists/allow.list:3",
        ),
        (Scene { user: Some("alice".into()), ..other() }, "pass by allow-user lists/allow.list:4"),
        (
            Scene { reverse_name: Fact::Known("mx.partner.example".into()), ..other() },
            "pass by allow-reverse-name lists/allow.list:7",
        ),
        (
            // A refusal that was pending does not hold for a recipient that is allowed.
            Scene {
                sender: Some("<x@spam.example>".into()),
                recipients: vec!["<abuse@example.net>".into()],
                ..other()
            },
            "pass by allow-recipient lists/allow.list:5: MAIL 250",
        ),
        (
            // Nor once the user is known to be allowed.
            Scene { hello: Some("bad.example".into()), user: Some("alice".into()), ..other() },
            "pass by allow-user lists/allow.list:4",
        ),
    ] {
        assert_eq!(told(&scene, &policy), want, "{scene:?}");
    }
    let ban = Some(Ban { until: NOW + 60, why: "refused 100".into() });
    let banned = Scene { conduct: Conduct { ban, ..Conduct::default() }, ..bob() };
    assert_eq!(told(&banned, &policy), "pass by allow-address lists/allow.list:1");
    let banned = Scene { client: "198.51.100.1".parse().unwrap(), ..banned };
    assert_eq!(told(&banned, &policy), "drop by ban limits.toml: connect 421");
}

#[test]
fn postmaster_is_reached_by_those_who_are_refused() {
    let policy = policy_of(&[
        (
            "protocol.toml",
            "[[rule]]\nid = \"no-dsl\"\naction = \"reject\"\nsender = [\"dsl.example\"]\n\
             [[rule]]\nid = \"closed\"\naction = \"reject\"\nrecipient = [\"postmaster@example.net\"]\nhello = [\"x.example\"]\n",
        ),
        ("lists/blocks.list", "spam.example\n"),
    ]);
    let both = |sender: &str| Scene {
        sender: Some(sender.into()),
        recipients: vec!["<bob@example.net>".into(), "<Postmaster@example.net>".into()],
        ..scene()
    };
    for (scene, want) in [
        (both("<a@spam.example>"), "reject by block-sender lists/blocks.list:1: MAIL 250 RCPT 550"),
        (both("<a@dsl.example>"), "reject by no-dsl protocol.toml:1: MAIL 250 RCPT 550"),
        (to("<postmaster>"), "pass"),
        (
            Scene { hello: Some("x.example".into()), ..to("<postmaster@example.net>") },
            "reject by closed protocol.toml:5: RCPT 550",
        ),
    ] {
        let judged = judge(&scene, &policy);
        assert_eq!(told(&scene, &policy), want);
        if scene.recipients.len() == 2 {
            let last = judged.steps.last().unwrap();
            assert_eq!(last.stage, Stage::Message, "the second recipient was taken");
        }
    }
}

const IN_ORDER: &str = r#"
        [[rule]]
        id = "told"
        mode = "log"
        action = "reject"
        client = ["192.0.2.0/24"]
        [[rule]]
        id = "off"
        mode = "off"
        action = "drop"
        client = ["192.0.2.0/24"]
        [[rule]]
        id = "points"
        action = "continue"
        sender = ["*@bulk.example"]
        points = 7
        delay = "2s"
        [[rule]]
        id = "friend"
        action = "accept"
        sender = ["friend@bulk.example"]
        [[rule]]
        id = "bulk"
        action = "tempfail"
        sender = ["*@bulk.example"]
        text = "slow down"
        code = 451
        [[rule]]
        id = "big"
        action = "reject"
        answer_at = "mail"
        size_over = "1M"
        code = 552
        [[rule]]
        id = "gone"
        action = "drop"
        answer_at = "connect"
        client = ["198.51.100.0/24"]
        [[rule]]
        id = "gone-for-now"
        action = "drop"
        hello = ["later.example"]
        code = 421
        [[rule]]
        id = "no-chunking"
        action = "hide"
        hello = ["old.example"]
        hide = ["CHUNKING"]
        [[rule]]
        id = "header"
        action = "reject"
        header_from = ["*@fake.example"]
        [[rule]]
        id = "catch-all"
        action = "reject"
        recipient = ["trap@example.net"]
        points = 50
        "#;

#[test]
fn rules_in_file_order_and_the_first_wins() {
    let policy = policy_of(&[("protocol.toml", IN_ORDER)]);
    for (scene, want) in [
        (scene(), "pass"),
        (from("<a@bulk.example>"), "tempfail by bulk protocol.toml:22: MAIL 250 RCPT 451"),
        (from("<friend@bulk.example>"), "pass by friend protocol.toml:18"),
        (Scene { declared_octets: Some(2 << 20), ..scene() }, "reject by big protocol.toml:28: MAIL 552"),
        (Scene { declared_octets: Some(1 << 20), ..scene() }, "pass"),
        (client("198.51.100.1"), "drop by gone protocol.toml:34: connect 554"),
        (
            Scene { hello: Some("later.example".into()), ..scene() },
            "drop by gone-for-now protocol.toml:39: MAIL 250 RCPT 421",
        ),
        (
            Scene { header_from: vec!["x@fake.example".into()], ..scene() },
            "reject by header protocol.toml:49: the message 550",
        ),
        (to("<trap@example.net>"), "reject by catch-all protocol.toml:53: RCPT 550"),
    ] {
        assert_eq!(told(&scene, &policy), want, "{scene:?}");
    }
}

#[test]
fn rules_have_effects_once_and_only_in_force() {
    let policy = policy_of(&[("protocol.toml", IN_ORDER)]);
    let bulk = findings(&from("<a@bulk.example>"), &policy);
    let effects: Vec<_> = bulk.iter().filter(|f| !f.effects.is_empty()).map(|f| (&*f.id, f.stage)).collect();
    assert_eq!(effects, [("points", Stage::Rcpt)], "what is looked at ahead counts once");
    assert_eq!(
        bulk.iter().find(|f| &*f.id == "points").unwrap().effects,
        [Effect::BanPoints(7), Effect::DelayMs(2000)]
    );
    let told: Vec<_> = bulk.iter().filter(|f| &*f.id == "told").collect();
    assert!(told.iter().all(|f| !f.enforced && f.effects.is_empty()) && told.len() == 1);
    let hidden = findings(&Scene { hello: Some("old.example".into()), ..scene() }, &policy);
    let hide = hidden.iter().find(|f| &*f.id == "no-chunking").unwrap();
    assert_eq!((hide.stage, &hide.effects[..]), (Stage::Helo, &[Effect::HideKeyword("CHUNKING".into())][..]));
    assert!(findings(&client("198.51.100.1"), &policy)[0].is_silent());
}

#[test]
fn the_look_ahead_stops_where_a_recipient_could_matter() {
    let rules = |first: &str| {
        let text = format!(
            "[[rule]]\nid = \"first\"\n{first}\n\
             [[rule]]\nid = \"second\"\naction = \"reject\"\nsender = [\"bad.example\"]\n"
        );
        policy_of(&[("protocol.toml", &text)])
    };
    for (first, want) in [
        (
            "action = \"accept\"\nrecipient = [\"vip@example.net\"]",
            "reject by second protocol.toml:5: RCPT 550",
        ),
        (
            "action = \"reject\"\nrecipient = [\"vip@example.net\"]",
            "reject by second protocol.toml:5: RCPT 550",
        ),
        (
            "action = \"accept\"\nrecipient = [\"vip@example.net\"]\nhello = [\"other.example\"]",
            "reject by second protocol.toml:6: MAIL 250 RCPT 550",
        ),
        (
            "action = \"continue\"\nrecipient = [\"vip@example.net\"]",
            "reject by second protocol.toml:5: MAIL 250 RCPT 550",
        ),
        (
            "action = \"reject\"\nmode = \"log\"\nrecipient = [\"vip@example.net\"]",
            "reject by second protocol.toml:6: MAIL 250 RCPT 550",
        ),
        ("action = \"accept\"\nhello = [\"mx.example.com\"]", "pass by first protocol.toml:1"),
    ] {
        assert_eq!(told(&from("<a@bad.example>"), &rules(first)), want, "{first}");
    }
    let policy = rules("action = \"accept\"\nrecipient = [\"vip@example.net\"]");
    let vip = Scene { recipients: vec!["<vip@example.net>".into()], ..from("<a@bad.example>") };
    assert_eq!(told(&vip, &policy), "pass by first protocol.toml:1");
}

#[test]
fn what_dns_does_not_say_is_neither_yes_nor_no() {
    let policy = policy_of(&[(
        "protocol.toml",
        r#"
        [[dnsbl]]
        zone = "zen.example"
        [reputation]
        mode = "off"
        [[rule]]
        id = "nameless"
        action = "reject"
        has_reverse_name = false
        hello = ["a.example"]
        [[rule]]
        id = "nameless-pass"
        action = "reject"
        reverse_name = ["*.dyn.example"]
        hello = ["b.example"]
        on_unknown = "pass"
        [[rule]]
        id = "friend"
        action = "accept"
        reverse_name = ["*.friend.example"]
        hello = ["c.example"]
        [[rule]]
        id = "listed"
        action = "reject"
        listed_from = 0.5
        hello = ["d.example"]
        [[rule]]
        id = "both"
        action = "reject"
        reverse_name = ["*.dyn.example"]
        listed_from = 0.5
        hello = ["e.example"]
        "#,
    )]);
    let unknown = || Fact::Unknown(Cause::Timeout);
    let hello = |hello: &str, name: Fact<Box<str>>| Scene {
        hello: Some(hello.into()),
        reverse_name: name,
        ..scene()
    };
    for (scene, want) in [
        (hello("a.example", Fact::Absent), "reject by nameless protocol.toml:6: MAIL 250 RCPT 550"),
        (hello("a.example", unknown()), "tempfail by nameless protocol.toml:6: MAIL 250 RCPT 451"),
        (hello("a.example", Fact::Known("x.example".into())), "pass"),
        (hello("b.example", unknown()), "pass"),
        (hello("c.example", unknown()), "pass"),
        (hello("d.example", unknown()).listed(500), "reject by listed protocol.toml:22: MAIL 250 RCPT 550"),
        (hello("d.example", unknown()).listed(499), "pass"),
        // One condition that is false settles it, whatever the others are.
        (hello("e.example", unknown()).listed(499), "pass"),
        (hello("e.example", unknown()).listed(500), "tempfail by both protocol.toml:27: MAIL 250 RCPT 451"),
    ] {
        assert_eq!(told(&scene, &policy), want, "{scene:?}");
    }
    let mut down = hello("d.example", Fact::Absent);
    down.gathered.listings = unknown_listings();
    assert_eq!(told(&down, &policy), "tempfail by listed protocol.toml:22: MAIL 250 RCPT 451");
    // Nobody asks DNS lists about trusted and authenticated clients, so they are on none.
    assert_eq!(told(&Scene { authenticated: true, ..down.clone() }, &policy), "pass");
    assert_eq!(told(&Scene { client: "127.0.0.1".parse().unwrap(), ..down }, &policy), "pass");
    assert!(needs(Stage::Mail, &policy).has(Needs::REVERSE_NAME.and(Needs::LISTINGS)));
    assert_eq!(needs(Stage::Connect, &policy), Needs::NONE);
}

fn unknown_listings() -> Fact<crate::verdict::Listings> {
    Fact::Unknown(Cause::Timeout)
}

#[test]
fn answers_come_when_the_policy_wants_them() {
    let policy = |at: &str| {
        let text = format!("answer_at = \"{at}\"\n");
        policy_of(&[("protocol.toml", &text), ("lists/blocks.list", "spam.example\n")])
    };
    let early = Scene { conduct: Conduct { early_talk: true, ..Conduct::default() }, ..scene() };
    let own = Scene { hello: Some("mx.example.net".into()), ..scene() };
    let blocked = from("<a@spam.example>");
    for (at, early_told, own_told, blocked_told) in [
        ("connect", "connect 554", "HELO 550", "MAIL 550"),
        ("mail", "MAIL 554", "MAIL 550", "MAIL 550"),
        ("rcpt", "MAIL 250 RCPT 554", "MAIL 250 RCPT 550", "MAIL 250 RCPT 550"),
        ("data", "DATA 554", "DATA 550", "DATA 550"),
    ] {
        let policy = policy(at);
        for (scene, want) in [(&early, early_told), (&own, own_told), (&blocked, blocked_told)] {
            let got = told(scene, &policy);
            assert!(got.ends_with(&format!(": {want}")), "{at}: {got}, wanted {want}");
        }
    }
    let both = Scene {
        recipients: vec!["<postmaster@example.net>".into(), "<bob@example.net>".into()],
        ..blocked.clone()
    };
    assert!(told(&both, &policy("data")).ends_with(": DATA 550"), "one recipient it holds for is enough");
    let spared = Scene { recipients: vec!["<postmaster@example.net>".into()], ..blocked };
    assert_eq!(told(&spared, &policy("data")), "pass");
}

#[test]
fn a_permanent_refusal_is_not_put_off() {
    let policy = policy_of(&[
        ("limits.toml", "[greylist]\nmode = \"on\"\nonly = \"all\"\n"),
        ("protocol.toml", "[sender]\nunresolvable = \"on\"\n"),
        ("lists/blocks.list", "spam.example\n"),
    ]);
    let grey = |mut scene: Scene| {
        scene.gathered.grey = Fact::Known(Grey::Wait { seconds: 900 });
        scene
    };
    assert_eq!(told(&grey(scene()), &policy), "tempfail by greylist limits.toml: RCPT 450");
    let blocked = told(&grey(from("<a@spam.example>")), &policy);
    assert_eq!(blocked, "reject by block-sender lists/blocks.list:1: MAIL 250 RCPT 550");
    let mut lost = to("<a@example.org>");
    lost.gathered.sender_domain = Fact::Unknown(Cause::Failure);
    assert_eq!(told(&lost, &policy), "reject by relay-control: MAIL 250 RCPT 550");
    assert_eq!(
        told(&Scene { recipients: to("<a@example.net>").recipients, ..lost }, &policy),
        "tempfail by sender-domain protocol.toml: MAIL 250 RCPT 451"
    );
}

#[test]
fn a_scene_survives_being_written_down() {
    let scene = Scene { user: Some("alice".into()), ..scene() }.in_country("DE").listed(1500);
    let text = serde_json::to_string(&scene).unwrap();
    assert_eq!(serde_json::from_str::<Scene>(&text).unwrap(), scene);
    let short =
        r#"{"client":"192.0.2.7","reverse_name":"absent","listener":"in","direction":"inbound","now":5}"#;
    let read: Scene = serde_json::from_str(short).unwrap();
    assert!(read.gathered.listings.is_not_asked());
}

#[test]
fn tests_in_rule_files_say_what_came_out() {
    let policy = policy_of(&[(
        "protocol.toml",
        r#"
        [[rule]]
        id = "no-dsl"
        action = "reject"
        reverse_name = ["*.dsl.example"]
        text = "use your provider"
        [[expect]]
        client = "192.0.2.7"
        reverse_name = "a.dsl.example"
        result = "reject"
        rule = "no-dsl"
        [[expect]]
        client = "192.0.2.7"
        hello = "mx.example.net"
        result = "reject"
        rule = "hello-own-name"
        [[expect]]
        client = "192.0.2.7"
        sender = "a@example.com"
        recipient = "b@example.net"
        result = "pass"
        [[expect]]
        client = "192.0.2.7"
        recipient = "b@example.org"
        result = "pass"
        [[expect]]
        client = "192.0.2.7"
        reverse_name = "a.dsl.example"
        result = "drop"
        rule = "x"
        "#,
    )]);
    let told: Vec<String> = run_expects(&policy, NOW).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "protocol.toml:22:1: error: this [[expect]] fails: expected pass, the outcome is reject by relay-control at RCPT: 550 5.7.1 relay access denied",
            "protocol.toml:26:1: error: this [[expect]] fails: expected drop by x, the outcome is reject by no-dsl (protocol.toml:2) at RCPT: 550 5.7.1 use your provider",
        ]
    );
}
