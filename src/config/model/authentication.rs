//! `[authentication]` of `content.toml`.

use crate::mail::Domain;
use crate::rules::Mode;
use std::sync::Arc;
use std::time::Duration;

/// What becomes of a message that fails DMARC where the owner of the domain wishes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnWish {
    /// 550 5.7.1.
    Reject,
    /// It goes to the folder.
    Quarantine,
    /// Nothing; rules may look at the result.
    Pass,
}

/// What is made of sender authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Authentication {
    /// Whether SPF is evaluated.
    pub spf: bool,
    /// Whether DKIM signatures are verified.
    pub dkim: bool,
    /// Whether ARC chains are verified.
    pub arc: bool,
    /// Whether the wishes of DMARC are followed; off does not look for them.
    pub dmarc: Mode,
    /// Whether messages are refused whose author is nobody, or several of different domains.
    pub author: Mode,
    /// On the wish to reject.
    pub on_reject: OnWish,
    /// On the wish to quarantine.
    pub on_quarantine: OnWish,
    /// Whether a message waits with its sender (451) while DNS does not say what DMARC makes of it.
    pub wait: bool,
    /// Where it goes in quarantine.
    pub folder: Arc<str>,
    /// Domains of ARC sealers, and those below, that are believed.
    pub trusted_sealers: Vec<Domain>,
    /// All of it together.
    pub deadline: Duration,
    /// Most signatures that are looked at.
    pub signatures: usize,
    /// RSA keys below this are `policy`.
    pub min_key_bits: usize,
    /// Whether a signature over a part of the body counts.
    pub partial: bool,
    /// Whether `Authentication-Results` is written.
    pub header: bool,
    /// Our name in it; `None` is the host name.
    pub name: Option<Domain>,
}

impl Default for Authentication {
    fn default() -> Self {
        Self {
            spf: true,
            dkim: true,
            arc: true,
            dmarc: Mode::Log,
            author: Mode::Log,
            on_reject: OnWish::Reject,
            on_quarantine: OnWish::Quarantine,
            wait: false,
            folder: Arc::from("spam"),
            trusted_sealers: Vec::new(),
            deadline: Duration::from_secs(10),
            signatures: 10,
            min_key_bits: 1024,
            partial: false,
            header: true,
            name: None,
        }
    }
}

impl Authentication {
    /// Whether anything is to be found out.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let modes = [self.dmarc, self.author];
        self.spf || self.dkim || self.arc || modes.iter().any(|mode| *mode != Mode::Off)
    }

    /// Whether this sealer, or one above it, is believed.
    #[must_use]
    pub fn trusts(&self, sealer: &str) -> bool {
        Domain::parse(sealer.as_bytes())
            .is_ok_and(|sealer| self.trusted_sealers.iter().any(|t| *t == sealer || sealer.is_below(t)))
    }
}
