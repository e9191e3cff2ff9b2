//! The socket as a file: made with its mode before it has its name, removed at the end.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Name of the socket in the state directory.
pub(super) const SOCKET: &str = "control.sock";
/// Read and write for owner and group: connecting needs the right to write (unix(7)).
const MODE: u32 = 0o660;
/// Longest path that the address of a socket holds, in octets (unix(7): 108 with its NUL).
const ADDRESS_OCTETS_MAX: usize = 107;

/// The bound socket of a daemon. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    file: Remove,
}

/// The file of a socket, removed when this is dropped.
#[derive(Debug)]
pub(super) struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        // The lock of the state directory is still held, so the file is ours; if it is gone, so much the better.
        let _ = fs::remove_file(&self.0);
    }
}

impl ControlSocket {
    /// Binds `control.sock` in `state_dir`, in place of one that a crash left over. The caller holds the lock
    /// of the directory and is already the user that the gateway runs as: the socket belongs to that user.
    ///
    /// # Errors
    /// The step that failed; the message names the file.
    pub fn bind(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(SOCKET);
        let named = |e: io::Error| {
            io::Error::new(e.kind(), format!("cannot make the control socket {}: {e}", path.display()))
        };
        // Under another name until its mode is right: nobody can connect in between.
        let fresh = format!(".{SOCKET}.new");
        let fresh_path = state_dir.join(&fresh);
        let _ = fs::remove_file(&fresh_path);
        let listener = reach(state_dir, &fresh, |address| UnixListener::bind(address)).map_err(named)?;
        fs::set_permissions(&fresh_path, Permissions::from_mode(MODE))
            .and_then(|()| fs::rename(&fresh_path, &path))
            .and_then(|()| listener.set_nonblocking(true))
            .map_err(named)?;
        Ok(Self { listener, file: Remove(path) })
    }

    pub(super) fn into_parts(self) -> (UnixListener, Remove) {
        (self.listener, self.file)
    }
}

impl Remove {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Calls `with` with a path to `name` in `folder` that fits into the address of a socket: a long one goes
/// through the open folder in /proc.
pub(super) fn reach<T>(
    folder: &Path,
    name: &str,
    with: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let path = folder.join(name);
    if path.as_os_str().len() <= ADDRESS_OCTETS_MAX {
        return with(&path);
    }
    let open = File::open(folder)?;
    with(&PathBuf::from(format!("/proc/self/fd/{}/{name}", open.as_raw_fd())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_stale_socket_is_replaced_and_ours_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(120));
        fs::create_dir(&long).unwrap();
        for folder in [dir.path(), &long] {
            let path = folder.join(SOCKET);
            drop(reach(folder, SOCKET, |p| UnixListener::bind(p)).unwrap());
            assert!(path.exists());
            let socket = ControlSocket::bind(folder).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, MODE);
            reach(folder, SOCKET, |p| UnixStream::connect(p)).unwrap();
            drop(socket);
            assert_eq!(
                fs::read_dir(folder).unwrap().filter(|e| e.as_ref().unwrap().path() != long).count(),
                0
            );
        }
    }
}
