//! Literals of which one stands in whatever an expression matches.
//!
//! Conservative: where that is not known there are none, and the expression is always tried. All of it is bounded; the
//! expression's nesting is bounded by its parser.

use super::fold::fold;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Most literals of one expression.
const LITERALS_MAX: usize = 256;
/// Longest literal, in octets; a longer one is as good cut.
const OCTETS_MAX: usize = 24;
/// A weaker one stands in every text.
const STRENGTH_MIN: usize = 3;
/// Few texts have these at all: one is worth as much as three letters.
const RARE: &[char] = &['$', '%', '#', '{', '}', '[', ']', '|', '^', '~', '\\', '&', '€', '£'];
/// Most characters of a class that are written out.
const CLASS_MAX: usize = 8;

/// The literals, in small letters; none where nothing is sure.
pub fn required(hir: &Hir) -> Vec<String> {
    best(hir).filter(|set| quality(set).0 >= STRENGTH_MIN).unwrap_or_default()
}

/// The better of two sets has longer literals, then fewer.
fn quality(set: &[String]) -> (usize, usize) {
    let weakest = set.iter().map(|text| strength(text)).min().unwrap_or_default().min(10);
    (weakest, LITERALS_MAX.saturating_sub(set.len()))
}

fn strength(text: &str) -> usize {
    if text.contains(RARE) { text.len().max(STRENGTH_MIN) } else { text.len() }
}

fn better(one: Option<Vec<String>>, two: Option<Vec<String>>) -> Option<Vec<String>> {
    match (one, two) {
        (Some(one), Some(two)) => Some(if quality(&two) > quality(&one) { two } else { one }),
        (one, two) => one.or(two),
    }
}

fn best(hir: &Hir) -> Option<Vec<String>> {
    let whole = exact(hir).filter(|set| set.iter().all(|text| !text.is_empty()));
    let inner = match hir.kind() {
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => best(&repetition.sub),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(best(part)?);
            }
            bounded(all)
        }
        HirKind::Concat(parts) => of_parts(parts),
        HirKind::Repetition(_)
        | HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_) => None,
    };
    better(whole, inner)
}

/// Of parts one behind the other: the best of any part, and of neighbours taken together.
fn of_parts(parts: &[Hir]) -> Option<Vec<String>> {
    let mut found = None;
    let mut run: Vec<String> = vec![String::new()];
    for part in parts {
        let longer = exact(part).and_then(|set| product(&run, &set));
        match longer {
            Some(longer) => run = longer,
            None => {
                found = better(found, closed(&run));
                run = exact(part).unwrap_or_else(|| vec![String::new()]);
                found = better(found, best(part));
            }
        }
    }
    better(found, closed(&run))
}

fn closed(run: &[String]) -> Option<Vec<String>> {
    let good = run.iter().all(|text| !text.is_empty());
    good.then(|| bounded(run.to_vec())).flatten()
}

/// All texts that it matches, where they are few.
fn exact(hir: &Hir) -> Option<Vec<String>> {
    let set = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![fold(std::str::from_utf8(&literal.0).ok()?)],
        HirKind::Class(class) => characters(class)?,
        HirKind::Capture(capture) => exact(&capture.sub)?,
        HirKind::Repetition(repetition) => {
            let sub = exact(&repetition.sub)?;
            match (repetition.min, repetition.max) {
                (0, Some(1)) => [vec![String::new()], sub].concat(),
                (min, Some(max)) if min == max && max <= 4 => {
                    let mut out = vec![String::new()];
                    for _ in 0..max {
                        out = product(&out, &sub)?;
                    }
                    out
                }
                _ => return None,
            }
        }
        HirKind::Concat(parts) => {
            let mut out = vec![String::new()];
            for part in parts {
                out = product(&out, &exact(part)?)?;
            }
            out
        }
        HirKind::Alternation(parts) => {
            let mut out = Vec::new();
            for part in parts {
                out.extend(exact(part)?);
                if out.len() > LITERALS_MAX {
                    return None;
                }
            }
            out
        }
    };
    deduplicated(set)
}

fn characters(class: &Class) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut add = |c: char| {
        out.push(fold(c.encode_utf8(&mut [0; 4])));
        (out.len() <= CLASS_MAX).then_some(())
    };
    match class {
        Class::Unicode(class) => {
            for range in class.ranges() {
                for c in range.start()..=range.end() {
                    add(c)?;
                }
            }
        }
        Class::Bytes(class) => {
            for range in class.ranges() {
                for b in range.start()..=range.end() {
                    add(char::from_u32(u32::from(b)).filter(char::is_ascii)?)?;
                }
            }
        }
    }
    Some(out)
}

fn product(one: &[String], two: &[String]) -> Option<Vec<String>> {
    if one.len() * two.len() > LITERALS_MAX
        || one.iter().map(String::len).max().unwrap_or_default() > 4 * OCTETS_MAX
    {
        return None;
    }
    let pairs = one.iter().flat_map(|a| two.iter().map(move |b| format!("{a}{b}")));
    deduplicated(pairs.collect())
}

fn deduplicated(mut set: Vec<String>) -> Option<Vec<String>> {
    set.sort_unstable();
    set.dedup();
    (set.len() <= LITERALS_MAX && !set.is_empty()).then_some(set)
}

/// Cut to their lengths.
fn bounded(set: Vec<String>) -> Option<Vec<String>> {
    let cut = |text: String| match text.char_indices().map(|(at, _)| at).find(|at| *at >= OCTETS_MAX) {
        Some(at) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    };
    deduplicated(set.into_iter().map(cut).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Vec<String> {
        let mut parser = regex_syntax::ParserBuilder::new().case_insensitive(false).build();
        required(&parser.parse(pattern).unwrap())
    }

    #[test]
    fn something_that_must_be_there_is_found() {
        for (pattern, want) in [
            ("Hello", &["hello"][..]),
            (r"\bact now\b", &["act now"]),
            (r"(?i)Offer", &["offer"]),
            ("gr[aä]u?e", &["grae", "graue", "gräe", "gräue"]),
            (r"you (?:have|'ve) won \d+", &["you 've won ", "you have won "]),
            (r"a.*(verify|confirm) your", &["confirm your", "verify your"]),
            (r"\d+%? off", &[" off", "% off"]),
            (r"(foo|x.)bar", &["bar"]),
            (r"(?:abc)+d", &["abc"]),
            (r"x{2,5}yyy", &["yyy"]),
            (r"a|bcd", &[]),
            (r"\w+", &[]),
            (r"(?:abc)?", &[]),
            ("ab", &[]),
            (r"\$ ?\d+|free", &["$", "$ ", "free"]),
            (r"\{\{\w+\}\}", &["{{"]),
            ("", &[]),
        ] {
            assert_eq!(of(pattern), want, "{pattern}");
        }
    }
}
