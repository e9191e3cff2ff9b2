//! Configuration: what the admin wrote (`keys`, `file`), what the program needs (`model`), and the way from
//! one to the other with every error at once (`build`, `load`).
//!
//! Only `load` reads files. A policy is immutable once built; a reload builds a new one or keeps the old.

mod build;
mod file;
mod keys;
mod load;
pub mod model;
mod sink;
mod syntax;
mod value;

pub use build::parse;
pub use keys::{Fallback, Key, Kind, Section, keys};
pub use load::load;

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod tests;
