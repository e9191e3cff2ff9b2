//! The keys of `scanners.toml`.

use super::key::Section;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "Scanning engines: where they are, how long and how many at once, and what follows where one does not answer.", keys: &[
    ] },
];
