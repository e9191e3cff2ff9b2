//! HTML as text: tags are dropped, links shown behind their words as `[url]`, scripts and styles left out. One pass,
//! linear, nothing is fetched. What is no HTML comes out as it is.

use mail_parser::decoders::html::add_html_token;

/// Elements whose contents are not shown; to the end of the text where they have no end, as browsers do.
const HIDDEN: [&str; 4] = ["script", "style", "template", "title"];
/// Elements that begin a line.
const BLOCKS: [&str; 24] = [
    "p",
    "div",
    "br",
    "tr",
    "table",
    "li",
    "ul",
    "ol",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "pre",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "form",
    "center",
    "address",
];
/// Longest address of a link that is shown, in characters.
const LINK_CHARS_MAX: usize = 300;
/// Longest entity, in octets.
const ENTITY_OCTETS_MAX: usize = 40;

/// The text.
pub(super) fn to_text(html: &str) -> String {
    let mut page = Page { out: String::with_capacity(html.len() / 2), link: None };
    let mut rest = html;
    while let Some((text, markup)) = rest.split_once('<') {
        page.text(text);
        rest = page.markup(markup);
    }
    page.text(rest);
    page.end_link();
    page.out.trim().to_owned()
}

#[derive(Default)]
struct Page {
    out: String,
    /// The address of the link that is open.
    link: Option<String>,
}

impl Page {
    /// Text between tags: blanks are one blank, entities are characters.
    fn text(&mut self, text: &str) {
        for (at, piece) in text.split('&').enumerate() {
            if at == 0 {
                self.words(piece);
                continue;
            }
            let end = piece.bytes().take(ENTITY_OCTETS_MAX).position(|b| b == b';');
            let entity = end.and_then(|end| piece.split_at_checked(end + 1));
            match entity {
                Some((entity, behind)) if is_entity(entity) => {
                    let mut decoded = String::new();
                    add_html_token(&mut decoded, format!("&{entity}").as_bytes(), false);
                    match decoded.as_str() {
                        "\u{a0}" => self.words(" "),
                        decoded => self.out.push_str(decoded),
                    }
                    self.words(behind);
                }
                _ => {
                    self.out.push('&');
                    self.words(piece);
                }
            }
        }
    }

    fn words(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_ascii_whitespace() {
                self.out.push(c);
            } else if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
                self.out.push(' ');
            }
        }
    }

    /// What stands behind `<`; gives what follows the tag.
    fn markup<'a>(&mut self, text: &'a str) -> &'a str {
        if let Some(comment) = text.strip_prefix("!--") {
            return comment.split_once("-->").map_or("", |(_, behind)| behind);
        }
        if !text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            self.out.push('<');
            return text;
        }
        let (tag, behind) = split_tag(text);
        let closes = tag.starts_with('/');
        let name = tag.trim_start_matches('/');
        let name = name.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if !closes && HIDDEN.contains(&name.as_str()) {
            return behind_end(behind, &name);
        }
        self.tag(&name, closes, tag);
        behind
    }

    fn tag(&mut self, name: &str, closes: bool, tag: &str) {
        match name {
            "a" => {
                self.end_link();
                if !closes {
                    self.link = attribute(tag, "href");
                }
            }
            "td" | "th" if closes => self.words(" "),
            "img" => {
                if let Some(alt) = attribute(tag, "alt").filter(|alt| !alt.trim().is_empty()) {
                    self.words(&alt);
                }
            }
            _ if BLOCKS.contains(&name) => self.line(name == "p" || name.starts_with('h')),
            _ => {}
        }
        if name == "li" && !closes {
            self.out.push_str("* ");
        }
    }

    /// Begins a line; never more than one empty line.
    fn line(&mut self, apart: bool) {
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        if self.out.is_empty() || self.out.ends_with("\n\n") {
            return;
        }
        if apart || !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn end_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        let link = link.trim();
        if link.is_empty() || link.starts_with('#') || self.out.ends_with(link) {
            return;
        }
        let cut: String = link.chars().filter(|c| !c.is_whitespace()).take(LINK_CHARS_MAX).collect();
        let more = if link.chars().count() > LINK_CHARS_MAX { "…" } else { "" };
        if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.out.push_str(&format!("[{cut}{more}]"));
    }
}

/// Puts a text between tags behind another one: entities as characters, blanks as one.
pub fn push_text(out: &mut String, text: &str) {
    let mut page = Page { out: std::mem::take(out), link: None };
    page.text(text);
    *out = page.out;
}

/// `amp;`, `#38;`, `#x26;`
fn is_entity(text: &str) -> bool {
    let name = text.strip_suffix(';').unwrap_or(text);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
}

/// The inside of a tag up to its `>` outside of quotes, and what follows. One without an end is all there is; one with
/// an open quote ends at its first `>`.
#[must_use]
pub fn split_tag(text: &str) -> (&str, &str) {
    let mut quote = None;
    let mut first = None;
    for (at, octet) in text.bytes().enumerate().take(TAG_OCTETS_MAX) {
        match (octet, quote) {
            (b'>', None) => return cut(text, at),
            (b'>', Some(_)) => first = first.or(Some(at)),
            (b'"' | b'\'', None) => quote = Some(octet),
            (octet, Some(open)) if octet == open => quote = None,
            _ => {}
        }
    }
    match first.or_else(|| text.find('>')) {
        Some(at) => cut(text, at),
        None => (text, ""),
    }
}

/// Longest tag in which quotes count, in octets: so that many open quotes do not make many searches to the end.
const TAG_OCTETS_MAX: usize = 64 * 1024;

fn cut(text: &str, at: usize) -> (&str, &str) {
    let (tag, behind) = text.split_at_checked(at).unwrap_or((text, ""));
    (tag, behind.get(1..).unwrap_or_default())
}

/// What stands behind the end of an element whose contents are no markup.
#[must_use]
pub fn behind_end<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("</") {
        let ends = after.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name));
        let goes_on = after.as_bytes().get(name.len()).is_some_and(u8::is_ascii_alphanumeric);
        if ends && !goes_on {
            return split_tag(after).1;
        }
        rest = after;
    }
    ""
}

/// An attribute of a tag, decoded.
#[must_use]
pub fn attribute(tag: &str, wanted: &str) -> Option<String> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.trim_end().rsplit(|c: char| c.is_ascii_whitespace() || "\"'/".contains(c)).next();
        let after = after.trim_start();
        let (value, behind) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inside = after.get(1..).unwrap_or_default();
                inside.split_once(quote).unwrap_or((inside, ""))
            }
            _ => after.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((after, "")),
        };
        if name.is_some_and(|n| n.eq_ignore_ascii_case(wanted)) {
            let mut page = Page::default();
            page.text(value);
            return Some(page.out);
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_text() {
        for (html, want) in [
            (
                "<p>Hello  <b>you</b>,</p>\r\n<p>pay &amp; go&nbsp;on &#x263a; &bogus; a&b</p>",
                "Hello you,\n\npay & go on ☺ &bogus; a&b",
            ),
            (
                "click <a href=\"http://x.example/?a=1&amp;b\">here</a>.",
                "click here [http://x.example/?a=1&b].",
            ),
            ("<a href='http://x.example'>http://x.example</a>", "http://x.example"),
            ("<a href=#top>up</a><a>b</a>", "upb"),
            ("a<script>alert('<b>')</script >b<STYLE>x{}</STYLE>c", "abc"),
            ("a<!-- <b> -- > -->b<!-- open", "ab"),
            ("1 < 2 and 3 > 2 <3", "1 < 2 and 3 > 2 <3"),
            ("<ul><li>one<li>two</ul>", "* one\n* two"),
            ("<img alt=\"a cat\" src=http://x/><img src=y>", "a cat"),
            ("<title>t</title><body onload=\"a>b\">x", "x"),
            ("a<b title=\"never closed>c</b>d", "acd"),
            ("a<tag never closed", "a"),
            ("<script>never closed", ""),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("", ""),
        ] {
            assert_eq!(to_text(html), want, "{html}");
        }
    }

    #[test]
    fn hostile_html_takes_linear_time() {
        for piece in [
            "<",
            "<a href=\"",
            "<!--",
            "&",
            "<script",
            "<script>",
            "</",
            "<p",
            "a=",
            "<a =",
            "<b '",
            "<title></t",
        ] {
            let html = piece.repeat(1_000_000 / piece.len());
            let began = std::time::Instant::now();
            let text = to_text(&html);
            assert!(text.len() <= html.len());
            assert!(began.elapsed().as_secs() < 5, "{piece}: {:?}", began.elapsed());
        }
    }
}
