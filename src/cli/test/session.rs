//! `portcullis test session`: the rules as they are in the files, and a session that never was. Works without the
//! gateway. Exit codes: 0 passes, 2 refused.

use super::script::{self, Part};
use crate::checks::{Judgement, Scene, judge};
use crate::cli::exit::REFUSED;
use crate::cli::judged::{View, text};
use crate::cli::out::{self, Paint};
use crate::config::model::{Listener, Outcome, Policy};
use crate::config::{self, Moment};
use crate::mail::{Mailbox, Path as MailPath};
use crate::rules::{Problem, nearest, parse_size};
use crate::verdict::{Direction, Fact};
use serde::Serialize;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// Options of the verb. What is not said is harmless: no reverse name, no country, on no DNS list, names that resolve.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A script is a file such as:\n\n  client 192.0.2.7\n  EHLO mx.example.com\n  MAIL FROM:<anna@example.com> SIZE=1000\n  RCPT TO:<bob@example.net>\n  DATA"
)]
pub(super) struct Options {
    /// A file with what the client says; options win over it
    #[arg(value_name = "SCRIPT")]
    script: Option<PathBuf>,
    /// Address of the client
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// HELO or EHLO name
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// Envelope sender; "" or "<>" is the null one
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Recipient; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// Authenticated as this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Over TLS
    #[arg(long)]
    tls: bool,
    /// Listener by name; the first inbound one if not given
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Declared size, such as 10M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: Option<u64>,
    /// Forward-confirmed reverse name of the client
    #[arg(long, value_name = "NAME")]
    reverse_name: Option<String>,
    /// Mailbox of the From: field
    #[arg(long, value_name = "ADDRESS")]
    header_from: Option<String>,
    /// Country of the client
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// Sum of the weights of DNS lists, such as 1.5
    #[arg(long, value_name = "SCORE", value_parser = score)]
    listed: Option<i32>,
    /// Print one JSON object a line for each transaction
    #[arg(long)]
    json: bool,
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}

/// Thousandths of a decimal number.
fn score(text: &str) -> Result<i32, String> {
    let score: f64 = text.parse().map_err(|_| "expected a decimal number such as 1.5".to_owned())?;
    if score.abs() > 1_000_000.0 || score.is_nan() {
        return Err("at most 1000000".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let milli = (score * 1000.0).round() as i32;
    Ok(milli)
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let (policy, problems) = config::load(rules, Moment::at(now));
    problems.iter().filter(|p| policy.is_none() && Problem::is_error(p)).for_each(|p| complain!("{p}"));
    let Some(policy) = policy else {
        complain!("portcullis: the rules have errors, see above");
        return REFUSED.into();
    };
    match scenes(options, &policy, now) {
        Ok(scenes) => show(&scenes, &policy, options.json),
        Err(error) => {
            complain!("portcullis: {error}");
            REFUSED.into()
        }
    }
}

/// Prints what becomes of each; the exit code is that of the worst.
fn show(scenes: &[Scene], policy: &Policy, json: bool) -> ExitCode {
    let mut good = true;
    for scene in scenes {
        let judged = judge(scene, policy);
        good &= judged.outcome == Outcome::Pass;
        if json {
            out::json_line(&Line { scene, judged: View::of(&judged) });
        } else {
            out::print(&words(scene, &judged, Paint::of_stdout()));
        }
    }
    if good { ExitCode::SUCCESS } else { REFUSED.into() }
}

#[derive(Serialize)]
struct Line<'a> {
    scene: &'a Scene,
    #[serde(flatten)]
    judged: View<'a>,
}

fn words(scene: &Scene, judged: &Judgement, paint: Paint) -> String {
    let name = scene.reverse_name.known().map(|name| format!(" ({name})")).unwrap_or_default();
    let tls = if scene.tls { ", TLS" } else { "" };
    let user = scene.user.as_deref().map(|user| format!(", authenticated as {user}")).unwrap_or_default();
    let head = format!("client {}{name} on listener {}{tls}{user}\n", scene.client, scene.listener);
    head + &text(judged, scene.hello.as_deref(), scene.sender.as_deref(), paint)
}

fn scenes(options: &Options, policy: &Policy, now: i64) -> Result<Vec<Scene>, String> {
    let tolerance = policy.protocol.syntax.tolerance();
    let terms = script::Terms { tolerance, greeted: options.helo.is_some() };
    let script = match &options.script {
        Some(file) => {
            script::read(&contents(file)?, terms).map_err(|error| format!("{}: {error}", file.display()))?
        }
        None => script::Script { client: None, parts: vec![Part::default()] },
    };
    let client = options.ip.or(script.client);
    if client.is_none() && options.script.is_none() && options.helo.is_none() && options.from.is_none() {
        return Err("nothing to test: name a SCRIPT, or --ip, --helo, --from and --to".to_owned());
    }
    // An address of nobody (RFC 5737), so that what is said of names and senders can be tried alone.
    let client = client.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let scene = scene(options, listener(options, policy)?, client, now)?;
    Ok(script.parts.into_iter().map(|part| filled(scene.clone(), part)).collect())
}

fn filled(mut scene: Scene, part: Part) -> Scene {
    part.fill(&mut scene);
    scene
}

fn scene(options: &Options, listener: &Listener, client: IpAddr, now: i64) -> Result<Scene, String> {
    let mut scene = Scene::of(client, &listener.name, now);
    if let Some(country) = &options.country {
        scene = scene.in_country(&country.to_ascii_uppercase());
    }
    if let Some(listed) = options.listed {
        scene = scene.listed(listed);
    }
    let recipients: Result<_, _> = options.to.iter().map(|text| path("--to", text)).collect();
    if let Some(bad) = options.header_from.as_deref().filter(|t| Mailbox::parse(t.as_bytes()).is_err()) {
        return Err(format!(
            "--header-from: expected an address such as \"anna@example.com\", found \"{bad}\""
        ));
    }
    Ok(Scene {
        reverse_name: options.reverse_name.as_deref().map_or(Fact::Absent, |name| Fact::Known(name.into())),
        direction: listener.direction,
        hello: options.helo.as_deref().map(Box::from),
        tls: options.tls,
        authenticated: options.user.is_some(),
        user: options.user.as_deref().map(Box::from),
        sender: options.from.as_deref().map(|text| path("--from", text)).transpose()?,
        recipients: recipients?,
        declared_octets: options.size,
        header_from: options.header_from.iter().map(|text| text.as_str().into()).collect(),
        ..scene
    })
}

/// A path in brackets, of an address with or without them.
fn path(option: &str, text: &str) -> Result<Box<str>, String> {
    let whole = if text.starts_with('<') { text.to_owned() } else { format!("<{text}>") };
    match MailPath::parse(whole.as_bytes()) {
        Ok((MailPath::Null, _)) if option == "--to" => {
            Err("--to: the null path is nobody's address".to_owned())
        }
        Ok((_, used)) if used == whole.len() => Ok(whole.into()),
        Ok(_) | Err(_) => {
            Err(format!("{option}: expected an address such as \"anna@example.com\", found \"{text}\""))
        }
    }
}

fn listener<'p>(options: &Options, policy: &'p Policy) -> Result<&'p Listener, String> {
    let all = || policy.listeners.iter().map(|listener| &**listener);
    let found = match &options.listener {
        Some(name) => all().find(|listener| *listener.name == **name),
        None => all().find(|listener| listener.direction == Direction::Inbound).or(all().next()),
    };
    found.ok_or_else(|| {
        let name = options.listener.as_deref().unwrap_or_default();
        let near = nearest(name, all().map(|listener| &*listener.name));
        let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        format!("--listener: there is no [[listener]] named \"{name}\"{hint}")
    })
}

/// The text of a script; `-` is standard input.
fn contents(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(script::OCTETS_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|f| f.take(script::OCTETS_MAX).read_to_string(&mut text))
    };
    read.map(|_| text).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        options: Options,
    }

    fn options(words: &str) -> Options {
        Args::parse_from(std::iter::once("test").chain(words.split_whitespace())).options
    }

    fn policy() -> Policy {
        let text = "hostname = \"mx.example.net\"\nstate_dir = \"state\"\n\
             [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:25\"\ndirection = \"inbound\"\ndownstream = \"mx\"\n\
             [[downstream]]\nname = \"mx\"\naddresses = [\"127.0.0.1:2525\"]\n[relay]\ndomains = [\"example.net\"]\n";
        let none = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        let (policy, problems) = config::parse(text, Path::new("rules"), &none);
        policy.unwrap_or_else(|| panic!("{problems:?}"))
    }

    fn said(words: &str) -> Result<String, String> {
        let (options, policy) = (options(words), policy());
        let scenes = scenes(&options, &policy, 0)?;
        let [scene] = &scenes[..] else { panic!("{scenes:?}") };
        Ok(super::words(scene, &judge(scene, &policy), Paint::none()))
    }

    #[test]
    fn a_session_is_shown_stage_by_stage() {
        let got = said(
            "--ip 192.0.2.7 --helo localhost --from a@b.example --to x@example.net --to y@example.org --tls",
        );
        let want = "client 192.0.2.7 on listener in, TLS\n\
            connect\n  -> passes\n\
            HELO localhost\n  -> passes\n\
            MAIL <a@b.example>\n  reject (mode log) hello-unqualified (protocol.toml): localhost: a name without a domain\n  -> passes\n\
            RCPT <x@example.net>\n  -> passes\n\
            RCPT <y@example.org>\n  reject relay-control: domain is not in relay.domains [ban points of relay_denied]\n  \
            -> 550 5.7.1 relay access denied\n\
            DATA\n  -> passes\n\
            the message\n  -> passes\n\
            outcome: reject by relay-control\n";
        assert_eq!(got.unwrap(), want);
    }

    #[test]
    fn a_refusal_that_is_pending_is_told() {
        let got = said("--ip 192.0.2.7 --helo mx.example.net").unwrap();
        assert!(
            got.contains("reject hello-own-name (protocol.toml), said at RCPT: mx.example.net: our own"),
            "{got}"
        );
        assert!(got.ends_with("outcome: reject by hello-own-name (protocol.toml)\n"), "{got}");
    }

    #[test]
    fn json_has_the_same() {
        let policy = policy();
        let scenes = scenes(&options("--ip 192.0.2.7 --helo 192.0.2.7"), &policy, 0).unwrap();
        let judged = judge(&scenes[0], &policy);
        let line = serde_json::to_value(Line { scene: &scenes[0], judged: View::of(&judged) }).unwrap();
        assert_eq!(line["outcome"], "reject");
        assert_eq!(line["decided_by"]["id"], "hello-bare-address");
        assert_eq!(line["steps"][2]["findings"][0]["answer_at"], "rcpt");
        assert_eq!(line["scene"]["client"], "192.0.2.7");
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (words, want) in [
            ("--ip 192.0.2.7 --from a@b@c", "--from: expected an address"),
            ("--ip 192.0.2.7 --to <>", "--to: the null path"),
            ("--ip 192.0.2.7 --header-from a(b", "--header-from: expected"),
            (
                "--ip 192.0.2.7 --listener inn",
                "--listener: there is no [[listener]] named \"inn\"; did you mean \"in\"?",
            ),
            ("", "nothing to test"),
            ("/nowhere/at/all", "/nowhere/at/all cannot be read"),
        ] {
            let error = said(words).unwrap_err();
            assert!(error.starts_with(want), "{words}: {error}");
        }
        assert_eq!((score("1.5"), score("-0.25")), (Ok(1500), Ok(-250)));
        assert!(score("x").is_err() && score("1e9").is_err() && size("5X").is_err());
    }
}
