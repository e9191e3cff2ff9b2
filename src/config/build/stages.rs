//! Words of `answer_at`.

use crate::verdict::Stage;

/// The stage of a word.
pub fn stage(word: &str) -> Stage {
    match word {
        "connect" => Stage::Connect,
        "helo" => Stage::Helo,
        "mail" => Stage::Mail,
        "data" => Stage::Data,
        "message" => Stage::Message,
        _ => Stage::Rcpt,
    }
}

/// The word of a stage at which a rule can answer.
pub fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connect",
        Stage::Helo => "helo",
        Stage::Auth | Stage::Mail => "mail",
        Stage::Rcpt => "rcpt",
        Stage::Data => "data",
        Stage::Message => "message",
    }
}
