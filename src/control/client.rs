//! The command's side: blocking, with deadlines, and errors that say what to do.

use super::protocol::{ANSWER_OCTETS_MAX, Answer, Request};
use super::socket::{SOCKET, reach};
use crate::desk;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For the answer to come. A reload may read lists of a million entries.
const STATUS_LIMIT: Duration = Duration::from_secs(10);
const RELOAD_LIMIT: Duration = Duration::from_secs(120);
/// For each line of the desk, which says every few seconds that it is still at work: a delivery may last.
const DESK_LIMIT: Duration = Duration::from_secs(300);

/// Why there is no answer of the daemon.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No socket.
    #[error(
        "the gateway does not run: no socket at {}; start it (`systemctl start portcullis`), or name its rules with --rules",
        .0.display()
    )]
    NoSocket(PathBuf),
    /// A socket of a daemon that is gone.
    #[error(
        "the gateway does not run: nobody listens at {} any more; start it (`systemctl start portcullis`)",
        .0.display()
    )]
    Stale(PathBuf),
    /// The file mode says no.
    #[error(
        "{} may not be used by this user: become root, the user that the gateway runs as, or a member of the group of that file",
        .0.display()
    )]
    Denied(PathBuf),
    /// It hangs, or the machine does.
    #[error(
        "the gateway at {} does not answer within {} s: it or the machine is overloaded; its log says more",
        .path.display(), .limit.as_secs()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// The exchange broke off.
    #[error("the exchange with the gateway at {} failed: {source}; its log says more", .path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// Another version, most likely.
    #[error(
        "the gateway at {} answers what this program does not understand ({what}): are both of the same version? Restart the gateway after an update",
        .path.display()
    )]
    Unclear {
        /// The socket.
        path: PathBuf,
        /// What is wrong with the answer.
        what: String,
    },
    /// Its own words.
    #[error("the gateway says: {0}")]
    Refused(String),
}

/// Asks the daemon of that state directory, and waits for its one answer; never [`Answer::Error`].
///
/// # Errors
/// See [`ControlError`].
pub fn ask(state_dir: &Path, request: &Request) -> Result<Answer, ControlError> {
    let path = state_dir.join(SOCKET);
    let limit = match request {
        Request::Reload {} | Request::Keep {} => RELOAD_LIMIT,
        _ => STATUS_LIMIT,
    };
    let stream = reach(state_dir, SOCKET, |p| UnixStream::connect(p)).map_err(|e| unreachable(&path, e))?;
    let line = exchange(&stream, request, limit).map_err(|source| trouble(path.clone(), source, limit))?;
    match serde_json::from_slice(&line) {
        Ok(Answer::Error(words)) => Err(ControlError::Refused(words)),
        Ok(answer) => Ok(answer),
        Err(error) => Err(ControlError::Unclear { path, what: error.to_string() }),
    }
}

/// Asks the desk of the daemon of that state directory. Answers come one by one.
///
/// # Errors
/// See [`ControlError`].
pub fn ask_desk(state_dir: &Path, request: desk::Request) -> Result<DeskAnswers, ControlError> {
    ask_desk_within(state_dir, request, DESK_LIMIT)
}

fn ask_desk_within(
    state_dir: &Path,
    request: desk::Request,
    limit: Duration,
) -> Result<DeskAnswers, ControlError> {
    let path = state_dir.join(SOCKET);
    let stream = reach(state_dir, SOCKET, |p| UnixStream::connect(p)).map_err(|e| unreachable(&path, e))?;
    let broken = |source| ControlError::Broken { path: path.clone(), source };
    say(&stream, &Request::Desk(request), limit).map_err(broken)?;
    Ok(DeskAnswers { path, limit, lines: BufReader::new(stream), over: false })
}

/// What the desk answers, in order; the last one is never [`desk::Answer::Progress`].
#[derive(Debug)]
pub struct DeskAnswers {
    path: PathBuf,
    /// For each line.
    limit: Duration,
    lines: BufReader<UnixStream>,
    over: bool,
}

impl Iterator for DeskAnswers {
    type Item = Result<desk::Answer, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let answer = loop {
            match self.line() {
                Ok(Some(Answer::Busy {})) => {}
                Ok(Some(Answer::Desk(answer))) => break Ok(answer),
                Ok(Some(Answer::Error(words))) => break Err(ControlError::Refused(words)),
                Ok(Some(_)) => {
                    let what = "the answer to another question".into();
                    break Err(ControlError::Unclear { path: self.path.clone(), what });
                }
                Ok(None) => {
                    self.over = true;
                    return None;
                }
                Err(error) => break Err(error),
            }
        };
        self.over = answer.is_err();
        Some(answer)
    }
}

impl DeskAnswers {
    /// The next line; `None` at the end.
    fn line(&mut self) -> Result<Option<Answer>, ControlError> {
        let mut line = Vec::new();
        let read = (&mut self.lines).take(ANSWER_OCTETS_MAX).read_until(b'\n', &mut line);
        let path = self.path.clone();
        match read {
            Ok(0) => Ok(None),
            Ok(_) if line.pop() != Some(b'\n') => {
                let source = io::Error::new(ErrorKind::UnexpectedEof, "the answer is cut off");
                Err(ControlError::Broken { path, source })
            }
            Ok(_) => {
                let answer = serde_json::from_slice(&line);
                answer.map(Some).map_err(|error| ControlError::Unclear { path, what: error.to_string() })
            }
            Err(source) => Err(trouble(path, source, self.limit)),
        }
    }
}

fn trouble(path: PathBuf, source: io::Error, limit: Duration) -> ControlError {
    match source.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ControlError::Silent { path, limit },
        _ => ControlError::Broken { path, source },
    }
}

fn unreachable(path: &Path, source: io::Error) -> ControlError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ControlError::NoSocket(path),
        ErrorKind::ConnectionRefused => ControlError::Stale(path),
        ErrorKind::PermissionDenied => ControlError::Denied(path),
        _ => ControlError::Broken { path, source },
    }
}

fn say(stream: &UnixStream, request: &Request, limit: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut writer = stream;
    writer.write_all(&line)
}

fn exchange(stream: &UnixStream, request: &Request, limit: Duration) -> io::Result<Vec<u8>> {
    say(stream, request, limit)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_OCTETS_MAX)).read_until(b'\n', &mut answer)?;
    if answer.pop() != Some(b'\n') {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the answer is cut off"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::socket::ControlSocket;
    use super::*;

    #[test]
    fn who_is_not_there_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let none = ask(dir.path(), &Request::Status {}).unwrap_err();
        assert!(none.to_string().starts_with("the gateway does not run: no socket at "), "{none}");
        let _stale = std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET)).map(drop);
        let stale = ask(dir.path(), &Request::Status {}).unwrap_err();
        assert!(matches!(stale, ControlError::Stale(_)), "{stale}");
    }

    #[test]
    fn whoever_is_still_at_work_is_waited_for() {
        let asked = |says: &'static [&'static str]| {
            let dir = tempfile::tempdir().unwrap();
            let (listener, _file) = ControlSocket::bind(dir.path()).unwrap().into_parts();
            listener.set_nonblocking(false).unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                for line in says {
                    std::thread::sleep(Duration::from_millis(200));
                    stream.write_all(line.as_bytes()).unwrap();
                }
                // Whoever waits longer than its limit has gone by then.
                std::thread::sleep(Duration::from_millis(600));
            });
            let limit = Duration::from_millis(500);
            let answers = ask_desk_within(dir.path(), desk::Request::Jobs {}, limit).unwrap();
            let answers: Vec<_> = answers.map(|a| a.map_err(|e| e.to_string())).collect();
            server.join().unwrap();
            answers
        };
        const BUSY: &str = "{\"busy\":{}}\n";
        // Far over the limit in all.
        let answers = asked(&[BUSY, BUSY, BUSY, BUSY, "{\"desk\":{\"jobs\":[]}}\n"]);
        assert_eq!(answers[0], Ok(desk::Answer::Jobs(Vec::new())));
        let silent = asked(&[BUSY]);
        assert!(
            silent.len() == 1 && silent[0].as_ref().unwrap_err().contains("does not answer"),
            "{silent:?}"
        );
    }

    #[test]
    fn answers_are_understood_or_said_to_be_unclear() {
        for (says, want) in [
            (&b"{\"error\":\"no\"}\n"[..], "the gateway says: no"),
            (b"{\"error\":\"no\"}", "cut off"),
            (b"", "cut off"),
            (b"hello\n", "same version"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (listener, _file) = ControlSocket::bind(dir.path()).unwrap().into_parts();
            listener.set_nonblocking(false).unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 64];
                let got = stream.read(&mut request).unwrap();
                stream.write_all(says).unwrap();
                request[..got].to_vec()
            });
            let error = ask(dir.path(), &Request::Reload {}).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
            assert_eq!(server.join().unwrap(), b"{\"request\":\"reload\"}\n");
        }
    }
}
