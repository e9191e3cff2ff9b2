//! File names as those see them who open the files.

use super::file::{Mark, Marks};
use super::types::Type;

/// Longest name that is looked at, in characters.
const NAME_CHARS_MAX: usize = 1000;
/// Longest extension that is one.
const EXTENSION_CHARS_MAX: usize = 48;

/// Extensions that systems run or hand to an interpreter when a file is opened. (What runs by its content is known by
/// [`super::Class::Executable`].)
const RUNS: [&str; 76] = [
    "ade",
    "adp",
    "apk",
    "appx",
    "appxbundle",
    "appref-ms",
    "application",
    "bat",
    "chm",
    "cmd",
    "com",
    "command",
    "cpl",
    "diagcab",
    "dll",
    "elf",
    "exe",
    "gadget",
    "hlp",
    "hta",
    "inf",
    "ins",
    "iqy",
    "isp",
    "jar",
    "jnlp",
    "job",
    "js",
    "jse",
    "ksh",
    "library-ms",
    "lnk",
    "mde",
    "msc",
    "msh",
    "msi",
    "msix",
    "msixbundle",
    "msp",
    "mst",
    "ocx",
    "pif",
    "ps1",
    "ps1xml",
    "psc1",
    "psd1",
    "psm1",
    "reg",
    "scf",
    "scr",
    "sct",
    "search-ms",
    "settingcontent-ms",
    "sh",
    "shb",
    "shs",
    "slk",
    "sys",
    "terminal",
    "theme",
    "themepack",
    "url",
    "vb",
    "vbe",
    "vbs",
    "vsmacros",
    "website",
    "wll",
    "workflow",
    "ws",
    "wsc",
    "wsf",
    "wsh",
    "xbap",
    "xll",
    "swf",
];

/// Whether a system would run a file with this extension (lower case).
#[must_use]
pub fn runs(extension: &str) -> bool {
    RUNS.contains(&extension) || extension.starts_with('{')
}

/// The names that systems make of one: its last path component without what they drop. More than one where systems
/// differ: some end it at a NUL, some make ASCII of characters that look like it, some take `%2E` for a dot.
#[must_use]
pub fn readings(name: &str) -> Vec<String> {
    let whole: String = name.chars().take(NAME_CHARS_MAX).collect();
    let mut out = Vec::with_capacity(1);
    let likeness = (!whole.is_ascii()).then(|| whole.chars().map(alike).collect::<String>());
    let percent = whole.contains('%').then(|| percent(&whole));
    let until_nul = whole.split('\0').next().unwrap_or_default();
    for text in
        [Some(whole.as_str()), Some(until_nul), likeness.as_deref(), percent.as_deref()].into_iter().flatten()
    {
        let text = text.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
        let kept: String = text.chars().filter(|c| !is_dropped(*c)).collect();
        // A stream of a file of NTFS is behind a colon, and a colon ends the name elsewhere too.
        for text in [kept.as_str(), stream_of(&kept)] {
            let text =
                text.trim_end_matches(|c: char| c == '.' || c.is_whitespace()).trim_start().to_lowercase();
            if !text.is_empty() && !out.contains(&text) {
                out.push(text);
            }
        }
    }
    out
}

/// The character of ASCII that programs take for this one when they have to write it in an older character set.
fn alike(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c),
        '\u{2024}' | '\u{fe52}' | '\u{ff61}' | '\u{3002}' => '.',
        '\u{3000}' | '\u{a0}' => ' ',
        _ => c,
    }
}

/// `%2E` for a dot.
fn percent(name: &str) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(name.len()), name.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(value.unwrap_or(first));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn stream_of(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

/// Characters that are not seen.
fn is_dropped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '"' | '\'')
}

/// Whether characters turn the direction of what is shown: `exe.fdp` is read for `pdf.exe`.
#[must_use]
pub fn turns(name: &str) -> bool {
    name.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// The extension of one of [`readings`], in lower case without its dot.
#[must_use]
pub fn extension(name: &str) -> Option<&str> {
    // `.exe` alone is a name and an extension for some systems.
    let extension = name.rsplit_once('.')?.1.trim();
    (!extension.is_empty() && extension.chars().count() <= EXTENSION_CHARS_MAX).then_some(extension)
}

/// Whether one of [`readings`] claims to be something harmless in front of an extension that runs: `bill.pdf.exe`,
/// `bill.pdf      .scr`.
#[must_use]
pub fn is_double(name: &str) -> bool {
    let Some((stem, last)) = name.rsplit_once('.') else { return false };
    let Some((_, before)) = stem.trim_end().rsplit_once('.') else { return false };
    let before = before.trim();
    runs(last.trim()) && !runs(before) && Type::of_extension(before).is_some()
}

/// What names say of a file of that type.
#[must_use]
pub fn marks_of(names: &[Box<str>], kind: Type) -> Marks {
    let mut marks = Marks::NONE;
    for name in names {
        marks.add_if(turns(name), Mark::Rtl);
        for reading in readings(name) {
            marks.add_if(is_double(&reading), Mark::DoubleExtension);
            let claimed = extension(&reading).and_then(Type::of_extension);
            marks.add_if(claimed.is_some_and(|claimed| kind.contradicts(claimed)), Mark::WrongType);
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extensions(name: &str) -> Vec<String> {
        readings(name).iter().filter_map(|name| extension(name).map(str::to_owned)).collect()
    }

    #[test]
    fn extensions_as_systems_see_them() {
        for (name, want) in [
            ("a.exe", &["exe"][..]),
            ("a\u{ff0e}exe", &["exe"]),
            ("a.\u{ff45}\u{ff58}\u{ff45}", &["\u{ff45}\u{ff58}\u{ff45}", "exe"]),
            ("a\u{2024}exe", &["exe"]),
            ("a%2Eexe", &["exe"]),
            ("100%.txt", &["txt"]),
            ("x/a.exe/", &["exe"]),
            ("A.EXE. .", &["exe"]),
            ("dir/a.exe", &["exe"]),
            ("C:\\x\\a.exe", &["exe"]),
            ("a.exe::$DATA", &["exe::$data", "exe"]),
            ("a.exe\0.txt", &["txt", "exe"]),
            ("a.ex\u{200b}e", &["exe"]),
            ("gpj.\u{202e}exe", &["exe"]),
            ("\u{202e}fdp.exe", &["exe"]),
            ("\"a.exe\"", &["exe"]),
            ("a. exe", &["exe"]),
            ("README", &[]),
            ("a.{3050f4d8-98b5-11cf-bb82-00aa00bdce0b}", &["{3050f4d8-98b5-11cf-bb82-00aa00bdce0b}"]),
        ] {
            assert_eq!(extensions(name), want, "{name}");
        }
        assert!(readings(&"x".repeat(100_000))[0].len() <= NAME_CHARS_MAX);
    }

    #[test]
    fn double_extensions() {
        for (name, want) in [
            ("bill.pdf.exe", true),
            ("bill.pdf          .scr", true),
            ("photo.jpg.lnk", true),
            ("archive.tar.gz", false),
            ("jquery.min.js", false),
            ("report.2024.exe", false),
            ("setup.exe", false),
            ("a.exe.zip", false),
            ("x.vbs.js", false),
        ] {
            assert_eq!(is_double(name), want, "{name}");
        }
        assert!(turns("x\u{202e}fdp.exe") && !turns("x\u{200f}.pdf"));
    }
}
