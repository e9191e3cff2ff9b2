//! What every service that keeps something on disk is built from: whole-or-nothing files, the state
//! directory with its lock, key and counter, and the PEM files of TLS. Knows no table and no message.
//!
//! The state directory belongs to the one process that holds its [`StateLock`]. Every error says which
//! file, which step and what to do; nothing here retries, and nothing is written half.

pub mod atomic;
mod error;
mod folder;
pub mod generations;
mod ids;
mod list_file;
mod list_lock;
mod lock;
pub mod pem;
mod probe;
pub mod seal;
pub mod sqlite;
mod state;
mod watch;
pub mod x509;

pub use error::FileError;
pub use folder::ensure as ensure_folder;
pub use ids::Ids;
pub use list_file::ListFile;
pub use list_lock::ListLock;
pub use lock::{LockError, StateLock};
pub use probe::{ProbeError, probe_dir};
pub use state::{StateDir, StateError};
