//! (Built elsewhere.)
pub mod tls;
