//! Where the gateway is in its life.

/// Where the gateway is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It accepts.
    Running,
    /// It finishes what it has.
    Draining,
}
