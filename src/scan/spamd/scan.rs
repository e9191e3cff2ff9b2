//! Asking spamd.

use super::wire;
use crate::scan::exchange::{Request, exchange};
use crate::scan::job::Job;
use crate::scan::stream::Stream;
use crate::scan::verdict::ScanVerdict;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lets it judge a message, with the preferences of `user`.
pub(in crate::scan) async fn scan(stream: Box<dyn Stream>, job: Job<'_>, user: Option<&str>) -> ScanVerdict {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = i64::try_from(now.as_millis()).unwrap_or(0);
    let preface = job.envelope.map(|envelope| wire::preface(envelope, unix_ms)).unwrap_or_default();
    let head = wire::request(job.input.len(), user, &preface);
    let request = Request { head, input: Some(job.input), framed: false };
    match exchange(stream, request, wire::ANSWER_MAX, wire::complete).await {
        Ok(reply) => wire::verdict(&reply.octets, reply.after_all),
        Err(trouble) => trouble.verdict(),
    }
}

/// Whether it answers; an error in words.
pub(in crate::scan) async fn ping(stream: Box<dyn Stream>) -> Result<String, String> {
    let request = Request { head: wire::PING.to_vec(), input: None, framed: false };
    let reply =
        exchange(stream, request, wire::ANSWER_MAX, wire::complete_line).await.map_err(|t| t.words())?;
    if wire::is_pong(&reply.octets) {
        Ok("spamd".to_owned())
    } else {
        Err("no PONG: is it spamd?".to_owned())
    }
}
