//! The keys of `attachments.toml`.

use super::key::Section;
use super::signatures;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "What a message may carry.", keys: &[
    ] },
    signatures::SECTION,
];
