//! The stream of a session: waiting, reading, writing, the handshake, each under its deadline.

use super::phase::Phase;
use super::session::{End, Session};
use super::tls::describe;
use crate::downstream::{poll_read_some, read_some, write_all};
use crate::reply::catalogue;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a reply may take to be taken: a client that never reads is not waited for longer.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// How much of a client that we closed on is still read, and for how long.
const LINGER_OCTETS_MAX: usize = 256 * 1024;
const LINGER_LIMIT: Duration = Duration::from_secs(2);
/// How often a client that takes its time is looked at, whether others wait for its downstream session.
const LOOK: Duration = Duration::from_secs(1);

impl Session {
    /// Writes what the machine has to say, in one write.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        if self.server.output().is_empty() {
            return Ok(());
        }
        if self.standing.delay_ms > 0 {
            Box::pin(self.delay_answer()).await?;
        }
        let written = timeout(WRITE_LIMIT, write_all(&mut *self.stream, self.server.output())).await;
        self.server.output().clear();
        self.line_by = Instant::now() + self.generation.policy.timeouts.command;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_gone)) => Err(End::ClosedByClient),
            Err(_elapsed) => Err(End::Timeout),
        }
    }

    /// Rules and the tarpit make the answer wait.
    async fn delay_answer(&mut self) -> Result<(), End> {
        let ms = std::mem::take(&mut self.standing.delay_ms);
        self.server.transcript_mut().note(&format!("the answer waits {ms} ms"));
        let until = Instant::now() + Duration::from_millis(u64::from(ms));
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            () = self.place.kicked() => Ok(()),
            _ = self.stop.wait_for(|phase| *phase == Phase::Draining) => Ok(()),
        }
    }

    /// Waits for more of a command line. The deadline is the line's, not the read's. Below the downstream's
    /// idle time NOOP keeps an open transaction alive; a stop ends a session that has none.
    pub(super) async fn wait_line(&mut self) -> Result<(), End> {
        self.server.rest();
        let look = self.look_at();
        let due = self.unpark_at().or(look);
        let wake = due.map_or(self.line_by, |at| at.min(self.line_by));
        let stoppable = self.transaction.is_none() && self.server.is_idle();
        if stoppable && *self.stop.borrow() == Phase::Draining {
            return self.stop_now().await;
        }
        let Self { stream, server, stop, place, .. } = self;
        let read = tokio::select! {
            biased;
            () = place.kicked() => return self.kicked().await,
            read = read_some(&mut **stream, |octets| server.push(octets)) => Some(read),
            () = sleep_until(wake) => None,
            _ = stop.changed(), if stoppable => return self.stop_now().await,
        };
        match read {
            Some(Ok(0) | Err(_)) => Err(End::ClosedByClient),
            Some(Ok(_)) => {
                // Who says a little now and then, and nothing of the envelope, takes its time as well.
                if self.transaction.as_deref().is_some_and(|t| t.last_down.elapsed() > LOOK) {
                    self.lend();
                }
                Ok(())
            }
            None if Instant::now() >= self.line_by => self.time_out().await,
            None => {
                self.unpark();
                self.take_time().await;
                Ok(())
            }
        }
    }

    /// When the downstream session of an open transaction is to be looked at.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let noop_at = self.transaction.as_ref().and_then(|t| t.noop_at())?;
        Some(if self.bound { noop_at } else { noop_at.min(Instant::now() + LOOK) })
    }

    /// The client takes its time: others may have its downstream session, or it is kept alive.
    pub(super) async fn take_time(&mut self) {
        self.lend();
        let noop_at = self.transaction.as_ref().and_then(|t| t.noop_at());
        if noop_at.is_some_and(|at| at <= Instant::now()) {
            Box::pin(self.keep_alive()).await;
        }
    }

    /// Closes gently: a close with unread input resets the connection, and the last reply with it. What still
    /// comes is thrown away, a little and for a little.
    pub(super) async fn linger(&mut self) {
        let drained = async {
            poll_fn(|cx| Pin::new(&mut *self.stream).poll_shutdown(cx)).await?;
            let mut left = LINGER_OCTETS_MAX;
            while left > 0 {
                let n = read_some(&mut *self.stream, |_| ()).await?;
                if n == 0 {
                    break;
                }
                left = left.saturating_sub(n);
            }
            std::io::Result::Ok(())
        };
        // Gone is gone.
        let _ = timeout(LINGER_LIMIT, drained).await;
    }

    async fn stop_now(&mut self) -> Result<(), End> {
        self.say_and_close(catalogue::SHUTTING_DOWN, End::Shutdown);
        self.flush().await?;
        Err(End::Shutdown)
    }

    /// An admin ended the session; what it was at comes to nothing.
    pub(super) async fn kicked(&mut self) -> Result<(), End> {
        self.say_and_close(catalogue::KICKED, End::Kicked);
        self.flush().await?;
        Err(End::Kicked)
    }

    /// 421 4.4.2, and the end.
    pub(super) async fn time_out(&mut self) -> Result<(), End> {
        self.say_and_close(catalogue::TIMEOUT, End::Timeout);
        self.flush().await?;
        Err(End::Timeout)
    }

    /// Whether the client is still there, without waiting. Octets that came are kept for later.
    pub(super) fn client_is_there(&mut self) -> bool {
        if self.server.buffered() > 0 {
            return true;
        }
        let Self { stream, server, .. } = self;
        let mut cx = Context::from_waker(Waker::noop());
        match poll_read_some(&mut **stream, &mut cx, &mut |octets| server.push(octets)) {
            Poll::Pending => true,
            Poll::Ready(Ok(n)) => n > 0,
            Poll::Ready(Err(_)) => false,
        }
    }

    /// The TLS handshake, on STARTTLS or from the first octet.
    pub(super) async fn handshake(&mut self) -> Result<(), End> {
        let Some(tls) = self.entrance.tls.as_ref() else { return Err(End::Tls) };
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.config());
        let (placeholder, _) = tokio::io::duplex(1);
        let stream = std::mem::replace(&mut self.stream, Box::new(placeholder));
        let limit = self.generation.policy.timeouts.greeting_tls;
        let stream = match timeout(limit, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(session = %self.id, client = %self.client.ip, %error, "TLS handshake failed");
                return Err(End::Tls);
            }
            Err(_elapsed) => return Err(End::Timeout),
        };
        self.tls = Some(Box::new(describe(stream.get_ref().1)));
        self.stream = Box::new(stream);
        self.server.handshake_done();
        self.forget_user();
        self.hello = None;
        self.offer = None;
        self.line_by = Instant::now() + self.generation.policy.timeouts.command;
        Ok(())
    }
}
