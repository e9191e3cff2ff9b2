//! Asking rspamd.

use super::{http, wire};
use crate::scan::exchange::{Request, exchange};
use crate::scan::job::Job;
use crate::scan::stream::Stream;
use crate::scan::verdict::ScanVerdict;

/// Lets it judge a message.
pub(in crate::scan) async fn scan(stream: Box<dyn Stream>, job: Job<'_>) -> ScanVerdict {
    let head = wire::request(job.input.len(), job.envelope);
    let request = Request { head, input: Some(job.input), framed: false };
    match exchange(stream, request, http::ANSWER_MAX, http::complete).await {
        Ok(reply) => wire::verdict(&reply.octets, reply.after_all),
        Err(trouble) => trouble.verdict(),
    }
}

/// Whether it answers; an error in words.
pub(in crate::scan) async fn ping(stream: Box<dyn Stream>) -> Result<String, String> {
    let request = Request { head: wire::PING.to_vec(), input: None, framed: false };
    let reply = exchange(stream, request, http::ANSWER_MAX, http::complete).await.map_err(|t| t.words())?;
    match http::read(&reply.octets)? {
        http::Answer { status: 200, .. } => Ok("rspamd".to_owned()),
        http::Answer { status, .. } => Err(format!("it says {status} to /ping: is it rspamd?")),
    }
}
