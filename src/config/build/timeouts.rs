//! `[timeouts]`.

use crate::config::file::Table;
use crate::config::model::Timeouts;
use std::time::Duration;

/// RFC 5321 section 4.5.3.2.6.
const DATA_REPLY_LEAST: Duration = Duration::from_mins(10);

/// Builds the deadlines.
pub fn build(table: &Table<'_>) -> Timeouts {
    let reply = table.duration("downstream_data_reply");
    if reply.given && reply.value < DATA_REPLY_LEAST {
        table.sink.warning(
            &reply.span,
            "`downstream_data_reply`: giving up before 10 minutes makes duplicates, for the downstream may have \
             taken the message (RFC 1047, RFC 5321 section 4.5.3.2.6)",
        );
    }
    let timeouts = Timeouts {
        greeting_tls: table.duration("greeting_tls").value,
        command: table.duration("command").value,
        data: table.duration("data").value,
        min_rate: table.size("min_rate").value,
        after_data: table.duration("after_data").value,
        downstream_connect: table.duration("downstream_connect").value,
        downstream_command: table.duration("downstream_command").value,
        downstream_data_reply: reply.value,
        downstream_wait: table.duration("downstream_wait").value,
    };
    table.finish();
    timeouts
}
