//! HELO and EHLO names. Looked at where MAIL is, so that a client may log in first: mail programs at home greet with
//! whatever their machine is called. With `answer_at = "connect"` at the greeting itself.

use super::check::Check;
use super::common::{is_stranger, switch};
use super::hello_form::Form;
use crate::config::model::{HelloRules, Policy};
use crate::mail::escape;
use crate::reply::{Entry, catalogue};
use crate::rules::Mode;
use crate::verdict::{Fact, Facts, Finding, Needs, Stage};
use std::net::IpAddr;

/// The check.
pub struct HelloName;

impl Check for HelloName {
    fn id(&self) -> &'static str {
        "hello"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Helo, Stage::Mail]
    }

    fn needs(&self, stage: Stage, policy: &Policy) -> Needs {
        let rules = &policy.protocol.hello;
        if stage != stage_of(policy) {
            return Needs::NONE;
        }
        let reverse = rules.reverse_mismatch != Mode::Off || rules.no_reverse_name != Mode::Off;
        let reverse = if reverse { Needs::REVERSE_NAME } else { Needs::NONE };
        let resolves = if rules.unresolvable == Mode::Off { Needs::NONE } else { Needs::HELLO_RESOLVES };
        reverse.and(resolves)
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let Some(name) = facts.hello.filter(|_| stage == stage_of(policy) && !facts.authenticated) else {
            return;
        };
        let form = Form::of(name);
        for rule in RULES {
            let mode = (rule.mode)(&policy.protocol.hello);
            if mode == Mode::Off {
                continue;
            }
            let Some(entry) = (rule.broken)(&form, facts, policy) else { continue };
            let reason = format!("{}: {}", escape(name), rule.words);
            findings.push(switch(rule.id, stage, policy, mode, entry, reason));
            if mode == Mode::On {
                return;
            }
        }
    }
}

fn stage_of(policy: &Policy) -> Stage {
    if policy.protocol.answer_at < Stage::Helo { Stage::Helo } else { Stage::Mail }
}

/// One switch of `[hello]`.
struct Rule {
    id: &'static str,
    words: &'static str,
    mode: fn(&HelloRules) -> Mode,
    /// What the client hears where the name breaks the rule.
    broken: fn(&Form, &Facts<'_>, &Policy) -> Option<Entry>,
}

/// In the order in which they are asked; the first that is broken and in force is said.
const RULES: &[Rule] = &[
    Rule {
        id: "hello-syntax",
        words: "neither a host name nor an address in brackets",
        mode: |rules| rules.syntax,
        broken: |form, _, _| (*form == Form::Bad).then_some(catalogue::BAD_HELLO),
    },
    Rule {
        id: "hello-own-name",
        words: "our own name, domain or address",
        mode: |rules| rules.own_name,
        broken: |form, facts, policy| refused(is_stranger(facts) && is_ours(form, policy)),
    },
    Rule {
        id: "hello-bare-address",
        words: "an address without brackets",
        mode: |rules| rules.bare_address,
        broken: |form, _, _| refused(matches!(form, Form::Bare(_))),
    },
    Rule {
        id: "hello-wrong-literal",
        words: "not the address of the client",
        mode: |rules| rules.wrong_literal,
        broken: |form, facts, _| refused(matches!(form, Form::Literal(ip) if *ip != facts.client.ip)),
    },
    Rule {
        id: "hello-literal",
        words: "an address in place of a name",
        mode: |rules| rules.literal,
        broken: |form, _, _| refused(matches!(form, Form::Literal(_))),
    },
    Rule {
        id: "hello-unqualified",
        words: "a name without a domain",
        mode: |rules| rules.unqualified,
        broken: |form, _, _| refused(matches!(form, Form::Name(name) if !name.as_str().contains('.'))),
    },
    Rule {
        id: "hello-unresolvable",
        words: "no MX, A or AAAA record",
        mode: |rules| rules.unresolvable,
        broken: |form, facts, _| match (form, &facts.gathered.hello_resolves) {
            (Form::Name(_), Fact::Known(false) | Fact::Absent) => Some(catalogue::HELLO_REFUSED),
            (Form::Name(_), Fact::Unknown(_)) => Some(catalogue::LOOKUP_FAILED),
            (Form::Name(_), Fact::Known(true)) | (Form::Literal(_) | Form::Bare(_) | Form::Bad, _) => None,
        },
    },
    Rule {
        id: "hello-reverse-mismatch",
        words: "not the reverse name of the client",
        mode: |rules| rules.reverse_mismatch,
        broken: |form, facts, _| match (form, &facts.client.name) {
            (Form::Name(name), Fact::Known(reverse)) => {
                let reverse = reverse.strip_suffix('.').unwrap_or(reverse);
                refused(!reverse.eq_ignore_ascii_case(name.as_str()))
            }
            (Form::Name(_), Fact::Unknown(_)) => Some(catalogue::LOOKUP_FAILED),
            (Form::Name(_), Fact::Absent) | (Form::Literal(_) | Form::Bare(_) | Form::Bad, _) => None,
        },
    },
    Rule {
        id: "hello-no-reverse-name",
        words: "the client has no forward-confirmed reverse name",
        mode: |rules| rules.no_reverse_name,
        broken: |_, facts, _| match &facts.client.name {
            Fact::Known(_) => None,
            Fact::Absent => Some(catalogue::NO_REVERSE_NAME),
            Fact::Unknown(_) => Some(catalogue::LOOKUP_FAILED),
        },
    },
];

fn refused(broken: bool) -> Option<Entry> {
    broken.then_some(catalogue::HELLO_REFUSED)
}

/// Our host name, one of our domains, or an address that we listen on.
fn is_ours(form: &Form, policy: &Policy) -> bool {
    let address = |ip: &IpAddr| policy.listeners.iter().any(|l| l.address.ip() == *ip);
    match form {
        Form::Name(name) => {
            name.as_str().eq_ignore_ascii_case(&policy.hostname) || policy.relay.domains.contains(name)
        }
        Form::Literal(ip) | Form::Bare(ip) => address(ip),
        Form::Bad => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::verdict::{Cause, Client, Gathered};

    const OFF: HelloRules = HelloRules {
        syntax: Mode::Off,
        own_name: Mode::Off,
        bare_address: Mode::Off,
        literal: Mode::Off,
        wrong_literal: Mode::Off,
        unqualified: Mode::Off,
        unresolvable: Mode::Off,
        reverse_mismatch: Mode::Off,
        no_reverse_name: Mode::Off,
    };

    fn said(hello: &str, client: &Client, gathered: &Gathered, policy: &Policy) -> String {
        let facts = Facts { hello: Some(hello.as_bytes()), gathered, ..facts(client, None) };
        shown(&ask_one(&HelloName, Stage::Mail, &facts, policy))
    }

    fn ours() -> Policy {
        policy("[relay]\ndomains = [\"example.net\", \".example.org\"]\n")
    }

    #[test]
    fn names_by_themselves() {
        let mut policy = ours();
        let client = stranger();
        for (hello, want) in [
            ("mx.example.com", ""),
            ("a..b", "hello-syntax 501@Rcpt"),
            ("MX.Example.Net", "hello-own-name 550@Rcpt"),
            ("example.net", "hello-own-name 550@Rcpt"),
            ("mx.example.org", "hello-own-name 550@Rcpt"),
            ("[127.0.0.1]", "hello-own-name 550@Rcpt"),
            ("127.0.0.1", "hello-own-name 550@Rcpt"),
            ("192.0.2.7", "hello-bare-address 550@Rcpt"),
            ("[192.0.2.7]", ""),
            ("[192.0.2.8]", "hello-wrong-literal 550@Rcpt"),
            ("localhost", "(hello-unqualified 550@Rcpt)"),
        ] {
            assert_eq!(said(hello, &client, &Gathered::NOTHING, &policy), want, "{hello}");
        }
        policy.protocol.hello = OFF;
        for hello in ["a..b", "example.net", "192.0.2.7", "[192.0.2.8]", "localhost"] {
            assert_eq!(said(hello, &client, &Gathered::NOTHING, &policy), "");
        }
        policy.protocol.hello = HelloRules { literal: Mode::On, unqualified: Mode::Log, ..OFF };
        assert_eq!(said("[192.0.2.7]", &client, &Gathered::NOTHING, &policy), "hello-literal 550@Rcpt");
    }

    #[test]
    fn names_in_dns() {
        let mut policy = ours();
        let unknown = || Fact::Unknown(Cause::Timeout);
        let gathered = |hello_resolves| Gathered { hello_resolves, ..Gathered::NOTHING };
        let client = |name: Fact<Box<str>>| Client { name, ..stranger() };
        policy.protocol.hello = HelloRules { unresolvable: Mode::On, ..OFF };
        for (hello, resolves, want) in [
            ("a.example", Fact::Known(true), ""),
            ("a.example", Fact::Known(false), "hello-unresolvable 550@Rcpt"),
            ("a.example", unknown_bool(), "hello-unresolvable 451@Rcpt"),
            ("[192.0.2.7]", Fact::Known(false), ""),
        ] {
            assert_eq!(said(hello, &stranger(), &gathered(resolves), &policy), want);
        }
        policy.protocol.hello = HelloRules { reverse_mismatch: Mode::On, no_reverse_name: Mode::Log, ..OFF };
        for (name, want) in [
            (Fact::Known("A.example".into()), ""),
            (Fact::Known("b.example".into()), "hello-reverse-mismatch 550@Rcpt"),
            (Fact::Absent, "(hello-no-reverse-name 550@Rcpt)"),
            (unknown(), "hello-reverse-mismatch 451@Rcpt"),
        ] {
            assert_eq!(said("a.example", &client(name), &Gathered::NOTHING, &policy), want);
        }
        let needed = HelloName.needs(Stage::Mail, &policy);
        assert!(needed.has(Needs::REVERSE_NAME) && !needed.has(Needs::HELLO_RESOLVES));
    }

    fn unknown_bool() -> Fact<bool> {
        Fact::Unknown(Cause::Failure)
    }

    #[test]
    fn who_is_asked_and_where() {
        let mut policy = ours();
        for client in [Client { trusted: true, ..stranger() }, Client { may_relay: true, ..stranger() }] {
            assert_eq!(said("example.net", &client, &Gathered::NOTHING, &policy), "");
            assert_eq!(said("a..b", &client, &Gathered::NOTHING, &policy), "hello-syntax 501@Rcpt");
        }
        let client = stranger();
        let known = Facts { authenticated: true, hello: Some(b"[10.0.0.1]"), ..facts(&client, None) };
        assert_eq!(shown(&ask_one(&HelloName, Stage::Mail, &known, &policy)), "");
        let early = Facts { hello: Some(b"a..b"), ..facts(&client, None) };
        assert_eq!(shown(&ask_one(&HelloName, Stage::Helo, &early, &policy)), "");
        policy.protocol.answer_at = Stage::Connect;
        assert_eq!(shown(&ask_one(&HelloName, Stage::Helo, &early, &policy)), "hello-syntax 501@Helo");
        assert_eq!(shown(&ask_one(&HelloName, Stage::Mail, &early, &policy)), "");
    }
}
