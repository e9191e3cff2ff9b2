//! `portcullis test message`: the rules of content as they are in the files, and messages from files. Works without the
//! gateway, and with `--no-network` without name servers and engines. Exit codes: 0 every message passes, 2 one would be
//! kept or refused, or cannot be read.

use super::envelopes::{self, About};
use super::sender;
use super::tried::{Tried, World};
use crate::cli::exit::REFUSED;
use crate::cli::out::{self, Ink, Paint};
use crate::config::{self, Moment};
use crate::mail::escape;
use crate::rules::Problem;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Largest message in octets.
const OCTETS_MAX: u64 = 100 << 20;
/// Files of one folder.
const FILES_MAX: usize = 1_000_000;
/// Files that are read before the first of them is printed.
const BATCH: usize = 64;

/// Options of the verb.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A message is tried as it would come over SMTP: bare line ends become CRLF, and a line \"From …\" of a mailbox file is left out."
)]
pub(super) struct Options {
    /// Messages; of a folder all files in it, "-" is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Address of the client; without it nobody has anything to prove by SPF, DKIM and DMARC
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// HELO or EHLO name
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// Forward-confirmed reverse name of the client
    #[arg(long, value_name = "NAME")]
    reverse_name: Option<String>,
    /// Envelope sender; "" or "<>" is the null one. Without it and --envelopes that of the Return-Path field at the top of the message, else the address of its From field
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Recipient; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// A table of envelopes, tabs between columns; its first line names them: path, client_ip, helo, rdns, mail_from, rcpt_to
    #[arg(long, value_name = "TSV")]
    envelopes: Option<PathBuf>,
    /// Ask no name servers and no engines, so that nothing is known of SPF, DKIM and DMARC
    #[arg(long)]
    no_network: bool,
    /// Print one JSON object a line for each message
    #[arg(long)]
    json: bool,
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
    let world = match World::of(policy, !options.no_network, now) {
        Ok(world) => world,
        Err(error) => {
            complain!("portcullis: {error}");
            return REFUSED.into();
        }
    };
    match all(options, &world) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => REFUSED.into(),
        Err(error) => {
            complain!("portcullis: {error}");
            REFUSED.into()
        }
    }
}

/// Whether all of them pass.
fn all(options: &Options, world: &World) -> Result<bool, String> {
    let common = About {
        client: options.ip,
        hello: options.helo.as_deref().map(Box::from),
        reverse_name: options.reverse_name.as_deref().map(Box::from),
        sender: options.from.as_deref().map(|text| envelopes::path("--from", text)).transpose()?,
        recipients: options.to.iter().map(|text| envelopes::path("--to", text)).collect::<Result<_, _>>()?,
    };
    let table = options.envelopes.as_deref().map(envelopes::Table::read).transpose()?;
    let files = files(&options.files)?;
    let mut good = true;
    for batch in files.chunks(BATCH) {
        for tried in in_parallel(batch, |file| {
            let Some(table) = &table else { return alone(world, file, &common) };
            let about = table.of(file).unwrap_or(&common);
            world.tried(file, about.envelope(&world.policy)?, &contents(file)?)
        }) {
            match tried {
                Ok(tried) => {
                    good &= matches!(tried.verdict, "pass" | "tag");
                    if options.json {
                        out::json_line(&tried);
                    } else {
                        out::print(&words(&tried, Paint::of_stdout()));
                    }
                }
                Err(error) => {
                    complain!("portcullis: {error}");
                    good = false;
                }
            }
        }
    }
    Ok(good)
}

/// A message without a table; who sends it, its header may say.
fn alone(world: &World, file: &Path, common: &About) -> Result<Tried, String> {
    let message = contents(file)?;
    let found = common.sender.is_none().then(|| sender::of(&message)).flatten();
    let about = About { sender: found.clone().or_else(|| common.sender.clone()), ..common.clone() };
    let mut tried = world.tried(file, about.envelope(&world.policy)?, &message)?;
    tried.header_sender = found.map(|sender| sender.to_string());
    Ok(tried)
}

/// In the order of the files, as many at once as there are cores.
fn in_parallel<T: Send>(files: &[PathBuf], each: impl Fn(&Path) -> T + Sync) -> Vec<T> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((at, file)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    files.get(at).map(|file| (at, file))
                } {
                    let tried = each(file);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, tried);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

fn words(tried: &Tried, paint: Paint) -> String {
    let ink = if matches!(tried.verdict, "pass") { Ink::Good } else { Ink::Bad };
    let mut text = format!("{}: {} {}\n", tried.file, tried.score, paint.ink(ink, tried.verdict));
    if let Some(sender) = &tried.header_sender {
        let shown = if sender.is_empty() { "<>".into() } else { escape(sender.as_bytes()) };
        text.push_str(&format!("         sender: {shown}, from the header\n"));
    }
    for scanner in &tried.scanners {
        text.push_str(&format!("         {}: {}\n", scanner.name, scanner.said));
    }
    if let Some(proved) = &tried.authentication {
        let words: Vec<String> = proved.iter().map(|(method, result)| format!("{method}={result}")).collect();
        text.push_str(&format!("         {}\n", words.join(" ")));
    }
    for symbol in &tried.symbols {
        let told = if symbol.enforced { "" } else { " (mode log)" };
        text.push_str(&format!(
            "  {:>6} {}{told} ({}) {}\n",
            symbol.score, symbol.id, symbol.place, symbol.reason
        ));
    }
    text
}

/// The files; those of a folder in the order of their names.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut out = Vec::new();
    for path in named {
        if !path.is_dir() {
            out.push(path.clone());
            continue;
        }
        let error = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(error)?.take(FILES_MAX) {
            let entry = entry.map_err(error)?.path();
            if entry.is_file() {
                inside.push(entry);
            }
        }
        inside.sort_unstable();
        out.extend(inside);
    }
    Ok(out)
}

/// A message as it would come over SMTP; `-` is standard input.
fn contents(file: &Path) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let read = if file == Path::new("-") {
        std::io::copy(&mut std::io::stdin().lock().take(OCTETS_MAX), &mut octets)
    } else {
        std::fs::File::open(file).and_then(|f| std::io::copy(&mut f.take(OCTETS_MAX), &mut octets))
    };
    read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(as_sent(&octets))
}

fn as_sent(octets: &[u8]) -> Vec<u8> {
    let end = octets.iter().position(|b| *b == b'\n').map_or(octets.len(), |at| at + 1);
    let octets = if octets.starts_with(b"From ") { octets.get(end..).unwrap_or_default() } else { octets };
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 40);
    let mut before = 0;
    for &b in octets {
        if b == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(b);
        before = b;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Policy;

    fn policy() -> Policy {
        let gateway = "hostname = \"mx.example.net\"\nstate_dir = \"state\"\n\
             [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:25\"\ndirection = \"inbound\"\ndownstream = \"mx\"\n\
             [[downstream]]\nname = \"mx\"\naddresses = [\"127.0.0.1:2525\"]\n[relay]\ndomains = [\"example.net\"]\n";
        let content = "[[rule]]\nid = \"lottery\"\nscore = 5.5\nnote = \"lots\"\ntext = \"you have won\"\n\
             [[rule]]\nid = \"from-us\"\nscore = 0.25\nsender = \"example.org\"\n";
        let sources = config::Sources::of(&[("gateway.toml", gateway), ("content.toml", content)]);
        let (policy, problems) = config::parse_files(&sources, Path::new("rules"), Moment::at(0));
        policy.unwrap_or_else(|| panic!("{problems:?}"))
    }

    #[test]
    fn a_message_is_tried_with_its_envelope() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.eml");
        std::fs::write(&file, "From x\nSubject: hi\n\nYou have\nwon!\n").unwrap();
        std::fs::write(folder.path().join("b.eml"), "Subject: hi\n\nno\n").unwrap();
        let policy = policy();
        let about =
            About { sender: Some(envelopes::path("--from", "a@example.org").unwrap()), ..About::default() };
        let world = World::of(policy, false, 0).unwrap();
        let envelope = about.envelope(&world.policy).unwrap();
        let tried = world.tried(&file, envelope, &contents(&file).unwrap()).unwrap();
        assert_eq!((tried.score, tried.verdict, tried.octets), (5.75, "tag", 31));
        let json = serde_json::to_value(&tried).unwrap();
        assert_eq!(json["symbols"][0]["id"], "lottery");
        assert_eq!(json["symbols"][0]["reason"], "lots: you have won");
        assert_eq!(json["symbols"][0]["place"], "content.toml:1");
        assert_eq!(json["facts"]["plain"], 1);
        assert!(json.get("scanners").is_none() && json.get("authentication").is_none(), "nobody was asked");
        let text = words(&tried, Paint::none());
        assert!(text.contains("tag\n     5.5 lottery (content.toml:1) lots: you have won\n"), "{text}");
        let both = files(&[folder.path().to_owned()]).unwrap();
        assert_eq!(in_parallel(&both, |file| file.file_name().unwrap().to_owned()), ["a.eml", "b.eml"]);
        assert!(contents(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn the_header_names_the_sender_where_nobody_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.eml");
        std::fs::write(&file, "From: Ann <a@example.org>\nSubject: hi\n\nhello\n").unwrap();
        let world = World::of(policy(), false, 0).unwrap();
        let tried = alone(&world, &file, &About::default()).unwrap();
        assert_eq!((tried.score, tried.symbols[0].id.as_str()), (0.25, "from-us"));
        assert_eq!(serde_json::to_value(&tried).unwrap()["header_sender"], "a@example.org");
        let text = words(&tried, Paint::none());
        assert!(text.contains("\n         sender: a@example.org, from the header\n"), "{text}");
        // The null sender still is the null sender.
        let null = About { sender: Some(envelopes::path("--from", "<>").unwrap()), ..About::default() };
        let tried = alone(&world, &file, &null).unwrap();
        assert_eq!((tried.score, tried.header_sender.as_deref()), (0.0, None));
        assert!(!words(&tried, Paint::none()).contains("sender:"));
    }

    #[test]
    fn files_become_messages_of_smtp() {
        for (file, want) in [("a\nb\r\nc", "a\r\nb\r\nc"), ("From x\ny\n", "y\r\n"), ("From x", ""), ("", "")]
        {
            assert_eq!(as_sent(file.as_bytes()), want.as_bytes(), "{file:?}");
        }
    }
}
