//! What the content of a message comes to: attachments, signatures, score. Pure: octets and policy in, findings out.

pub mod analyse;
pub mod attachments;
pub mod score;
mod signatures;
