//! Which command acts on a source: shown behind each row of `top` and `loops`.

use crate::records::By;

/// The command, where there is one that can be typed as it stands. `sample`: reference of a record.
pub(super) fn on(by: By, key: &str, sample: Option<&str>) -> Option<String> {
    let entry = match by {
        By::Ip | By::Prefix | By::Sender | By::SenderDomain => key.to_owned(),
        By::Recipient | By::RecipientDomain => format!("rcpt:{key}"),
        By::Rule => return sample.map(|reference| format!("portcullis explain {reference}")),
    };
    let is_address = matches!(by, By::Ip | By::Prefix);
    // Names come from peers: whatever a shell or a list reads as more than a name is left to a person.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"@._+=:-".contains(&b) || (is_address && b == b'/');
    let typed = !entry.is_empty() && !entry.starts_with('-') && entry.bytes().all(plain);
    typed.then(|| format!("portcullis block {entry} --for 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_typed_as_they_stand() {
        for (by, key, want) in [
            (By::Ip, "2001:db8::1", Some("portcullis block 2001:db8::1 --for 2h")),
            (By::Prefix, "192.0.2.0/24", Some("portcullis block 192.0.2.0/24 --for 2h")),
            (By::Sender, "a+b@example.com", Some("portcullis block a+b@example.com --for 2h")),
            (By::SenderDomain, "example.com", Some("portcullis block example.com --for 2h")),
            (By::Recipient, "b@example.net", Some("portcullis block rcpt:b@example.net --for 2h")),
            (By::Rule, "blocks", Some("portcullis explain 7F3K9QAB")),
            (By::Sender, "<>", None),
            (By::Sender, "$(reboot)@example.com", None),
            (By::Sender, "a;b@example.com", None),
            (By::Sender, "*@example.com", None),
            (By::Sender, "--for@example.com", None),
            (By::Sender, "größe@example.com", None),
        ] {
            assert_eq!(on(by, key, Some("7F3K9QAB")).as_deref(), want, "{key}");
        }
    }
}
