//! The typed policy: every value checked, every default filled in. Built once per generation, then
//! immutable behind an `Arc`; a transaction keeps the generation it began with.

mod attachments;
mod authentication;
mod content;
mod gateway;
mod limits;
mod message_fact;
mod policies;
mod protocol;
mod quarantine;
mod rule;
mod rule_table;
mod scanners;
mod score;
mod signatures;

pub use attachments::*;
pub use authentication::*;
pub use content::*;
pub use gateway::*;
pub use limits::*;
pub use message_fact::{MessageFact, MessageFacts};
pub use policies::*;
pub use protocol::*;
pub use quarantine::{
    Disk, Folder as QuarantineFolder, HoldRules, Notices, Overflow, Quarantine, SpoolRules,
};
pub use rule::*;
pub use rule_table::{RuleTable, Trails};
pub use scanners::*;
pub use score::*;
pub use signatures::*;
