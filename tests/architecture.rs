//! The architecture, enforced on the text of `src`: floors, circles, purity, lengths, and a few habits.
//!
//! Each rule is a function from files to complaints, and each has a test that it does complain.

mod code;
mod rules;

use code::{File, load};
use rules::{
    circles, every_arm_named, floors, functions, heads, lengths, module_files, pure, reasons, reply_texts,
    safe,
};

/// Complaints that stand for now, each with its reason: (part of the complaint, why). Empty is the aim; an
/// entry that nothing complains about any more must leave.
const KNOWN: &[(&str, &str)] = &[];

#[test]
fn the_architecture_holds() {
    let files = load();
    assert!(files.len() > 60, "{}", files.len());
    let rules: [Rule; 11] = [
        floors,
        circles,
        pure,
        lengths,
        functions,
        reply_texts,
        every_arm_named,
        module_files,
        heads,
        safe,
        reasons,
    ];
    let complaints: Vec<String> = rules.iter().flat_map(|rule| rule(&files)).collect();
    let new: Vec<&String> =
        complaints.iter().filter(|c| !KNOWN.iter().any(|(part, _)| c.contains(part))).collect();
    let stale: Vec<&str> = KNOWN
        .iter()
        .filter(|(part, _)| !complaints.iter().any(|c| c.contains(part)))
        .map(|(part, _)| *part)
        .collect();
    for complaint in &new {
        println!("{complaint}");
    }
    assert!(new.is_empty(), "{} complaints, see above", new.len());
    assert!(stale.is_empty(), "take from KNOWN: {stale:?}");
}

/// What a rule has to say about files.
type Rule = fn(&[File]) -> Vec<String>;

fn one(path: &str, text: &str) -> Vec<File> {
    several(&[(path, text)])
}

fn several(files: &[(&str, &str)]) -> Vec<File> {
    let files = files.iter().map(|(path, text)| (path.to_string(), text.to_string()));
    code::files(files.collect())
}

fn complains(rule: Rule, path: &str, text: &str) {
    assert!(!rule(&one(path, text)).is_empty(), "nothing said about {path}: {text}");
}

fn is_content(rule: Rule, path: &str, text: &str) {
    assert_eq!(rule(&one(path, text)), Vec::<String>::new(), "{path}: {text}");
}

#[test]
fn imports_that_go_up_are_seen() {
    let target = ("src/gateway/mod.rs", "");
    for text in [
        "use crate::gateway::Session;",
        "use crate::{mail::Id, gateway::{self, Session}};",
        "use crate::{\n  mail::Id,\n  gateway as g,\n};",
        "fn f() { crate::gateway::run() }",
        "use super::super::gateway::Session;",
        "pub(crate) use crate::gateway;",
    ] {
        let files = several(&[("src/smtp/line.rs", text), target, ("src/mail/mod.rs", "")]);
        assert!(!floors(&files).is_empty(), "{text}");
    }
    complains(floors, "src/scan/run.rs", "use crate::downstream::Pool;");
    complains(floors, "src/smtp/line.rs", "use crate::message::header;");
    complains(floors, "src/cli/run.rs", "use crate::nowhere::x;");
    is_content(floors, "src/gateway/session.rs", "use crate::{smtp::line, mail::Id}; // use crate::cli::x;");
    is_content(floors, "src/smtp/line.rs", "const A: &str = \"crate::gateway::x\";");
    is_content(floors, "src/smtp/line.rs", "#[cfg(test)]\nmod tests { use crate::gateway::x; }");
}

#[test]
fn circles_are_seen_through_modules() {
    let head = ("src/a/mod.rs", "mod one;\nmod two;\npub use one::One;\npub use two::{Two, three::*};");
    let circle = [head, ("src/a/one.rs", "use super::Two;"), ("src/a/two.rs", "use super::one::One;")];
    assert!(!circles(&several(&circle)).is_empty());
    let circle =
        [head, ("src/a/one.rs", "fn f() { super::two::g() }"), ("src/a/two.rs", "use crate::a::{One};")];
    assert!(!circles(&several(&circle)).is_empty());
    let line = [head, ("src/a/one.rs", "use super::Two;"), ("src/a/two.rs", "use super::head;")];
    assert!(circles(&several(&line)).is_empty());
    let busy = [("src/a/mod.rs", "mod one;\nfn f() { one::g() }"), ("src/a/one.rs", "use super::f;")];
    assert!(!circles(&several(&busy)).is_empty());
}

#[test]
fn impurity_is_seen() {
    for text in [
        "use tokio::time;",
        "use std::{io, net::TcpStream};",
        "fn f() { std::net::UdpSocket::bind(x) }",
        "fn f() { let t = Instant::now(); }",
        "fn f() { std::time::SystemTime::now() }",
        "use tracing::info;",
        "fn f() { println!(\"x\") }",
        "use std::{fs, io};",
    ] {
        complains(pure, "src/smtp/line.rs", text);
        complains(pure, "src/config/model.rs", text);
    }
    is_content(pure, "src/config/load.rs", "use std::fs;");
    is_content(pure, "src/smtp/line.rs", "use std::net::{IpAddr, SocketAddr}; // tokio");
    is_content(pure, "src/gateway/x.rs", "use tokio::time;");
}

#[test]
fn lengths_are_seen() {
    let long = "fn f() {}\n".repeat(401);
    complains(lengths, "src/mail/x.rs", &long);
    is_content(
        lengths,
        "src/mail/x.rs",
        &format!("{}// c\n\n\n{}", "fn f() {}\n".repeat(400), "// c\n".repeat(99)),
    );
    is_content(lengths, "src/mail/x.rs", &format!("#[cfg(test)]\nmod tests {{\n{long}}}"));
    is_content(lengths, "src/mail/x.rs", &"    (\"a\", 1),\n".repeat(700));
    complains(lengths, "src/mail/x.rs", &"    (\"a\", 1),\n".repeat(801));
    complains(functions, "src/mail/x.rs", &format!("fn f() {{\n{}}}", "    x();\n".repeat(71)));
    let short = "fn g() {}\n".repeat(20);
    is_content(functions, "src/mail/x.rs", &format!("{short}fn f() {{\n{}}}", "    x();\n".repeat(70)));
    let arms = "        A => b,\n".repeat(100);
    is_content(functions, "src/mail/x.rs", &format!("{short}fn f() {{\n    match x {{\n{arms}    }}\n}}"));
    let many = format!("fn f() {{\n{}}}\n", "    x();\n".repeat(40)).repeat(3);
    complains(functions, "src/mail/x.rs", &many);
}

#[test]
fn reply_texts_outside_the_catalogue_are_seen() {
    for text in [
        "const A: &str = \"550 no\";",
        "fn f() { w(b\"250-ok\") }",
        "fn f() { w(r#\"354 go\"#) }",
        "const E: Entry = Entry::new(550, E(5, 0, 0), \"no\");",
        "fn f() { Entry::plain(220, \"x\") }",
    ] {
        complains(reply_texts, "src/gateway/x.rs", text);
        is_content(reply_texts, "src/reply/x.rs", text);
    }
    is_content(reply_texts, "src/gateway/x.rs", "const A: &str = \"4096 octets\"; // \"550 no\"");
}

#[test]
fn arms_without_names_are_seen() {
    complains(every_arm_named, "src/smtp/server/x.rs", "fn f() { match s { A => 1, _ => 2 } }");
    complains(every_arm_named, "src/smtp/client/x.rs", "fn f() { match s { A => 1, _ if y => 2 } }");
    let on = "fn f() { match v { Verdict::Hold => { g() } Verdict::Accept => 1, _ => 2 } }";
    complains(every_arm_named, "src/gateway/x.rs", on);
    complains(every_arm_named, "src/gateway/x.rs", "fn f() { match d { Disposition::Hold => 1, _ => 2 } }");
    is_content(every_arm_named, "src/gateway/x.rs", "fn f() { match s { A => 1, _ => 2 } }");
    let inner = "fn f() { match v { Verdict::Hold => match x { 1 => 2, _ => 3 }, Verdict::Accept => 1 } }";
    is_content(every_arm_named, "src/gateway/x.rs", inner);
}

#[test]
fn habits_are_seen() {
    complains(module_files, "src/main.rs", &"fn f() {}\n".repeat(16));
    complains(module_files, "src/mail/mod.rs", &"fn f() {}\n".repeat(16));
    is_content(module_files, "src/mail/mod.rs", &"//! x\nmod a;\npub use a::{b,\n c};\n".repeat(16));
    complains(heads, "src/mail/x.rs", "use a::b;");
    is_content(heads, "src/mail/x.rs", "//! Words.\n");
    let tests = [("src/a/mod.rs", "//! A.\n#[cfg(test)]\nmod tests;"), ("src/a/tests/mod.rs", "mod one;")];
    assert_eq!(heads(&several(&tests)), Vec::<String>::new());
    assert!(!heads(&several(&tests[1..])).is_empty());
    complains(safe, "src/mail/x.rs", "fn f() { unsafe { g() } }");
    is_content(safe, "src/mail/x.rs", "// unsafe\nconst A: &str = \"unsafe\";");
    complains(reasons, "src/mail/x.rs", "#[allow(dead_code)]\nfn f() {}");
    complains(reasons, "src/mail/x.rs", "#![expect(dead_code)]\nfn f() {}");
    is_content(reasons, "src/mail/x.rs", "#[expect(\n dead_code,\n reason = \"x\"\n)]\nfn f() {}");
}
