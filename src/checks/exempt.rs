//! Recipients that a refusal which was pending does not hold for: postmaster must be reachable by those who were
//! refused in error (RFC 5321 section 4.5.1).

use super::lists::{hits, subject};
use crate::config::model::Policy;
use crate::mail::{Host, Path};
use crate::rules::{Kind, Mode};
use crate::verdict::Facts;

/// Whether the recipient is one of `exempt_recipients`, in one of our domains or bare. (An allow entry for a recipient
/// is a finding of stage Rcpt.)
#[must_use]
pub fn is_exempt(recipient: &Path, policy: &Policy) -> bool {
    let Path::Mailbox { mailbox, routed: false } = recipient else { return false };
    policy
        .protocol
        .exempt_recipients
        .iter()
        .any(|local| mailbox.local().eq_ignore_ascii_case(local.as_bytes()))
        && match mailbox.host() {
            Host::Name(domain) => policy.relay.domains.contains(domain),
            Host::Unqualified => true,
            Host::Literal(_) => false,
        }
}

/// The same, or some allow list has the recipient: whether a refusal that was pending does not hold for it.
#[must_use]
pub fn is_spared(recipient: &Path, facts: &Facts<'_>, policy: &Policy) -> bool {
    let mut allowed = hits(&policy.protocol.allow, Kind::Recipient, subject(recipient), facts);
    is_exempt(recipient, policy) || allowed.any(|(_, hit)| hit.attributes.mode == Mode::On)
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{path, policy};
    use super::*;

    #[test]
    fn postmaster_of_ours_and_bare() {
        let policy = policy("[relay]\ndomains = [\"example.net\"]\n");
        for (text, want) in [
            ("<postmaster@example.net>", true),
            ("<PostMaster@EXAMPLE.NET>", true),
            ("<postmaster>", true),
            ("<postmaster@example.com>", false),
            ("<postmaster@[192.0.2.1]>", false),
            ("<@example.net:postmaster@example.net>", false),
            ("<a@example.net>", false),
            ("<>", false),
        ] {
            assert_eq!(is_exempt(&path(text), &policy), want, "{text}");
        }
    }
}
