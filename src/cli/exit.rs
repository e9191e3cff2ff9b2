//! Exit codes (DESIGN.md section 9) other than 0.

/// Nothing matched.
pub(super) const NOTHING: u8 = 1;
/// Refused by a check, or by the surroundings.
pub(super) const REFUSED: u8 = 2;
/// The daemon cannot be reached.
pub(super) const UNREACHABLE: u8 = 3;
