//! What the content of a message comes to: attachments, signatures, score. Pure: octets and policy in, findings out.

pub mod analyse;
pub mod attachments;
mod circles;
mod dress;
pub mod score;
mod signatures;
mod weigh;

pub use circles::Circles;
pub use dress::{Dress, Known, authserv_id, dress, put_on};
pub use weigh::{Contents, Found, Weighed, lane_verdict, points};
