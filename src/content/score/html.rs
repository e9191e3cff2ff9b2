//! HTML as rules look at it: what a reader sees, where its links lead, and what else is in it. One pass, linear, nothing
//! is fetched.

use crate::config::model::{MessageFact, MessageFacts};
use crate::message::mime::html::{attribute, behind_end, push_text, split_tag};

/// Elements whose contents are no markup.
const RAW: [&str; 3] = ["script", "style", "textarea"];
/// Elements that have no contents.
const VOID: [&str; 12] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"];
/// Elements inside of a word or line; all others begin a new word.
const INLINE: [&str; 12] = ["a", "b", "i", "u", "em", "strong", "span", "font", "small", "sup", "sub", "wbr"];
/// Longest text of a link that is kept, in octets.
const SHOWN_MAX: usize = 300;

/// Where something leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// As it stands there, decoded.
    pub target: String,
    /// Words that it is shown with; of links only.
    pub shown: Option<String>,
}

/// What HTML comes to.
#[derive(Debug, Default)]
pub struct Page {
    /// What a reader sees.
    pub text: String,
    /// Links, forms, images, in their order; bounded by the caller's number.
    pub references: Vec<Reference>,
    max: usize,
    link: Option<(String, usize)>,
    /// The element that hides what is in it, and how many of its name are open.
    hidden: Option<(String, u32)>,
}

/// Reads it.
#[must_use]
pub fn read(html: &str, references_max: usize, facts: &mut MessageFacts) -> Page {
    let mut page = Page { max: references_max, ..Page::default() };
    let mut rest = html;
    while let Some((text, markup)) = rest.split_once('<') {
        page.words(text, facts);
        rest = page.markup(markup, facts);
    }
    page.words(rest, facts);
    page.end_link();
    page
}

impl Page {
    fn words(&mut self, text: &str, facts: &mut MessageFacts) {
        if self.hidden.is_some() {
            facts.add(MessageFact::HiddenText, text.bytes().filter(u8::is_ascii_alphabetic).count());
        } else {
            push_text(&mut self.text, text);
        }
    }

    /// What stands behind `<`; gives what follows the tag.
    fn markup<'a>(&mut self, text: &'a str, facts: &mut MessageFacts) -> &'a str {
        if let Some(comment) = text.strip_prefix("!--") {
            let Some((inside, behind)) = comment.split_once("-->") else { return "" };
            let splits =
                self.text.ends_with(char::is_alphanumeric) && behind.starts_with(char::is_alphanumeric);
            facts.add(MessageFact::Comments, usize::from(splits && !inside.starts_with("[if")));
            return behind;
        }
        if !text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            self.words("<", facts);
            return text;
        }
        let (tag, behind) = split_tag(text);
        let closes = tag.starts_with('/');
        let name = tag.trim_start_matches('/');
        let name = name.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if !INLINE.contains(&name.as_str()) && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
        self.hiding(&name, closes, tag);
        if closes {
            if name == "a" {
                self.end_link();
            }
            return behind;
        }
        self.opens(&name, tag, facts);
        if name == "title" || RAW.contains(&name.as_str()) {
            return behind_end(behind, &name);
        }
        behind
    }

    fn opens(&mut self, name: &str, tag: &str, facts: &mut MessageFacts) {
        let mut count = |fact| facts.add(fact, 1);
        match name {
            "a" | "area" => {
                self.end_link();
                if let Some(target) = attribute(tag, "href") {
                    self.link = Some((target, self.text.len()));
                }
            }
            "img" => {
                count(MessageFact::Images);
                let source = attribute(tag, "src").unwrap_or_default();
                if source.trim_start().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http")) {
                    count(MessageFact::RemoteImages);
                }
                self.refers(source);
                if let Some(alt) = attribute(tag, "alt").filter(|_| self.hidden.is_none()) {
                    push_text(&mut self.text, &alt);
                }
            }
            "form" => {
                count(MessageFact::Forms);
                self.refers(attribute(tag, "action").unwrap_or_default());
            }
            "input" => {
                let kind = attribute(tag, "type").unwrap_or_default();
                if kind.trim().eq_ignore_ascii_case("password") {
                    count(MessageFact::PasswordFields);
                }
            }
            "script" => {
                count(MessageFact::Scripts);
                self.refers(attribute(tag, "src").unwrap_or_default());
            }
            "iframe" | "frame" | "object" | "embed" | "applet" => {
                count(MessageFact::Frames);
                self.refers(attribute(tag, "src").or_else(|| attribute(tag, "data")).unwrap_or_default());
            }
            "meta" if refreshes(tag) => {
                count(MessageFact::Refreshes);
                let content = attribute(tag, "content").unwrap_or_default();
                self.refers(content.split_once('=').map_or("", |(_, target)| target).to_owned());
            }
            "base" => {
                if let Some(target) = attribute(tag, "href") {
                    count(MessageFact::BaseHref);
                    self.refers(target);
                }
            }
            "table" => count(MessageFact::Tables),
            "font" => count(MessageFact::Fonts),
            _ => {}
        }
        if has_handler(tag) {
            count(MessageFact::Handlers);
        }
    }

    fn refers(&mut self, target: String) {
        if !target.is_empty() && self.references.len() < self.max {
            self.references.push(Reference { target, shown: None });
        }
    }

    fn end_link(&mut self) {
        let Some((target, from)) = self.link.take() else { return };
        if self.references.len() < self.max {
            let shown = self.text.get(from..).unwrap_or_default();
            let end = (0..=shown.len().min(SHOWN_MAX)).rev().find(|at| shown.is_char_boundary(*at));
            let shown = shown.get(..end.unwrap_or_default()).unwrap_or_default().to_owned();
            self.references.push(Reference { target, shown: Some(shown) });
        }
    }

    /// Follows the element that hides what is in it.
    fn hiding(&mut self, name: &str, closes: bool, tag: &str) {
        if let Some((hider, open)) = &mut self.hidden {
            if hider.as_str() == name {
                *open = if closes { open.saturating_sub(1) } else { open.saturating_add(1) };
            }
            if *open == 0 {
                self.hidden = None;
            }
        } else if !closes && !VOID.contains(&name) && hides(tag) {
            self.hidden = Some((name.to_owned(), 1));
        }
    }
}

/// A tag that leads elsewhere by itself.
fn refreshes(tag: &str) -> bool {
    attribute(tag, "http-equiv").is_some_and(|kind| kind.trim().eq_ignore_ascii_case("refresh"))
}

/// A style that shows nothing.
fn hides(tag: &str) -> bool {
    if !tag.contains("style") && !tag.contains("STYLE") && !tag.contains("Style") {
        return false;
    }
    let Some(style) = attribute(tag, "style") else { return false };
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    style.split(';').any(|one| {
        let (key, value) = one.split_once(':').unwrap_or((one, ""));
        let value = value.trim_end_matches("!important");
        let zero = || {
            let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
            !number.is_empty() && number.bytes().all(|b| matches!(b, b'0' | b'.'))
        };
        match key {
            "display" => value == "none",
            "visibility" => value == "hidden",
            "font-size" | "opacity" | "max-height" | "max-width" => zero(),
            _ => false,
        }
    })
}

fn has_handler(tag: &str) -> bool {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.trim_end().rsplit(|c: char| c.is_ascii_whitespace() || "\"'/".contains(c)).next();
        let on = |name: &str| {
            name.len() > 4
                && name.get(..2).is_some_and(|on| on.eq_ignore_ascii_case("on"))
                && name.bytes().all(|b| b.is_ascii_alphabetic())
        };
        if name.is_some_and(on) {
            return true;
        }
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> (Page, MessageFacts) {
        let mut facts = MessageFacts::default();
        let page = read(html, 10, &mut facts);
        (page, facts)
    }

    #[test]
    fn a_page_is_what_a_reader_sees() {
        for (html, want) in [
            ("<p>Ver<b>if</b>y</p><p>now", " Verify now"),
            ("<div style=\"display: NONE\">x<div>y</div>z</div>seen", " seen"),
            ("a<span style='font-size:0px'>hidden</span>b", "ab"),
            ("a<span style='font-size:10px'>b</span>c", "abc"),
            ("<style>p{}</style><title>t</title><script>s()</script>x", " x"),
            ("a<!-- c -->b<br>c &amp; d", "ab c & d"),
            ("<img alt='pay now' src=x>", " pay now"),
            ("1 < 2", "1 < 2"),
        ] {
            assert_eq!(page(html).0.text.trim_end(), want, "{html}");
        }
    }

    #[test]
    fn what_is_in_it_is_counted() {
        let html = "<base href=http://b/><a href='http://x/?a=1&amp;b'>www.y <b>com</b></a><form action=f><input type=Password>\
            </form><img src=HTTP://i/><img src='cid:1'><script src=s></script><iframe src=u></iframe><body onload=x()>\
            <meta http-equiv=refresh content='0;url=http://r/'>V<!-- -->I<div style='display:none'>hidden text</div>";
        let (page, facts) = page(html);
        let targets: Vec<&str> = page.references.iter().map(|r| r.target.as_str()).collect();
        assert_eq!(
            targets,
            ["http://b/", "http://x/?a=1&b", "f", "HTTP://i/", "cid:1", "s", "u", "http://r/"]
        );
        assert_eq!(page.references[1].shown.as_deref(), Some("www.y com"));
        for (fact, count) in [
            (MessageFact::Forms, 1),
            (MessageFact::PasswordFields, 1),
            (MessageFact::Images, 2),
            (MessageFact::RemoteImages, 1),
            (MessageFact::Scripts, 1),
            (MessageFact::Frames, 1),
            (MessageFact::Handlers, 1),
            (MessageFact::Refreshes, 1),
            (MessageFact::BaseHref, 1),
            (MessageFact::Comments, 1),
            (MessageFact::HiddenText, 10),
        ] {
            assert_eq!(facts.get(fact), count, "{fact:?}");
        }
    }

    #[test]
    fn hostile_html_takes_linear_time() {
        for piece in [
            "<",
            "<a href=x>",
            "<!--",
            "&",
            "<p style='",
            "<a =",
            "<b on=",
            "<div style=display:none>",
            "</a",
        ] {
            let html = piece.repeat(500_000 / piece.len());
            let began = std::time::Instant::now();
            assert!(page(&html).0.references.len() <= 10);
            assert!(began.elapsed().as_secs() < 5, "{piece}: {:?}", began.elapsed());
        }
    }
}
