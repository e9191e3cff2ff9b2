//! What the content of a message comes to: attachments, signatures, score. Pure: octets and policy in, findings out.

mod signatures;

pub use signatures::Collector as SignatureCollector;
