//! The rules.

use super::code::{File, closing};
use std::collections::{BTreeMap, BTreeSet};

/// The floors, lowest first; those of one row do not import each other.
const FLOORS: [&[&str]; 16] = [
    &["mail"],
    &["reply"],
    &["verdict"],
    &["smtp", "message"],
    &["rules"],
    &["config", "query"],
    &["checks"],
    &["content", "authentication"],
    &["store"],
    &["body"],
    &["scan", "lookup", "vault", "limits", "downstream", "records"],
    &["inspect"],
    &["desk"],
    &["gateway"],
    &["control"],
    &["cli"],
];
/// Floors 0 to 2.
const PURE: [&str; 11] = [
    "mail",
    "reply",
    "verdict",
    "smtp",
    "message",
    "rules",
    "config",
    "query",
    "checks",
    "content",
    "authentication",
];
const IMPURE: [&str; 12] = [
    "tokio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant::now",
    "SystemTime::now",
    "tracing",
    "log",
    "println",
    "eprintln",
    "print",
    "eprint",
];

fn rank(floor: &str) -> Option<usize> {
    FLOORS.iter().position(|row| row.contains(&floor))
}

/// Imports go down only.
pub fn floors(files: &[File]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files.iter().filter(|f| f.path != "src/lib.rs") {
        let from = if file.path == "src/main.rs" { FLOORS.len() } else { rank(&file.floor()).unwrap_or(0) };
        if file.path != "src/main.rs" && rank(&file.floor()).is_none() {
            out.push(format!("{}: on no floor", file.path));
        }
        for path in &file.paths {
            let Some(target) = file.absolute(path).and_then(|p| p.first().cloned()) else { continue };
            match rank(&target) {
                _ if target == file.floor() => {}
                Some(to) if to < from => {}
                Some(_) => out.push(format!("{}: {} is not below", file.path, path.join("::"))),
                // Items of lib.rs itself; there are none.
                None => out.push(format!("{}: {} is on no floor", file.path, path.join("::"))),
            }
        }
    }
    out
}

/// Which file an absolute path leads to, through re-exports.
fn target(files: &BTreeMap<Vec<String>, &File>, path: &[String], depth: usize) -> Option<String> {
    let length = (1..=path.len()).rev().find(|&n| files.contains_key(&path[..n]))?;
    let file = files[&path[..length]];
    let Some(name) = path.get(length) else { return Some(file.path.clone()) };
    if file.is_head() && depth < 8 {
        for exported in exports(file) {
            let last = exported.last().map(String::as_str);
            let mut absolute = match exported.first().map(String::as_str) {
                Some("crate" | "self" | "super") => file.absolute(&exported)?,
                _ => [file.module(), exported.clone()].concat(),
            };
            if last == Some("*") {
                absolute.pop();
                absolute.push(name.clone());
            } else if last != Some(name) {
                continue;
            }
            if let Some(found) = target(files, &absolute, depth + 1).filter(|f| *f != file.path) {
                return Some(found);
            }
        }
    }
    Some(file.path.clone())
}

/// What a head re-exports: its `use` lines whose first word is a module of its own, or a path.
fn exports(file: &File) -> Vec<Vec<String>> {
    file.paths.iter().filter(|p| p.len() > 1).cloned().collect()
}

/// Whether a head only declares and re-exports.
fn only_declares(file: &File) -> bool {
    other_lines(file) == 0
}

/// Lines of a head that neither declare nor re-export.
fn other_lines(file: &File) -> usize {
    let mut inside = false;
    let mut others = 0;
    for line in file.code.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        let begins = words.iter().take(4).any(|w| matches!(*w, "mod" | "use")) && !words.contains(&"fn");
        let begins = begins || line.starts_with("#[") || line.starts_with("#![");
        if begins || inside {
            inside = !line.ends_with(';') && !line.ends_with(']');
        } else {
            others += 1;
        }
    }
    others
}

/// No circles between the files of `src`.
pub fn circles(files: &[File]) -> Vec<String> {
    let by_module: BTreeMap<Vec<String>, &File> =
        files.iter().filter(|f| f.path != "src/main.rs").map(|f| (f.module(), f)).collect();
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|f| !(f.is_head() && only_declares(f))) {
        let own = edges.entry(&file.path).or_default();
        let mut all = file.paths.clone();
        if file.is_head() {
            // Code of a head reaches its own modules without `self`.
            all.extend(own_modules(file).into_iter().map(|m| vec!["self".to_owned(), m]));
        }
        for path in &all {
            let Some(absolute) = file.absolute(path) else { continue };
            if let Some(found) = target(&by_module, &absolute, 0).filter(|f| *f != file.path) {
                own.insert(found);
            }
        }
    }
    let reaches = |from: &str, to: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(at) = open.pop() {
            for next in edges.get(at.as_str()).into_iter().flatten() {
                if next == to {
                    return true;
                }
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        false
    };
    let in_circle: Vec<&str> = edges.keys().copied().filter(|f| reaches(f, f)).collect();
    let mut out = Vec::new();
    for file in &in_circle {
        let partners: Vec<&str> = in_circle
            .iter()
            .copied()
            .filter(|o| o != file && edges[file].contains(*o) && reaches(o, file))
            .collect();
        out.push(format!("circle: {file} uses {}", partners.join(", ")));
    }
    out
}

fn own_modules(file: &File) -> Vec<String> {
    let declared = file.code.lines().filter_map(|l| l.trim().trim_end_matches(';').rsplit_once("mod "));
    let names: Vec<String> = declared.map(|(_, name)| name.trim().to_owned()).collect();
    names.into_iter().filter(|n| file.code.matches(&format!("{n}::")).count() > 0).collect()
}

/// Floors 0 to 2 know no socket, clock, log or file.
pub fn pure(files: &[File]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files.iter().filter(|f| PURE.contains(&f.floor().as_str())) {
        for word in IMPURE {
            let used = file.paths.iter().any(|p| p.iter().any(|s| s == word));
            let macro_only = matches!(word, "println" | "eprintln" | "print" | "eprint");
            let said = named(&file.code, word, macro_only) && word != "log";
            if (used && !macro_only) || said {
                out.push(format!("{}: names {word}", file.path));
            }
        }
        let reads = file.paths.iter().any(|p| p.starts_with(&["std".into(), "fs".into()]));
        if (reads || file.code.contains("std::fs")) && file.path != "src/config/load.rs" {
            out.push(format!("{}: names std::fs", file.path));
        }
    }
    out
}

fn named(code: &str, word: &str, is_macro: bool) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let after = code[at + word.len()..].chars().next();
        let whole = !before && !after.is_some_and(|c| c.is_alphanumeric() || c == '_');
        whole && (!is_macro || after == Some('!'))
    })
}

/// Files of at most 400 lines of code; tables of one row a line up to 800.
pub fn lengths(files: &[File]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files {
        let lines = file.lines_of_code();
        let row = |l: &&str| {
            let l = l.trim();
            l.ends_with("),") || l.ends_with("},") || l.starts_with("pub const")
        };
        let rows = file.code.lines().filter(row).count();
        let most = if rows * 10 > lines * 7 { 800 } else { 400 };
        if lines > most {
            out.push(format!("{}: {lines} lines of code, {most} at most", file.path));
        }
    }
    out
}

/// Functions of at most 70 lines (one match with one-line arms: 120), nine in ten under 30.
pub fn functions(files: &[File]) -> Vec<String> {
    let (mut out, mut all, mut short) = (Vec::new(), 0, 0);
    for file in files {
        for (name, body) in bodies(&file.code) {
            let lines: Vec<&str> = body.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
            let arms = lines.iter().filter(|l| l.contains("=>") && l.ends_with(',')).count();
            let one_match = lines.first().is_some_and(|l| l.starts_with("match ")) && arms + 2 >= lines.len();
            let most = if one_match { 120 } else { 70 };
            all += 1;
            short += usize::from(lines.len() < 30);
            if lines.len() > most {
                out.push(format!("{}: fn {name} has {} lines, {most} at most", file.path, lines.len()));
            }
        }
    }
    if all > 0 && short * 10 < all * 9 {
        out.push(format!("functions: {short} of {all} have under 30 lines, nine in ten should"));
    }
    out
}

/// Names and bodies of functions.
fn bodies(code: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let tail = &code[at + 3..];
        let name = tail.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        // The body is the first brace outside of brackets; a semicolon before it means that there is none.
        let mut depth = 0;
        for (from, c) in tail.char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                ';' if depth == 0 => break,
                '{' if depth == 0 => {
                    let end = from + closing(&tail[from..]);
                    out.push((name, &tail[from + 1..end - 1]));
                    break;
                }
                _ => {}
            }
        }
    }
    out.retain(|(name, _)| !name.is_empty());
    out
}

/// Texts of replies stand in the catalogue.
pub fn reply_texts(files: &[File]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files.iter().filter(|f| f.floor() != "reply") {
        for (line, text) in &file.strings {
            let octets = text.as_bytes();
            let digits = octets.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 3 && matches!(octets.get(3), Some(b' ' | b'-')) && matches!(octets[0], b'2'..=b'5') {
                out.push(format!("{}: the text of a reply: {text:?} (line {line})", file.path));
            }
        }
        for made in ["Entry::new(", "Entry::plain("] {
            let own = |(at, _): &(usize, &str)| !file.code[..*at].ends_with(|c: char| c.is_alphanumeric());
            if file.code.match_indices(made).any(|hit| own(&hit)) {
                out.push(format!("{}: {made}…) outside the catalogue", file.path));
            }
        }
    }
    out
}

/// Every case has its name in the machines, and wherever a verdict is looked at.
pub fn every_arm_named(files: &[File]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files {
        let machine = file.path.starts_with("src/smtp/server") || file.path.starts_with("src/smtp/client");
        for patterns in matches(&file.code) {
            let about = patterns.iter().any(|p| {
                ["Verdict::", "Disposition::"].iter().any(|w| {
                    p.match_indices(w).any(|(at, _)| !p[..at].ends_with(|c: char| c.is_alphanumeric()))
                })
            });
            let open = patterns.iter().any(|p| *p == "_" || p.starts_with("_ if"));
            if open && (machine || about) {
                out.push(format!("{}: `_ =>` in the match with {}", file.path, patterns.join(" / ")));
            }
        }
    }
    out
}

/// The patterns of each match.
fn matches(code: &str) -> Vec<Vec<&str>> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices("match ") {
        if code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let mut depth = 0;
        for (from, c) in code[at..].char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                '{' if depth == 0 => {
                    let end = closing(&code[at + from..]);
                    out.push(patterns(&code[at + from + 1..at + from + end - 1]));
                    break;
                }
                _ => {}
            }
        }
    }
    out
}

fn patterns(body: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = body;
    while let Some(arrow) = find_outside(rest, "=>") {
        out.push(rest[..arrow].trim());
        let tail = rest[arrow + 2..].trim_start();
        let end = if tail.starts_with('{') {
            let end = closing(tail);
            end + usize::from(tail[end..].trim_start().starts_with(','))
                * (tail[end..].find(',').map_or(0, |n| n + 1))
        } else {
            find_outside(tail, ",").map_or(tail.len(), |n| n + 1)
        };
        rest = &tail[end..];
    }
    out
}

/// Position of `what` outside of all brackets.
fn find_outside(text: &str, what: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if depth == 0 && text[at..].starts_with(what) {
            return Some(at);
        }
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `main.rs` has at most 15 lines; heads have at most 15 that neither declare nor re-export.
pub fn module_files(files: &[File]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files {
        let lines = match () {
            () if file.path == "src/main.rs" => file.lines_of_code(),
            () if file.is_head() => other_lines(file),
            () => continue,
        };
        if lines > 15 {
            out.push(format!("{}: {lines} lines of code, 15 at most", file.path));
        }
    }
    out
}

/// Every file begins with what it is for.
pub fn heads(files: &[File]) -> Vec<String> {
    let without = files.iter().filter(|f| !f.text.starts_with("//! "));
    without.map(|f| format!("{}: no `//!` head", f.path)).collect()
}

/// No `unsafe`.
pub fn safe(files: &[File]) -> Vec<String> {
    let bad = files.iter().filter(|f| named(&f.code, "unsafe", false));
    bad.map(|f| format!("{}: unsafe", f.path)).collect()
}

/// Every exception has its reason.
pub fn reasons(files: &[File]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files {
        for start in ["#[allow(", "#[expect(", "#![allow(", "#![expect("] {
            for (at, _) in file.code.match_indices(start) {
                let open = at + start.find('[').unwrap_or(0);
                let text = &file.code[open..open + closing(&file.code[open..])];
                if !named(text, "reason", false) {
                    out.push(format!("{}: {text} without a reason", file.path));
                }
            }
        }
    }
    out
}
