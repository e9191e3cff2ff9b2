//! The keys of `content.toml`.

use super::authentication;
use super::key::Section;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "What the content of a message is worth: scores, and what the sender can prove.", keys: &[
    ] },
    authentication::SECTION,
];
