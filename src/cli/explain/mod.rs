//! `portcullis explain REF`: what happened to a session or message, who decided it by which line of which file, what
//! was said, and what today's rules would say.

mod find;
mod text;
mod verb;

pub(super) use verb::{Options, run};
