//! The operational log: standard error, text or JSON.

use crate::config::model::Log;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the log. `RUST_LOG` beats the configuration, so that one run can be watched closely.
pub(super) fn start(log: &Log) {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(quiet(&log.level)))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (the demo starts the gateway too) keeps the first log.
    let _ = if log.json {
        builder.json().try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}

/// The resolver's crate tells of every forged or broken packet in the packet's own words; what matters of it is told
/// by `lookup`. Whoever wants it names it.
fn quiet(level: &str) -> String {
    if level.contains("hickory") {
        return level.to_owned();
    }
    format!("{level},hickory_net=off,hickory_resolver=off,hickory_proto=off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolver_is_heard_only_when_it_is_named() {
        for (level, heard) in [("info", false), ("portcullis=debug", false), ("info,hickory_net=warn", true)]
        {
            let filter = EnvFilter::try_new(quiet(level)).unwrap().to_string();
            assert_eq!(!filter.contains("hickory_net=off"), heard, "{filter}");
        }
    }
}
