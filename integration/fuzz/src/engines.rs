//! Answers of scanning engines.

use portcullis::config::model::Engine;
use portcullis::scan::{ScanVerdict, answer};

pub fn answers(input: &[u8]) {
    let engines =
        [Engine::Clamd(Vec::new()), Engine::Rspamd(Vec::new()), Engine::Spamd { addresses: Vec::new(), user: None }];
    for engine in &engines {
        let said = answer(engine, input, true);
        // Bounded in characters of the engine, each of which may be escaped by up to ten.
        let words = said.words();
        assert!(words.chars().count() < 3000 && !words.chars().any(char::is_control), "{words:?}");
        if let ScanVerdict::Scored(scored) = &said {
            assert!(scored.symbols.len() <= 64 && scored.total_milli.abs() <= 1_000_000);
            assert!(scored.symbols.iter().all(|s| s.name.chars().count() < 3000 && !s.name.chars().any(char::is_control)));
        }
        // Only one answer is clean, and none is before the message was sent.
        assert_eq!(said == ScanVerdict::Clean, matches!(engine, Engine::Clamd(_)) && input == b"stream: OK\0");
        let early = answer(engine, input, false);
        assert!(!matches!(early, ScanVerdict::Clean | ScanVerdict::Scored(_)));
        // What was cut is no answer, but where the connection's end is that of the answer.
        let ends_itself = !matches!(engine, Engine::Rspamd(_));
        if said.is_answer() && ends_itself {
            for cut in 0..input.len() {
                assert!(!answer(engine, &input[..cut], true).is_answer(), "{cut}");
            }
        }
    }
}
