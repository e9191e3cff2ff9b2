//! Every key of every file of settings: type, default and one line of doc, a file of rows for each. The reader
//! takes types, bounds and defaults from here and "did you mean" from the names, so that a schema made of these
//! tables cannot drift away from what is read.

mod attachments;
mod authentication;
mod content;
mod gateway;
mod key;
mod limits;
mod policies;
mod protocol;
mod quarantine;
mod scanners;
mod score;
mod signatures;

pub use key::{Fallback, Key, Kind, Section, Settings};

/// The files of settings; only the first has to be there.
pub static FILES: [Settings; 8] = [
    Settings { name: "gateway.toml", sections: gateway::SECTIONS },
    Settings { name: "limits.toml", sections: limits::SECTIONS },
    Settings { name: "protocol.toml", sections: protocol::SECTIONS },
    Settings { name: "quarantine.toml", sections: quarantine::SECTIONS },
    Settings { name: "scanners.toml", sections: scanners::SECTIONS },
    Settings { name: "attachments.toml", sections: attachments::SECTIONS },
    Settings { name: "content.toml", sections: content::SECTIONS },
    Settings { name: "policies.toml", sections: policies::SECTIONS },
];
