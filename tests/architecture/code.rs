//! Source text without what is no code: comments, the content of strings, tests.

use std::collections::BTreeSet;
use std::path::Path;

/// One file.
pub struct File {
    /// From the package's root, `/` between.
    pub path: String,
    pub text: String,
    /// Without comments and tests, strings empty; line ends stay.
    pub code: String,
    /// The strings, and on which line each stands.
    pub strings: Vec<(usize, String)>,
    /// Full paths of everything that is used: `use` with groups spelled out, and paths in the code that begin
    /// with `crate`, `super` or `self`.
    pub paths: Vec<Vec<String>>,
}

impl File {
    /// `["smtp", "line"]` for `src/smtp/line.rs`, `["smtp"]` for its `mod.rs`.
    pub fn module(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|l| l == "mod") || module == ["lib"] || module == ["main"] {
            module.pop();
        }
        module
    }

    pub fn is_head(&self) -> bool {
        self.path.ends_with("/mod.rs") || self.path == "src/lib.rs"
    }

    /// The top module: the name of the floor.
    pub fn floor(&self) -> String {
        self.module().first().cloned().unwrap_or_default()
    }

    /// A path of this file as it is from the crate's root; `None` for one that leads out of the crate.
    pub fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut base = self.module();
        let mut rest = path;
        match rest.first().map(String::as_str) {
            Some("crate" | "portcullis") => base.clear(),
            Some("self") => {}
            Some("super") => {
                base.pop()?;
                while rest.get(1).is_some_and(|s| s == "super") {
                    base.pop()?;
                    rest = &rest[1..];
                }
            }
            _ => return None,
        }
        base.extend_from_slice(&rest[1..]);
        Some(base)
    }

    pub fn lines_of_code(&self) -> usize {
        self.code.lines().filter(|l| !l.trim().is_empty()).count()
    }
}

/// All files of `src` that are not tests.
pub fn load() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    files(found)
}

/// Files of (path, text) pairs; those that a `#[cfg(test)] mod x;` names are left out, with what is below them.
pub fn files(pairs: Vec<(String, String)>) -> Vec<File> {
    let mut tests = BTreeSet::new();
    let mut all = Vec::new();
    for (path, text) in pairs {
        let (code, strings) = strip(&text);
        let (code, named) = without_tests(&code);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let stem = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        for name in named {
            tests.insert(format!("{folder}/{name}.rs"));
            tests.insert(format!("{folder}/{stem}/{name}.rs"));
        }
        let kept: BTreeSet<usize> =
            code.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(|(at, _)| at + 1).collect();
        let strings = strings.into_iter().filter(|(line, _)| kept.contains(line)).collect();
        let paths = paths(&code);
        all.push(File { path, text, code, strings, paths });
    }
    let below = |path: &str| tests.iter().any(|t| path.starts_with(&t.replace(".rs", "/")));
    all.retain(|f| !tests.contains(&f.path) && !below(&f.path));
    all
}

/// Code with comments blanked and strings emptied, and the strings.
fn strip(text: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut strings) = (String::new(), Vec::new());
    let mut at = 0;
    let newlines = |from: usize, to: usize| chars[from..to].iter().filter(|&&c| c == '\n').count();
    while at < chars.len() {
        let rest = &chars[at..];
        let after_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        let end = if rest.starts_with(&['/', '/']) {
            at + rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())
        } else if rest.starts_with(&['/', '*']) {
            at + comment_end(rest)
        } else if let Some((open, close)) = string_at(rest).filter(|_| !after_word || rest[0] == '"') {
            let line = out.matches('\n').count() + 1;
            strings.push((line, rest[open..close.0].iter().collect()));
            out.push_str("\"\"");
            at + close.1
        } else if let Some(length) = char_at(rest) {
            out.push_str("' '");
            at + length
        } else {
            out.push(rest[0]);
            at += 1;
            continue;
        };
        out.extend(std::iter::repeat_n('\n', newlines(at, end)));
        at = end;
    }
    (out, strings)
}

fn comment_end(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(&['/', '*']) {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(&['*', '/']) {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A string that begins here: where its content begins, where that and the whole end.
fn string_at(rest: &[char]) -> Option<(usize, (usize, usize))> {
    let mut at = rest.iter().take(2).take_while(|c| matches!(c, 'b' | 'c' | 'r')).count();
    let raw = rest[..at].contains(&'r');
    let hashes = if raw { rest[at..].iter().take_while(|&&c| c == '#').count() } else { 0 };
    at += hashes;
    if rest.get(at) != Some(&'"') {
        return None;
    }
    let open = at + 1;
    at = open;
    while at < rest.len() {
        if !raw && rest[at] == '\\' {
            at += 2;
            continue;
        }
        let closes = rest[at] == '"' && rest[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
        if closes {
            return Some((open, (at, at + 1 + hashes)));
        }
        at += 1;
    }
    None
}

/// A character (not a lifetime): its length.
fn char_at(rest: &[char]) -> Option<usize> {
    if rest.first() != Some(&'\'') {
        return None;
    }
    if rest.get(1) == Some(&'\\') {
        return rest.iter().skip(3).position(|&c| c == '\'').map(|n| n + 4);
    }
    (rest.get(2) == Some(&'\'')).then_some(3)
}

/// Code without items behind `#[cfg(test)]`, and the names of the modules in files of their own among them.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut out, mut names) = (String::new(), Vec::new());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(at);
        out.push_str(before);
        let end = item_end(item);
        if let Some((_, name)) = item[..end].trim_end_matches(';').rsplit_once("mod ")
            && !item[..end].contains('{')
        {
            names.push(name.trim().to_owned());
        }
        out.extend(std::iter::repeat_n('\n', item[..end].matches('\n').count()));
        rest = &item[end..];
    }
    out.push_str(rest);
    (out, names)
}

fn item_end(item: &str) -> usize {
    match (item.find('{'), item.find(';')) {
        (Some(open), semi) if semi.is_none_or(|semi| open < semi) => open + closing(&item[open..]),
        (_, Some(semi)) => semi + 1,
        (_, None) => item.len(),
    }
}

/// Octets up to and with the bracket that closes the one at the start.
pub fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Words (names and numbers) with what stands between them.
fn words(code: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut start = None;
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        match (c.is_alphanumeric() || c == '_', start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                out.push((from, &code[from..at]));
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    out
}

fn paths(code: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut skip_to = 0;
    for (at, word) in words(code) {
        if at < skip_to {
            continue;
        }
        if word == "use" {
            let end = at + code[at..].find(';').unwrap_or(code.len() - at);
            expand(&code[at + 3..end], &[], &mut out);
            skip_to = end;
        } else if matches!(word, "crate" | "super" | "self") && code[at + word.len()..].starts_with("::") {
            let tail = &code[at..];
            let end =
                tail.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(tail.len());
            out.push(tail[..end].split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect());
            skip_to = at + end;
        }
    }
    out
}

/// Spells out a `use` tree.
fn expand(tree: &str, before: &[String], out: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let (head, group) = match tree.find('{') {
        Some(open) => (&tree[..open], Some(&tree[open + 1..open + closing(&tree[open..]) - 1])),
        None => (tree, None),
    };
    let head = head.split(" as ").next().unwrap_or_default();
    let mut path = before.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned));
    let Some(group) = group else {
        if path.len() > 1 && path.last().is_some_and(|l| l == "self") {
            path.pop();
        }
        out.push(path);
        return;
    };
    let (mut depth, mut from) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[from..at].trim().is_empty() {
                    expand(&group[from..at], &path, out);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}
