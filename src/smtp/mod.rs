//! SMTP on the wire: pure codecs and machines.

pub mod data;
pub mod extension;
pub mod line;
pub mod proxy;
pub mod response;
pub mod xclient;
