//! Signatures of malware: YARA rules and SHA-256 digests, compiled once and then only read.
//!
//! `signatures/NAME.yar` has rules in YARA's language, without `include`; `signatures/NAME.sha256` has one digest a line,
//! as `sha256sum` writes them or as `DIGEST:SIZE:NAME`. What is wrong in a file is told with its place. Search takes time
//! that is bounded by whoever asks; a search that is given up is an error and never says that nothing is there.

use super::{Position, Problem};
use boreal::Compiler;
use boreal::compiler::{AddRuleError, CompilerBuilder, CompilerParams};
use boreal::scanner::{CallbackEvents, ScanCallbackResult, ScanError, ScanEvent, ScanParams, Scanner};
use ring::digest::{SHA256, digest};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Most mistakes of a file of digests that are told one by one.
const TOLD_MAX: usize = 20;
/// Longest name of a digest, in characters.
const NAME_CHARS_MAX: usize = 100;

/// A text of signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureText {
    /// The file, below the rules directory: `signatures/example.yar`.
    pub file: Arc<str>,
    /// What is in it.
    pub text: String,
}

/// Where a signature stands and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signed {
    /// Name of the rule, or what stands beside the digest.
    pub name: Arc<str>,
    /// The file, below the rules directory.
    pub file: Arc<str>,
    /// Its line, from 1.
    pub line: u32,
}

/// File and name of a rule.
type RuleKey = (Box<str>, Box<str>);

/// Compiled signatures. A clone is cheap.
#[derive(Clone, Default)]
pub struct Signatures {
    scanner: Option<Scanner>,
    rules: Arc<HashMap<RuleKey, Signed>>,
    digests: Arc<HashMap<[u8; 32], Signed>>,
    /// Digests of the texts, so that a reload need not compile the same again.
    texts: [u8; 32],
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signatures({} rules, {} digests)", self.rules.len(), self.digests.len())
    }
}

/// A search was given up: it took longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp;

impl Signatures {
    /// Compiles texts, those of `before` not again where they are the same. There are signatures in any case; whether
    /// they are all is said by the problems.
    #[must_use]
    pub fn compile(texts: &[SignatureText], before: Option<&Self>) -> (Self, Vec<Problem>) {
        let sum = sum(texts);
        if let Some(before) = before.filter(|before| before.texts == sum) {
            return (before.clone(), Vec::new());
        }
        let mut problems = Vec::new();
        let (mut rules, mut digests) = (HashMap::new(), HashMap::new());
        let mut compiler = compiler();
        for text in texts {
            if text.file.ends_with(".yar") {
                problems.extend(add_rules(&mut compiler, text));
                rules.extend(places(text));
            } else {
                problems.extend(add_digests(text, &mut digests));
            }
        }
        let scanner = (!rules.is_empty()).then(|| compiler.finalize());
        // A text with warnings is compiled anew, so that they are told again.
        let texts = if problems.is_empty() { sum } else { [0; 32] };
        (Self { scanner, rules: Arc::new(rules), digests: Arc::new(digests), texts }, problems)
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scanner.is_none() && self.digests.is_empty()
    }

    /// How many YARA rules and digests there are.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.rules.len(), self.digests.len())
    }

    /// The same, each search taking so long at most.
    #[must_use]
    pub fn limited(&self, most: Duration) -> Self {
        let mut limited = self.clone();
        if let Some(scanner) = &mut limited.scanner {
            scanner.set_scan_params(params(most));
        }
        limited
    }

    /// The first signature of each sort that is in these octets: a digest, then rules in the order of their files, 10 at
    /// most.
    ///
    /// # Errors
    /// It took too long; what was found by then is lost.
    pub fn search(&self, octets: &[u8]) -> Result<Vec<Signed>, GivenUp> {
        let mut found = Vec::new();
        if !self.digests.is_empty()
            && let Ok(sum) = <[u8; 32]>::try_from(digest(&SHA256, octets).as_ref())
        {
            found.extend(self.digests.get(&sum).cloned());
        }
        let Some(scanner) = &self.scanner else { return Ok(found) };
        let outcome = scanner.scan_mem_with_callback(octets, |event| {
            if let ScanEvent::RuleMatch(rule) = event
                && let Some(signed) = self.rules.get(&(Box::from(rule.namespace), Box::from(rule.name)))
            {
                found.push(signed.clone());
            }
            if found.len() < 10 { ScanCallbackResult::Continue } else { ScanCallbackResult::Abort }
        });
        match outcome {
            Ok(()) | Err(ScanError::CallbackAbort) => Ok(found),
            // A finding is one, however the search went on.
            Err(_) if !found.is_empty() => Ok(found),
            Err(_) => Err(GivenUp),
        }
    }
}

/// Rules are an admin's, not a peer's, but one from the net should not take the gateway down either.
fn compiler() -> Compiler {
    let mut compiler = CompilerBuilder::new().build();
    compiler.set_params(
        CompilerParams::default().disable_includes(true).max_condition_depth(40).max_strings_per_rule(10_000),
    );
    compiler
}

/// Only which rule matches is asked for.
fn params(most: Duration) -> ScanParams {
    ScanParams::default()
        .compute_full_matches(false)
        .timeout_duration(Some(most))
        .string_max_nb_matches(100)
        .match_max_length(0)
        .callback_events(CallbackEvents::RULE_MATCH)
}

fn sum(texts: &[SignatureText]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&SHA256);
    for text in texts {
        for octets in [text.file.as_bytes(), text.text.as_bytes()] {
            context.update(&(octets.len() as u64).to_be_bytes());
            context.update(octets);
        }
    }
    context.finish().as_ref().try_into().unwrap_or([0; 32])
}

/// Rules of one file are a namespace of their own: two files may name a rule alike.
fn add_rules(compiler: &mut Compiler, text: &SignatureText) -> Vec<Problem> {
    let problem = |error: &AddRuleError, make: fn(&str, Position, String) -> Problem| {
        let diagnostic = error.to_diagnostic();
        let label = diagnostic.labels.first();
        // Parse errors count in characters, which are octets in all rules but those with comments in other scripts.
        let at = label.map_or(Position::START, |label| Position::of(&text.text, label.range.start));
        let detail = label.map(|label| label.message.as_str()).filter(|detail| !detail.is_empty());
        let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
        make(&text.file, at, format!("YARA: {}{detail}", diagnostic.message))
    };
    match compiler.add_rules_str_in_namespace(&text.text, &text.file) {
        Ok(status) => status.warnings().map(|warning| problem(warning, Problem::warning)).collect(),
        Err(error) => vec![problem(&error, Problem::error)],
    }
}

/// Names and lines of the rules of a file.
fn places(text: &SignatureText) -> Vec<(RuleKey, Signed)> {
    let mut out = Vec::new();
    for (line, words) in (1..).zip(text.text.lines()) {
        let mut words =
            words.split_ascii_whitespace().skip_while(|word| matches!(*word, "private" | "global"));
        if words.next() != Some("rule") {
            continue;
        }
        let Some(name) = words.next() else { continue };
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let name: Arc<str> = name.get(..end).unwrap_or_default().into();
        let key = (Box::from(&*text.file), Box::from(&*name));
        out.push((key, Signed { name, file: Arc::clone(&text.file), line }));
    }
    out
}

/// Digests of a file.
fn add_digests(text: &SignatureText, digests: &mut HashMap<[u8; 32], Signed>) -> Vec<Problem> {
    let (mut problems, mut more) = (Vec::new(), 0usize);
    for (line, entry) in (1..).zip(text.text.lines()) {
        let entry = entry.split(" #").next().unwrap_or_default().trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        match parse_digest(entry) {
            Ok((sum, name)) => {
                let name = if name.is_empty() { "digest" } else { name };
                let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
                let signed = Signed { name: name.into(), file: Arc::clone(&text.file), line };
                digests.entry(sum).or_insert(signed);
            }
            Err(message) if problems.len() < TOLD_MAX => {
                problems.push(Problem::error(&text.file, Position { line, column: 1 }, message));
            }
            Err(_) => more += 1,
        }
    }
    if more > 0 {
        problems.push(Problem::error(
            &text.file,
            Position::START,
            format!("{more} more mistakes of this sort"),
        ));
    }
    problems
}

/// `DIGEST`, `DIGEST  NAME`, `DIGEST:SIZE:NAME`.
fn parse_digest(entry: &str) -> Result<([u8; 32], &str), String> {
    let end = entry.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(entry.len());
    let (digits, rest) = entry.split_at_checked(end).unwrap_or((entry, ""));
    if digits.len() != 64 {
        let found = digits.len();
        return Err(format!("expected a SHA-256 digest of 64 hexadecimal digits, found {found} digits"));
    }
    let mut sum = [0; 32];
    for (octet, pair) in sum.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *octet = u8::from_str_radix(pair, 16).map_err(|_| "expected hexadecimal digits".to_owned())?;
    }
    let name = match rest.strip_prefix(':') {
        Some(rest) => rest.split_once(':').map_or("", |(_, name)| name),
        None => rest.trim_start_matches([' ', '\t', '*']),
    };
    Ok((sum, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[(&str, &str)]) -> Vec<SignatureText> {
        list.iter().map(|(file, text)| SignatureText { file: (*file).into(), text: (*text).into() }).collect()
    }

    const RULES: &str = "import \"hash\"\n\nrule first : tag {\n strings:\n  $a = \"badness\"\n condition:\n  $a\n}\nprivate rule hidden { condition: true }\nrule second { condition: hidden and filesize == 3 }\n";

    #[test]
    fn rules_and_digests_are_found_with_their_place() {
        let abc = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let list = format!("# a comment\n\n{abc}:3:Test.File\n{}  other\n", "0".repeat(64));
        let (signatures, problems) =
            Signatures::compile(&texts(&[("signatures/a.yar", RULES), ("signatures/b.sha256", &list)]), None);
        assert_eq!(problems, []);
        assert_eq!(signatures.len(), (3, 2));
        let found = |octets: &[u8]| -> Vec<String> {
            let found = signatures.search(octets).unwrap();
            found.iter().map(|s| format!("{}:{} {}", s.file, s.line, s.name)).collect()
        };
        assert_eq!(found(b"some badness here"), ["signatures/a.yar:3 first"]);
        assert_eq!(found(b"abc"), ["signatures/b.sha256:3 Test.File", "signatures/a.yar:10 second"]);
        assert_eq!(found(b"honest"), Vec::<String>::new());
        assert!(Signatures::default().is_empty() && !signatures.is_empty());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (file, text, want) in [
            ("x.yar", "rule a {\n condition:\n  $b\n}", "x.yar:3:3: error: YARA: "),
            ("x.yar", "rule a {\n strings:\n  $a = \"x\n condition: $a }", "x.yar:3:"),
            ("x.yar", "include \"/etc/passwd\"\n", "x.yar:1:1: error: YARA: includes are not allowed"),
            ("x.yar", "rule a { condition: true }\nrule a { condition: true }", "x.yar:2:6: error: YARA: "),
            (
                "x.sha256",
                "\nabc\n",
                "x.sha256:2:1: error: expected a SHA-256 digest of 64 hexadecimal digits, found 3 digits",
            ),
            ("x.sha256", "nothing", "x.sha256:1:1: error: expected a SHA-256 digest"),
        ] {
            let (_, problems) = Signatures::compile(&texts(&[(file, text)]), None);
            let told = problems.first().map(ToString::to_string).unwrap_or_default();
            assert!(told.starts_with(want), "{told:?}, want {want:?}");
        }
        let many = "x\n".repeat(30);
        assert_eq!(Signatures::compile(&texts(&[("x.sha256", &many)]), None).1.len(), TOLD_MAX + 1);
    }

    #[test]
    fn the_same_texts_are_not_compiled_again() {
        let list = texts(&[("a.yar", RULES)]);
        let (first, _) = Signatures::compile(&list, None);
        let (again, _) = Signatures::compile(&list, Some(&first));
        assert!(Arc::ptr_eq(&first.rules, &again.rules));
        let (other, _) = Signatures::compile(&texts(&[("b.yar", RULES)]), Some(&first));
        assert!(!Arc::ptr_eq(&first.rules, &other.rules));
    }

    #[test]
    fn a_search_that_takes_too_long_is_an_error() {
        let slow = "rule slow { condition: for all i in (0..100000000) : (uint8(i % filesize) == 65) }";
        let (signatures, problems) = Signatures::compile(&texts(&[("a.yar", slow)]), None);
        assert_eq!(problems, []);
        let octets = vec![65; 1000];
        assert_eq!(signatures.limited(Duration::from_millis(50)).search(&octets), Err(GivenUp));
    }
}
