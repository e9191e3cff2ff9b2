//! The keys of `policies.toml`.

use super::key::Section;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "Whose mail is judged how.", keys: &[
    ] },
];
