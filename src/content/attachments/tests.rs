//! Rules over files.
