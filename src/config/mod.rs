//! Configuration: what the admin wrote (`file`), what the program needs (`model`), and the way from one
//! to the other with every error at once (`load`).
//!
//! Only `load` reads files. A policy is immutable once built; a reload builds a new one or keeps the old.

pub mod model;
