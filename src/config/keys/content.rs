//! The keys of `content.toml`.

use super::key::Section;
use super::{authentication, score};

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "What the content of a message is worth: scores, and what the sender can prove.", keys: &[
    ] },
    score::SCORE,
    score::RULE,
    score::EXPECT,
    authentication::SECTION,
];
