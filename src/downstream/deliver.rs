//! Handing the message over: DATA or BDAT, our trace header, the body, and the final reply.

use super::error::{DownstreamError, END_OF_DATA};
use super::pool::Limits;
use super::session::Session;
use crate::body::Body;
use crate::reply::Reply;
use crate::smtp::client::{Awaiting, ClientError};
use crate::smtp::data::Stuffer;
use std::time::Duration;
use tokio::time::Instant;

/// Octets gathered before a write.
const WRITE_OCTETS: usize = 64 * 1024;

/// What became of the message.
pub enum Handed {
    /// The final reply.
    Reply(Reply),
    /// DATA was refused before anything of the message went down.
    Refused(Reply),
    /// The client was gone before our end of data; nothing was committed.
    Abandoned,
}

impl Session {
    /// Hands over `head` (trace headers) and `body`. `still_wanted` is asked right before the end of data:
    /// a client that left gets nothing delivered.
    ///
    /// # Errors
    /// The session broke. [`DownstreamError::step`] is the end of data where the message may have been taken.
    pub async fn deliver(
        &mut self,
        head: &[u8],
        body: &Body,
        chunking: bool,
        limits: &Limits,
        finish_by: Instant,
        still_wanted: &mut (dyn FnMut() -> bool + Send),
    ) -> Result<Handed, DownstreamError> {
        if !self.client.is_usable() {
            return Err(self.surplus());
        }
        let limit = |most: Duration| finish_by.saturating_duration_since(Instant::now()).min(most);
        if chunking && self.capabilities.has("CHUNKING") {
            if !still_wanted() {
                return Ok(Handed::Abandoned);
            }
            if let Err(error) = self.write_chunk(head, body, limits.command).await {
                return self.refused_in_the_middle(error).await;
            }
            return self.final_reply(limits).await;
        }
        let reply = self.command(b"DATA\r\n", Awaiting::GoAhead, "DATA", limit(limits.command)).await?;
        if reply.is_refusal() {
            self.spoiled = true;
            return Ok(Handed::Refused(reply));
        }
        match self.write_stuffed(head, body, limits.command, still_wanted).await {
            Ok(true) => self.final_reply(limits).await,
            Ok(false) => {
                self.spoiled = true;
                self.client.break_off();
                Ok(Handed::Abandoned)
            }
            Err(error) => self.refused_in_the_middle(error).await,
        }
    }

    /// The server spoke or closed while we were writing: an honest refusal that it said passes as it is.
    async fn refused_in_the_middle(&mut self, error: DownstreamError) -> Result<Handed, DownstreamError> {
        if !matches!(error, DownstreamError::Lost { .. } | DownstreamError::Protocol { .. }) {
            return Err(error);
        }
        self.parting_reply().await.map(Handed::Refused).ok_or(error)
    }

    /// Giving up on the final reply makes duplicates (RFC 1047), so it has its own long deadline.
    async fn final_reply(&mut self, limits: &Limits) -> Result<Handed, DownstreamError> {
        self.client.expect(Awaiting::Message);
        let reply = match self.reply(END_OF_DATA, limits.message).await {
            // The server said that it did not take the message; no doubt is left.
            Err(DownstreamError::Protocol { address, source: source @ ClientError::Closing(_), .. }) => {
                return Err(DownstreamError::Protocol { address, step: "the message", source });
            }
            other => other?,
        };
        self.messages += 1;
        self.spoiled |= reply.is_refusal();
        Ok(Handed::Reply(reply))
    }

    async fn write_chunk(
        &mut self,
        head: &[u8],
        body: &Body,
        limit: Duration,
    ) -> Result<(), DownstreamError> {
        let octets = head.len() as u64 + body.len();
        let mut out = Vec::with_capacity(WRITE_OCTETS.min(head.len() + 64 + body.len() as usize));
        out.extend_from_slice(format!("BDAT {octets} LAST\r\n").as_bytes());
        out.extend_from_slice(head);
        let mut reader = body.reader();
        while let Some(chunk) = reader.next().await? {
            out.extend_from_slice(chunk.as_ref());
            if out.len() >= WRITE_OCTETS {
                self.write_body(&out, limit).await?;
                out.clear();
            }
        }
        self.write_body(&out, limit).await
    }

    /// False: the client left, and the end of data was not written.
    async fn write_stuffed(
        &mut self,
        head: &[u8],
        body: &Body,
        limit: Duration,
        still_wanted: &mut (dyn FnMut() -> bool + Send),
    ) -> Result<bool, DownstreamError> {
        let mut stuffer = Stuffer::new();
        let expected = head.len() + body.len() as usize + 64;
        let mut out = Vec::with_capacity(expected.min(WRITE_OCTETS * 2));
        stuffer.push(head, &mut out);
        let mut reader = body.reader();
        while let Some(chunk) = reader.next().await? {
            stuffer.push(chunk.as_ref(), &mut out);
            if out.len() >= WRITE_OCTETS {
                self.write_body(&out, limit).await?;
                out.clear();
            }
        }
        if !still_wanted() {
            return Ok(false);
        }
        // A reply that is here already cannot be the one to the end of data.
        if !self.is_alive() {
            return Err(self.surplus());
        }
        stuffer.finish(&mut out);
        self.write_body(&out, limit).await?;
        Ok(true)
    }
}
