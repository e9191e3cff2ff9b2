//! The operational log: standard error, text or JSON.

use crate::config::model::Log;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the log. `RUST_LOG` beats the configuration, so that one run can be watched closely.
pub(super) fn start(log: &Log) {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(&log.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (the demo starts the gateway too) keeps the first log.
    let _ = if log.json {
        builder.json().try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}
