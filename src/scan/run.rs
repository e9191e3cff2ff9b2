//! Running the scanners of one message: each under the deadline, a panic caught, findings out.

use super::table::{OnError, ScanVerdict, Scanner};
use crate::body::Body;
use crate::reply::catalogue;
use crate::verdict::{Finding, Source, Stage, Verdict};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};

/// Asks all scanners of `table`, one after the other.
pub async fn scan(table: &[Arc<dyn Scanner>], body: &Body, deadline: Instant) -> Vec<Finding> {
    let mut findings = Vec::new();
    for scanner in table {
        let verdict = ask(&**scanner, body, deadline).await;
        findings.extend(finding(scanner.name(), scanner.on_error(), verdict));
    }
    findings
}

async fn ask(scanner: &dyn Scanner, body: &Body, deadline: Instant) -> ScanVerdict {
    let guarded = async {
        let begun = catch_unwind(AssertUnwindSafe(|| scanner.scan(body, deadline)));
        let Ok(mut future) = begun else { return ScanVerdict::Error("the scanner panicked".into()) };
        poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready(ScanVerdict::Error("the scanner panicked".into())),
        })
        .await
    };
    timeout_at(deadline, guarded).await.unwrap_or(ScanVerdict::TimedOut)
}

/// What a verdict means for the message: infected is refused, everything that is not an answer is what the scanner's
/// `on_error` says, and never a pass.
fn finding(name: &str, on_error: OnError, verdict: ScanVerdict) -> Option<Finding> {
    let refuse = |reason: String| {
        let verdict = match on_error {
            OnError::Tempfail => Verdict::TempFail(catalogue::SCANNER_DOWN.reply()),
            OnError::Hold => Verdict::Hold,
        };
        Some(Finding::new(name, Stage::Message, verdict, Source::built_in(), reason))
    };
    match verdict {
        ScanVerdict::Clean => None,
        ScanVerdict::Infected(what) => {
            let verdict = Verdict::Reject(catalogue::REJECTED.reply());
            Some(Finding::new(name, Stage::Message, verdict, Source::built_in(), format!("infected: {what}")))
        }
        ScanVerdict::TooLarge => refuse("larger than the scanner takes".into()),
        ScanVerdict::Error(text) => refuse(format!("error: {text}")),
        ScanVerdict::TimedOut => refuse("no answer in time".into()),
        ScanVerdict::Unavailable(text) => refuse(format!("unavailable: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{PassEverything, ScanFuture, Scanners};
    use super::*;
    use crate::body::{BodyWriter, Budget};
    use Scripted::{Hangs, Panics, PanicsLater, Says};
    use std::time::Duration;

    struct Script(Scripted, OnError);

    #[derive(Clone)]
    enum Scripted {
        Says(ScanVerdict),
        Panics,
        PanicsLater,
        Hangs,
    }

    impl Scanner for Script {
        fn name(&self) -> &'static str {
            "scripted"
        }
        fn scan<'a>(&'a self, _: &'a Body, _: Instant) -> ScanFuture<'a> {
            match &self.0 {
                Scripted::Says(verdict) => Box::pin(std::future::ready(verdict.clone())),
                Scripted::Panics => panic!("on purpose"),
                Scripted::PanicsLater => Box::pin(async { panic!("on purpose") }),
                Scripted::Hangs => Box::pin(std::future::pending()),
            }
        }
        fn on_error(&self) -> OnError {
            self.1
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_answer_is_an_answer() {
        let budget = Budget::new(1 << 20, 1 << 20, std::env::temp_dir());
        let body = BodyWriter::new(budget).finish().await.unwrap();
        let failed = Some("no answer");
        for (script, want) in [
            (Says(ScanVerdict::Clean), None),
            (Says(ScanVerdict::Infected("x".into())), Some("reject")),
            (Says(ScanVerdict::TooLarge), failed),
            (Says(ScanVerdict::Error("x".into())), failed),
            (Says(ScanVerdict::Unavailable("x".into())), failed),
            (Panics, failed),
            (PanicsLater, failed),
            (Hangs, failed),
        ] {
            for (on_error, word) in [(OnError::Tempfail, "tempfail"), (OnError::Hold, "hold")] {
                let scripted = Script(script.clone(), on_error);
                let scanners: Scanners = Arc::new([Arc::new(PassEverything), Arc::new(scripted)]);
                let deadline = Instant::now() + Duration::from_secs(20);
                let findings = scan(&scanners, &body, deadline).await;
                let want = if want == failed { Some(word) } else { want };
                assert_eq!(findings.first().map(|f| f.verdict.name()), want);
            }
        }
    }
}
