//! DMARC of one message (RFC 9989 section 5.3): what is proved, whether it is aligned with the author's domain, and what
//! the owner of that domain wishes. Pure. A pass needs an identifier that passed and is aligned; a failure needs that
//! nothing which could still pass is unknown.

use super::ask::{Known, Missing};
use super::dmarc::{self, Walk};
use crate::verdict::{AuthResult, Authentication, Author, Wish};

/// Judges.
///
/// # Errors
/// An answer is missing.
pub fn judge(known: &Known, walk: &Walk, told: &mut Authentication) -> Result<(), Missing> {
    let policy = if walk.trouble { Ok(None) } else { walk.policy(known) };
    let record = policy.as_ref().ok().and_then(|policy| policy.map(|policy| policy.record));
    let (strict_spf, strict_dkim) = record.map_or((false, false), |r| (r.strict_spf, r.strict_dkim));
    // Every identifier is looked at before the first that is missing ends it: all is asked for together.
    let spf = match told.spf {
        AuthResult::None => Ok(Some(false)),
        _ => dmarc::aligned(known, walk, &told.spf_domain, strict_spf),
    };
    let dkim: Vec<_> =
        told.dkim.iter().map(|s| dmarc::aligned(known, walk, &s.domain, strict_dkim)).collect();
    let policy = policy?;
    let mut unknown = walk.trouble;
    let mut weigh = |result: AuthResult, aligned: Option<bool>| {
        let may_pass = matches!(result, AuthResult::Pass | AuthResult::TempError);
        unknown |=
            may_pass && (aligned.is_none() || result == AuthResult::TempError && aligned == Some(true));
        aligned == Some(true)
    };
    told.spf_aligned = weigh(told.spf, spf?);
    for (signature, aligned) in told.dkim.iter_mut().zip(dkim) {
        signature.aligned = weigh(signature.result, aligned?);
    }
    (told.dmarc, told.dmarc_reason) = match policy {
        None if walk.trouble => (AuthResult::TempError, "the policy could not be looked up".into()),
        None => (AuthResult::None, "".into()),
        Some(_) if told.is_aligned() => (AuthResult::Pass, "".into()),
        Some(_) if unknown => (AuthResult::TempError, "what could pass could not be looked up".into()),
        Some(policy) => {
            told.wish = policy.wish;
            (AuthResult::Fail, "nothing that passes is aligned with the author".into())
        }
    };
    Ok(())
}

/// Without an author of one domain there is nothing to be aligned with.
pub fn nobody(told: &mut Authentication) {
    let reason = match told.author {
        Author::Missing => "no author with a domain",
        Author::Many => "authors of several domains",
        Author::One => return,
    };
    (told.dmarc, told.dmarc_reason, told.wish) = (AuthResult::PermError, reason.into(), Wish::None);
}
