//! The keys of `[authentication]` in `content.toml`.

use super::key::Section;

/// The table.
#[rustfmt::skip]
pub const SECTION: Section = Section { name: "authentication", repeated: false, doc: "Sender authentication: SPF, DKIM, DMARC, ARC.", keys: &[
] };
