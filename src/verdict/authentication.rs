//! What a sender could prove: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489), ARC (RFC 8617).

/// The result of one method, in the words of RFC 8601 section 2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthResult {
    /// Nothing to go by.
    #[default]
    None,
    /// It proves what it is to prove.
    Pass,
    /// It does not.
    Fail,
    /// Probably not (SPF `~all`).
    SoftFail,
    /// Neither.
    Neutral,
    /// Proved, and not acceptable to us: a key too short, a signature of a part only.
    Policy,
    /// DNS trouble: unknown for now, and never a failure.
    TempError,
    /// What was published or signed makes no sense.
    PermError,
}

/// One DKIM signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// Its result.
    pub result: AuthResult,
    /// `d=`, lower case.
    pub domain: Box<str>,
    /// `s=`.
    pub selector: Box<str>,
    /// Why, for people.
    pub reason: Box<str>,
    /// Whether its domain is aligned with that of `From:`.
    pub aligned: bool,
}

/// What the owner of a domain asks to be done with what fails DMARC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wish {
    /// Nothing.
    #[default]
    None,
    /// Quarantine.
    Quarantine,
    /// Reject.
    Reject,
}

/// Who is named as author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// Authors of one domain, or nobody looked.
    #[default]
    One,
    /// Nobody with a domain.
    Missing,
    /// Authors of more than one domain: each reader may show another one.
    Many,
}

/// All of it for one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authentication {
    /// SPF of the reverse-path, or of the HELO name where that is null.
    pub spf: AuthResult,
    /// The domain that was asked about.
    pub spf_domain: Box<str>,
    /// Why, for people; empty where there is nothing to say. Nothing of it is of the peer, here and below.
    pub spf_reason: Box<str>,
    /// SPF of the HELO name.
    pub spf_hello: AuthResult,
    /// Whether the SPF domain is aligned with that of `From:`.
    pub spf_aligned: bool,
    /// Each signature that was looked at.
    pub dkim: Vec<Signature>,
    /// DMARC.
    pub dmarc: AuthResult,
    /// Why.
    pub dmarc_reason: Box<str>,
    /// Who is named in `From:`.
    pub author: Author,
    /// The domain of `From:` that was asked about; empty where there is none or more than one.
    pub dmarc_domain: Box<str>,
    /// What its owner wishes to be done with it, where it fails.
    pub wish: Wish,
    /// ARC.
    pub arc: AuthResult,
    /// Why.
    pub arc_reason: Box<str>,
    /// Sealers that the policy trusts say that DMARC passed before they changed the message.
    pub arc_vouched: bool,
    /// Domains of the ARC sealers, the newest first.
    pub arc_sealers: Vec<Box<str>>,
}

impl AuthResult {
    /// Its word (RFC 8601).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl Authentication {
    /// The result of DKIM as a whole: the best of its signatures.
    #[must_use]
    pub fn dkim_result(&self) -> AuthResult {
        let rank = |result: AuthResult| match result {
            AuthResult::Pass => 7,
            AuthResult::TempError => 6,
            AuthResult::Policy => 5,
            AuthResult::Fail => 4,
            AuthResult::Neutral | AuthResult::SoftFail => 3,
            AuthResult::PermError => 2,
            AuthResult::None => 1,
        };
        self.dkim.iter().map(|signature| signature.result).max_by_key(|r| rank(*r)).unwrap_or_default()
    }

    /// Whether a domain of the reverse-path is proved: SPF passed for it, or it is the author's and that is proved.
    #[must_use]
    pub fn proves_sender(&self, domain: &str) -> bool {
        let spf = self.spf == AuthResult::Pass && *self.spf_domain == *domain;
        spf || (self.is_aligned() && *self.dmarc_domain == *domain)
    }

    /// Whether the author is proved: a passing SPF or DKIM that is aligned with `From:`.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        (self.spf == AuthResult::Pass && self.spf_aligned)
            || self.dkim.iter().any(|s| s.result == AuthResult::Pass && s.aligned)
    }
}
