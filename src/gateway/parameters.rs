//! Parameter rules: a parameter goes down only if its extension was offered to this client (555 else), and
//! what was used must be there in the session that the message takes.

use crate::reply::{Entry, catalogue};
use crate::smtp::command::{Mail, Rcpt};
use crate::smtp::extension::Offer;
use crate::smtp::param::{Body, Parameters, extension_of};

/// Judges MAIL's parameters. Returns the extensions that the downstream must have.
///
/// # Errors
/// The refusal.
pub(super) fn of_mail(mail: &Mail, offer: &Offer, authenticated: bool) -> Result<Vec<&'static str>, Entry> {
    if mail.facts.body == Body::BinaryMime {
        return Err(catalogue::PARAMETER_NOT_OFFERED);
    }
    let mut needs = used(&mail.parameters, offer, authenticated)?;
    if mail.facts.declared_octets.is_some_and(|n| n > offer.size() && offer.size() > 0) {
        return Err(catalogue::TOO_BIG);
    }
    // SIZE is per hop (RFC 1870): where the downstream lacks it, it is not told. AUTH=<> is as good as none.
    needs.retain(|k| *k != "SIZE" && *k != "AUTH");
    Ok(needs)
}

/// Judges RCPT's parameters.
///
/// # Errors
/// The refusal.
pub(super) fn of_rcpt(rcpt: &Rcpt, offer: &Offer, authenticated: bool) -> Result<Vec<&'static str>, Entry> {
    used(&rcpt.parameters, offer, authenticated)
}

fn used(parameters: &Parameters, offer: &Offer, authenticated: bool) -> Result<Vec<&'static str>, Entry> {
    let mut needs = Vec::new();
    for parameter in parameters.iter() {
        let extension = extension_of(&parameter.keyword).ok_or(catalogue::PARAMETER_NOT_OFFERED)?;
        let offered = offer.has(extension) || (extension == "AUTH" && authenticated);
        if !offered {
            return Err(catalogue::PARAMETER_NOT_OFFERED);
        }
        needs.push(extension);
    }
    needs.dedup();
    Ok(needs)
}

/// MAIL as it goes down: the claimed identity only from who proved one.
pub(super) fn mail_line(mail: &Mail, authenticated: bool) -> Vec<u8> {
    if authenticated { mail.line.to_vec() } else { mail.line_without_identity() }
}

/// The same line for a server without SIZE.
pub(super) fn without_size(mail: &Mail, authenticated: bool) -> Option<Vec<u8>> {
    let size = mail.parameters.get("SIZE")?;
    let mut line = mail.line.to_vec();
    // With the blank before it: a strict server refuses one at the end of the line.
    line.drain(size.span.start.saturating_sub(1)..size.span.end);
    let parsed = crate::smtp::command::Command::parse(line.strip_suffix(b"\r\n")?, &line);
    match parsed {
        crate::smtp::command::Command::Mail(mail) => Some(mail_line(&mail, authenticated)),
        _ => None,
    }
}
