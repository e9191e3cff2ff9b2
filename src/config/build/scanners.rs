//! `scanners.toml`.

use super::common::{self, Others};
use super::folder;
use crate::config::file::{Document, Got, Table};
use crate::config::model::{CommandLine, Engine, EngineAddress, Lane, OnInfected, ScannerRules, Scanning};
use crate::config::value::quoted;
use crate::rules::Mode;
use crate::verdict::Folder;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Scanners of one file.
const SCANNERS_MAX: usize = 32;
/// Addresses of one scanner.
const ADDRESSES_MAX: usize = 32;
/// Where infected mail goes if nothing is said.
const VIRUS: &str = "virus";
/// Keys of programs.
const OF_COMMANDS: [&str; 5] = ["command", "exit_clean", "exit_infected", "exit_spam", "spam_score"];

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Scanning> {
    let top = document.top()?;
    let deadline = top.duration("deadline");
    let cache = common::count_usize(&top, "cache");
    top.finish();
    let tables = document.tables("scanner");
    let (mut names, mut scanners) = (Vec::new(), Vec::new());
    for table in &tables {
        let name = common::name(table);
        if let Some(rules) = one(table, others, name.as_ref()) {
            if rules.timeout > deadline.value && rules.mode != Mode::Off {
                let timeout = table.duration("timeout");
                let span = if timeout.given { &timeout.span } else { &table.span };
                let most = deadline.value.as_secs();
                table.sink.warning(
                    span,
                    format!("`timeout` is longer than `deadline` at the top of the file, so it ends after {most} s"),
                );
            }
            scanners.push(Arc::new(rules));
        }
        names.extend(name);
        table.finish();
    }
    if let Some(table) = tables.first() {
        common::twice("scanner", "name", table.sink, &names.iter().collect::<Vec<_>>());
        if tables.len() > SCANNERS_MAX {
            let message = format!("{} scanners, at most {SCANNERS_MAX}", tables.len());
            table.sink.error(&table.span, message);
        }
    }
    Some(Scanning { deadline: deadline.value, cache, scanners })
}

fn one(table: &Table<'_>, others: &Others<'_>, name: Option<&Got<String>>) -> Option<ScannerRules> {
    let engine = engine(table);
    let on_infected = on_infected(table, others);
    let most = usize::try_from(table.number("concurrency").value).ok();
    let base = ScannerRules::named(name.map_or("", |got| got.value.as_str()), engine?);
    let on_too_large = table.word("on_too_large").map(|got| Lane::of(got.value));
    Some(ScannerRules {
        mode: table.mode("mode"),
        timeout: table.duration("timeout").value,
        concurrency: most.filter(|_| table.has("concurrency")),
        queue: common::count_usize(table, "queue"),
        max_octets: table.size("max_size").value,
        on_infected: on_infected?,
        on_error: table.word("on_error").map(|got| Lane::of(got.value)).unwrap_or_default(),
        on_too_large: on_too_large.unwrap_or(base.on_too_large),
        factor_milli: table.decimal("factor").map_or(base.factor_milli, |got| got.value),
        score_most_milli: table.decimal("score_most").map_or(base.score_most_milli, |got| got.value),
        skip: skip(table),
        breaker_failures: common::count(table, "breaker_failures"),
        breaker_pause: table.duration("breaker_pause").value,
        line: table.sink.line(&table.span),
        ..base
    })
    .filter(|_| name.is_some())
}

/// What it is, with the keys that only this kind has. Keys of other kinds are told.
fn engine(table: &Table<'_>) -> Option<Engine> {
    let addresses = table.list("addresses");
    let user = table.filled("user");
    let command = table.list("command");
    let codes = [exits(table, "exit_clean"), exits(table, "exit_infected"), exits(table, "exit_spam")];
    let spam_milli = table.decimal("spam_score").map_or(0, |got| got.value);
    let word = table.word("engine")?;
    let is_command = word.value == "command";
    for key in OF_COMMANDS.iter().filter(|key| !is_command && table.has(key)) {
        misplaced(table, key, "command");
    }
    if is_command && table.has("addresses") {
        let message = "`addresses`: a program is started and not connected to: take the line out";
        table.sink.error(&addresses.span, message);
    }
    if word.value != "spamd" && user.is_some() {
        misplaced(table, "user", "spamd");
    }
    if is_command {
        return program(table, &command, codes, spam_milli).map(Engine::Command);
    }
    let addresses = self::addresses(table, &addresses)?;
    match word.value {
        "clamd" => Some(Engine::Clamd(addresses)),
        "rspamd" => Some(Engine::Rspamd(addresses)),
        _ => Some(Engine::Spamd { addresses, user: user.and_then(|got| spamd_user(table, &got)) }),
    }
}

fn misplaced(table: &Table<'_>, key: &str, engine: &str) {
    let span = table.raw(key).map_or_else(|| table.span.clone(), |found| found.span());
    table.sink.error(&span, format!("`{key}` is for engine = \"{engine}\": take the line out"));
}

/// It stands in a line of the request.
fn spamd_user(table: &Table<'_>, got: &Got<String>) -> Option<Box<str>> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'+');
    if got.value.len() <= 64 && got.value.bytes().all(good) {
        return Some(got.value.as_str().into());
    }
    let found = quoted(&got.value);
    let message = format!("`user`: expected up to 64 letters, digits, and - _ . @ +, found {found}");
    table.sink.error(&got.span, message);
    None
}

fn addresses(table: &Table<'_>, list: &Got<Vec<Got<String>>>) -> Option<Vec<EngineAddress>> {
    if list.value.is_empty() {
        let message = "`addresses`: at least one address is needed, for example [\"unix:/run/clamav/clamd.ctl\"] or [\"127.0.0.1:3310\"]";
        table.sink.error(&list.span, message);
        return None;
    }
    if list.value.len() > ADDRESSES_MAX {
        let message = format!("`addresses`: at most {ADDRESSES_MAX}, found {}", list.value.len());
        table.sink.error(&list.span, message);
    }
    let mut out: Vec<EngineAddress> = Vec::with_capacity(list.value.len());
    let mut good = true;
    for item in &list.value {
        match address(&item.value) {
            Ok(address) if out.contains(&address) => {
                good = false;
                table.sink.error(&item.span, format!("`addresses`: {address} is listed twice"));
            }
            Ok(address) => out.push(address),
            Err(message) => {
                good = false;
                table.sink.error(&item.span, format!("`addresses`: {message}"));
            }
        }
    }
    good.then_some(out)
}

fn address(text: &str) -> Result<EngineAddress, String> {
    let expected = "\"unix:\" and the path of a socket, or an address and port such as \"127.0.0.1:3310\"";
    if let Some(path) = text.strip_prefix("unix:") {
        if path.starts_with('/') {
            return Ok(EngineAddress::Unix(Path::new(path).to_owned()));
        }
        return Err(format!("the path of a socket begins with a slash, found {}", quoted(text)));
    }
    match text.parse::<SocketAddr>() {
        Ok(socket) if socket.port() == 0 => Err("nothing listens on port 0".to_owned()),
        Ok(socket) => Ok(EngineAddress::Tcp(socket)),
        Err(_) if text.starts_with('/') => Err(format!("a socket is written \"unix:{text}\"")),
        Err(_) => {
            let named = text.bytes().any(|b| b.is_ascii_alphabetic()) && !text.contains(['[', ' ', '/']);
            let why = if named { " (host names are not looked up)" } else { "" };
            Err(format!("expected {expected}{why}, found {}", quoted(text)))
        }
    }
}

fn program(
    table: &Table<'_>,
    command: &Got<Vec<Got<String>>>,
    codes: [Got<Vec<u8>>; 3],
    spam_milli: i32,
) -> Option<CommandLine> {
    let Some(first) = command.value.first() else {
        let message =
            "`command`: program and arguments are needed, for example [\"/usr/local/bin/look\", \"--mail\"]";
        table.sink.error(&command.span, message);
        return None;
    };
    if !first.value.starts_with('/') {
        let found = quoted(&first.value);
        let message = format!("`command`: expected the whole path of a program, found {found}");
        table.sink.error(&first.span, message);
        return None;
    }
    if let Some(bad) = command.value.iter().find(|word| word.value.contains('\0')) {
        table.sink.error(&bad.span, "`command`: no argument of a program has a NUL");
        return None;
    }
    let [clean, infected, spam] = codes;
    let mut seen: Vec<u8> = Vec::new();
    for (key, got) in [("exit_clean", &clean), ("exit_infected", &infected), ("exit_spam", &spam)] {
        if let Some(code) = got.value.iter().find(|code| seen.contains(code)) {
            table.sink.error(&got.span, format!("`{key}`: exit code {code} means something else already"));
        }
        seen.extend(&got.value);
    }
    Some(CommandLine {
        words: command.value.iter().map(|word| word.value.as_str().into()).collect(),
        clean: clean.value,
        infected: infected.value,
        spam: spam.value,
        spam_milli,
    })
}

fn exits(table: &Table<'_>, key: &str) -> Got<Vec<u8>> {
    let list = table.list(key);
    let mut out = Vec::with_capacity(list.value.len());
    for item in &list.value {
        match item.value.parse::<u8>() {
            Ok(code) => out.push(code),
            Err(_) => {
                let found = quoted(&item.value);
                table.sink.error(
                    &item.span,
                    format!("`{key}`: exit codes go from \"0\" to \"255\", found {found}"),
                );
            }
        }
    }
    Got { value: out, span: list.span, given: list.given }
}

fn on_infected(table: &Table<'_>, others: &Others<'_>) -> Option<OnInfected> {
    let word = table.word("on_infected")?;
    if word.value != "quarantine" && table.has("folder") {
        let span = table.raw("folder").map_or_else(|| table.span.clone(), |found| found.span());
        table.sink.error(&span, "`folder` is for on_infected = \"quarantine\": take the line out");
    }
    match word.value {
        "quarantine" if table.has("folder") => {
            folder::known(table, "folder", others).map(|got| OnInfected::Quarantine(got.value))
        }
        "quarantine" => Some(OnInfected::Quarantine(Folder(VIRUS.into()))),
        "discard" => Some(OnInfected::Discard),
        _ => Some(OnInfected::Reject),
    }
}

fn skip(table: &Table<'_>) -> Vec<Box<str>> {
    let list = table.list("skip");
    let mut out = Vec::with_capacity(list.value.len());
    for item in &list.value {
        let bare = item.value.strip_suffix('*').unwrap_or(&item.value);
        if item.value.is_empty() || bare.contains('*') {
            let found = quoted(&item.value);
            let message =
                format!("`skip`: expected the name of a symbol, perhaps with * at its end, found {found}");
            table.sink.error(&item.span, message);
        } else {
            out.push(item.value.as_str().into());
        }
    }
    out
}
