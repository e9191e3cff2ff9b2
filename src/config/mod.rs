//! Configuration: what the admin wrote (`keys`, `file`), what the program needs (`model`), and the way from
//! one to the other with every error at once (`sources`, `build`, `load`).
//!
//! Only `load` reads files. A policy is immutable once built; a reload builds a new one or keeps the old.

mod build;
mod file;
mod keys;
mod load;
mod measure;
pub mod model;
mod sink;
mod sources;
mod strangers;
mod syntax;
mod unknown;
mod value;

pub use build::{Moment, parse, parse_files};
pub use keys::{FILES, Fallback, Key, Kind, Section, Settings};
pub use load::{load, load_with};
pub use sources::{Sources, list_file};

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod several;
#[cfg(test)]
mod several_authentication;
#[cfg(test)]
mod several_content;
#[cfg(test)]
mod several_lists;
#[cfg(test)]
mod several_mistakes;
#[cfg(test)]
mod several_policies;
#[cfg(test)]
mod several_quarantine;
#[cfg(test)]
mod several_scanners;
#[cfg(test)]
mod several_signatures;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tests;
