//! `portcullis top SOURCE --sweep …`: what a source left in quarantine and spool is deleted or moved, by a query that is
//! built from the row. Once; `portcullis block SOURCE --sweep …` does it as long as the block stands.

use super::exit::REFUSED;
use super::items::{Asker, Bulk, work};
use crate::desk::{Pick, Request};
use crate::query::{Query, State, Term, Text, What};
use crate::records::By;
use crate::rules::{Net, Sweep};
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Sweeps.
pub(super) fn run(rules: &Path, by: By, source: &str, sweep: &Sweep, bulk: &Bulk) -> ExitCode {
    let Some(query) = query(by, source) else {
        complain!(
            "portcullis: {source:?} is none of the sources that --by tells apart: copy it from the table"
        );
        return REFUSED.into();
    };
    let pick = Pick { query, scope: Scope::Everything, dry_run: false };
    let (verb, request) = match sweep {
        Sweep::Delete => ("delete", Request::Delete { pick: pick.clone(), forever: false }),
        Sweep::Move(folder) => ("move", Request::Move { pick: pick.clone(), folder: folder.to_string() }),
    };
    let done = Asker::find(rules).and_then(|asker| work(&asker, verb, &pick, bulk, request));
    done.map_or_else(|code| code, ExitCode::from)
}

/// All that the source has, but for what is in the trash already.
fn query(by: By, source: &str) -> Option<Query> {
    let text = || Some(source.trim()).filter(|s| !s.is_empty()).map(str::to_lowercase);
    let mailbox = || Some(if source == "<>" { Text::Empty } else { Text::Exact(text()?) });
    let what = match by {
        By::Ip | By::Prefix => What::Client(Net::parse(source).ok()?.net),
        By::Sender => What::From(mailbox()?),
        By::SenderDomain if source == "<>" => What::From(Text::Empty),
        By::SenderDomain => What::From(Text::Domain(text()?)),
        By::Recipient => What::Rcpt(mailbox()?),
        By::RecipientDomain => What::Rcpt(Text::Domain(text()?)),
        By::Rule => What::Rule(Text::Exact(text()?)),
    };
    let trash = Term { not: true, what: What::State(State::Trash) };
    Some(Query { terms: vec![Term { not: false, what }, trash] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_query() {
        for (by, source, want) in [
            (By::Ip, "192.0.2.7", Some(What::Client("192.0.2.7/32".parse().unwrap()))),
            (By::Prefix, "2001:db8::/64", Some(What::Client("2001:db8::/64".parse().unwrap()))),
            (By::Sender, "Bob@x.example", Some(What::From(Text::Exact("bob@x.example".into())))),
            (By::Sender, "<>", Some(What::From(Text::Empty))),
            (By::SenderDomain, "x.example", Some(What::From(Text::Domain("x.example".into())))),
            (By::Recipient, "a@y.example", Some(What::Rcpt(Text::Exact("a@y.example".into())))),
            (By::RecipientDomain, "y.example", Some(What::Rcpt(Text::Domain("y.example".into())))),
            (By::Rule, "blocks", Some(What::Rule(Text::Exact("blocks".into())))),
            (By::Ip, "bob", None),
            (By::Sender, " ", None),
        ] {
            let got = query(by, source);
            assert_eq!(
                got.as_ref().and_then(|q| q.terms.first()).map(|t| &t.what),
                want.as_ref(),
                "{source}"
            );
            // Never everything, and nothing out of the trash.
            assert!(got.is_none_or(|q| q.terms.len() == 2 && q.terms[1].not));
        }
    }
}
