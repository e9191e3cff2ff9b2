//! The word that was probably meant.

/// Longer words are not compared: the work is quadratic and nobody mistypes a name of that length.
const CHARS_MAX: usize = 64;

/// The candidate nearest to a mistyped word, if one is near enough to be worth a "did you mean": at most
/// one slip (wrong, missing, surplus or swapped character) in three characters, case aside. The first of
/// several equally near ones.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = folded(word)?;
    let mut best: Option<(usize, &'c str)> = None;
    for candidate in candidates {
        let Some(chars) = folded(candidate) else { continue };
        let slips = distance(&word, &chars);
        let limit = (word.len().max(chars.len()) / 3).max(1);
        let nothing_in_common = slips >= word.len().max(chars.len());
        if slips <= limit && !nothing_in_common && best.is_none_or(|(least, _)| slips < least) {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn folded(word: &str) -> Option<Vec<char>> {
    let chars: Vec<char> = word
        .chars()
        .take(CHARS_MAX + 1)
        .map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() })
        .collect();
    (chars.len() <= CHARS_MAX).then_some(chars)
}

/// Damerau-Levenshtein distance in its optimal string alignment form, three rows at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut previous_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let change = at(&above, j) + usize::from(ca != cb);
            let mut least = change.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if let (Some(pa), Some(pb)) = (previous_a, previous_b)
                && (pa, ca) == (cb, pb)
            {
                least = least.min(at(&before, j.wrapping_sub(1)) + 1);
            }
            row.push(least);
            previous_b = Some(cb);
        }
        before = std::mem::replace(&mut above, row);
        previous_a = Some(ca);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "ab", 0),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("a", "", 1),
        ] {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(distance(&a, &b), want, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_slip_is_mended_and_another_word_is_not() {
        let words = ["listener", "downstream", "relay", "tls", "xclient", "max_message_size"];
        for (word, want) in [
            ("listner", Some("listener")),
            ("listeners", Some("listener")),
            ("lsitener", Some("listener")),
            ("Relay", Some("relay")),
            ("tsl", Some("tls")),
            ("max-message-size", Some("max_message_size")),
            ("max_mesage_sise", Some("max_message_size")),
            ("xyz", None),
            ("t", None),
            ("", None),
            ("greeting", None),
        ] {
            assert_eq!(nearest(word, words), want, "{word}");
        }
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest(&"a".repeat(100_000), words), None);
    }
}
