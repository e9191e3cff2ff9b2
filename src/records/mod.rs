//! What is remembered of sessions and messages: a bounded ring of records on disk, a ring of transcripts of
//! refused sessions, counters per source, and mail loops.
//!
//! Owner of: `state_dir/records/`, `state_dir/transcripts/` and one thread, which writes both and counts. The
//! audit thread hands it the lines that it writes itself, and briefs of them to count by, so a session never waits for
//! any of this. Failure: a
//! full or slow disk costs records, which are counted, and never mail; damaged lines are skipped and counted.
//! Reading needs neither the thread nor a lock: `explain` and `blocks preview` work with the gateway stopped.

mod brief;
mod inbox;
mod keeper;
mod key;
mod keyed;
mod loops;
mod read;
mod record;
mod ring;
mod segment;
mod tally;
mod top;
mod transcripts;
mod window;

pub use brief::{Briefs, Head, Outcome, Part};
pub use keeper::{Records, RecordsReport, RecordsWriter};
pub use loops::{Loop, LoopReport};
pub use read::{Seen, records, transcripts};
pub use record::{Found, HeaderView, Kind, RecipientView, Record, Text};
pub use top::{By, Row, Sort, Top, TopReport};
pub use transcripts::{Missed, Transcript, Transcripts, missed};
pub use window::{Counts, Window};
