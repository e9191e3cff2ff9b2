//! The body of a field of the form `value; name=value; …` (RFC 2045 section 5.1), with the extensions of RFC 2231,
//! read as mail programs do.

use super::words;

/// Most parameters of one field.
const PARAMETERS_MAX: usize = 100;
/// Most pieces of one parameter.
const PIECES_MAX: usize = 100;

/// A field of a value and parameters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::message) struct Field {
    /// The value in front, lower case, without comments and blanks around.
    pub(in crate::message) value: String,
    parameters: Vec<(String, Vec<u8>)>,
}

impl Field {
    /// Reads it; `body` is unfolded.
    pub(in crate::message) fn parse(body: &[u8]) -> Self {
        let mut cursor = Cursor { rest: body };
        let value = cursor.until(b";(");
        let value = String::from_utf8_lossy(value.trim_ascii()).to_ascii_lowercase();
        let mut parameters = Vec::new();
        while parameters.len() < PARAMETERS_MAX {
            let Some((name, value)) = cursor.parameter() else { break };
            parameters.push((name, value));
        }
        Self { value: value.trim_matches('"').trim().to_owned(), parameters }
    }

    /// A parameter, decoded.
    pub(in crate::message) fn text(&self, name: &str) -> Option<String> {
        if let Some(value) = self.raw(&format!("{name}*")) {
            return Some(extended(value));
        }
        if let Some(value) = self.pieces(name) {
            return Some(value);
        }
        self.raw(name).map(words::decode)
    }

    /// A parameter, octet by octet.
    pub(in crate::message) fn raw(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// Whether there may be more parameters than were read.
    pub(in crate::message) fn is_cut(&self) -> bool {
        self.parameters.len() >= PARAMETERS_MAX
    }

    /// Every value of that name, octet by octet.
    pub(in crate::message) fn each(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.parameters.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// The pieces of `name*…` in the order in which they stand there, whatever they are numbered.
    pub(in crate::message) fn as_they_stand(&self, name: &str) -> Option<Vec<u8>> {
        let (mut octets, mut found) = (Vec::new(), 0u32);
        for (n, value) in &self.parameters {
            let Some(rest) = n.strip_prefix(name).and_then(|rest| rest.strip_prefix('*')) else { continue };
            match (found, rest.ends_with('*') || rest.is_empty()) {
                (_, false) => octets.extend_from_slice(value),
                (0, true) => percent(label(value).1, &mut octets),
                (_, true) => percent(value, &mut octets),
            }
            found += 1;
        }
        (found > 0).then_some(octets)
    }

    /// Whether a parameter is there twice with different values, by name or with and without RFC 2231.
    pub(in crate::message) fn is_twice(&self, name: &str) -> bool {
        let star = format!("{name}*");
        let mut values = self.parameters.iter().filter(|(n, _)| n == name || *n == star).map(|(_, v)| v);
        let first = values.next();
        values.any(|value| Some(value) != first)
            && self.raw(name) != self.raw(&star)
            && (self.parameters.iter().filter(|(n, _)| n == name).count() > 1
                || self.parameters.iter().filter(|(n, _)| *n == star).count() > 1)
    }

    /// `name*0="…"; name*1*=…`
    fn pieces(&self, name: &str) -> Option<String> {
        let (mut octets, mut charset) = (Vec::new(), None);
        let mut found = false;
        for at in 0..PIECES_MAX {
            if let Some(value) = self.raw(&format!("{name}*{at}*")) {
                let value = if at == 0 {
                    let (label, rest) = label(value);
                    charset = label.map(<[u8]>::to_vec);
                    rest
                } else {
                    value
                };
                percent(value, &mut octets);
            } else if let Some(value) = self.raw(&format!("{name}*{at}")) {
                octets.extend_from_slice(value);
            } else {
                break;
            }
            found = true;
        }
        if !found {
            return None;
        }
        Some(match charset {
            Some(charset) => words::text(&octets, Some(&charset)),
            // Encoded words cut into pieces are out of the standard and in the mail.
            None => words::decode(&octets),
        })
    }
}

/// `charset'language'%41bc`
fn extended(value: &[u8]) -> String {
    let (charset, rest) = label(value);
    let mut octets = Vec::new();
    percent(rest, &mut octets);
    words::text(&octets, charset)
}

fn label(value: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut parts = value.splitn(3, |&b| b == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_language), Some(rest)) => (Some(charset), rest),
        _ => (None, value),
    }
}

fn percent(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(value.unwrap_or(first));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Up to one of these octets, which stays.
    fn until(&mut self, ends: &[u8]) -> &'a [u8] {
        let at = self.rest.iter().position(|b| ends.contains(b)).unwrap_or(self.rest.len());
        let (before, after) = self.rest.split_at_checked(at).unwrap_or((self.rest, &[]));
        self.rest = after;
        before
    }

    fn eat(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'(') {
                return;
            }
            self.comment();
        }
    }

    fn comment(&mut self) {
        let mut depth = 0u32;
        while let Some(octet) = self.eat() {
            match octet {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => drop(self.eat()),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The next parameter, its name in lower case.
    fn parameter(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            self.blanks();
            match self.rest.first()? {
                b';' => drop(self.eat()),
                b'=' => drop(self.eat()),
                _ => {
                    let name = self.until(b"=;").trim_ascii();
                    if self.rest.first() != Some(&b'=') {
                        continue;
                    }
                    self.eat();
                    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                    // Behind a quoted value, whatever stands before the next semicolon.
                    let name = name.rsplit([' ', '\t']).next().unwrap_or_default().to_owned();
                    return Some((name, self.value()));
                }
            }
        }
    }

    fn value(&mut self) -> Vec<u8> {
        self.blanks_only();
        if self.rest.first() != Some(&b'"') {
            // Without quotes: blanks and brackets are part of many file names.
            return self.until(b";").trim_ascii().to_vec();
        }
        self.eat();
        let mut out = Vec::new();
        while let Some(octet) = self.eat() {
            match octet {
                b'"' => break,
                b'\\' => out.extend(self.eat()),
                other => out.push(other),
            }
        }
        self.until(b";");
        out
    }

    fn blanks_only(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_parameters_as_they_are_written() {
        let field =
            Field::parse(b" Text/HTML (a \\) comment) ; charset=\"UTF-8\" ;; NAME=my file (1).pdf; x");
        assert_eq!(field.value, "text/html");
        assert_eq!(field.text("charset").as_deref(), Some("UTF-8"));
        assert_eq!(field.text("name").as_deref(), Some("my file (1).pdf"));
        assert_eq!(field.text("x"), None);
        assert_eq!(Field::parse(b"\"base64\"").value, "base64");
        assert_eq!(Field::parse(b"base64;").value, "base64");
        assert_eq!(Field::parse(b"").value, "");
    }

    #[test]
    fn file_names_of_rfc_2231_and_of_the_wild() {
        for (text, want) in [
            (&b"attachment; filename*=utf-8''gr%C3%BC%C3%9Fe.exe"[..], "grüße.exe"),
            (b"attachment; filename*0=\"a long \"; filename*1=\"name.pdf\"", "a long name.pdf"),
            (b"attachment; filename*0*=iso-8859-1'de'gr%FC; filename*1*=n%2E; filename*2=txt", "grün.txt"),
            (b"attachment; filename=\"=?utf-8?Q?gr=C3=BCn=2Eexe?=\"", "grün.exe"),
            (b"attachment; filename=\"=?utf-8?B?Z3LDvG4uZXhl?=\"", "grün.exe"),
            (b"attachment; filename=\"a\\\"b;c.txt\"", "a\"b;c.txt"),
            (b"attachment; filename=\"gr\xc3\xbcn\"", "grün"),
            (b"attachment; filename*1=b; filename*0=a", "ab"),
            (b"attachment; filename*=utf-8''50%25%", "50%%"),
            (b"attachment; filename=\"\"", ""),
        ] {
            assert_eq!(Field::parse(text).text("filename").as_deref(), Some(want));
        }
    }

    #[test]
    fn a_parameter_given_twice_is_known() {
        assert!(Field::parse(b"x; boundary=a; boundary=b").is_twice("boundary"));
        assert!(!Field::parse(b"x; boundary=a").is_twice("boundary"));
        assert!(!Field::parse(b"x; filename=gr; filename*=utf-8''gr%C3%BC").is_twice("filename"));
    }
}
