//! An embedded database file: one connection that writes, a few that read, all of them bounded in memory and time.
//! Knows no table: who opens it brings the schema.
//!
//! Owner of: the file, its `-wal` and `-shm`, the connections, one thread that stops readers at their deadline. The
//! database is never the only place of anything: a file that is damaged is set aside and made anew, one of another
//! version is removed. Commits outlive the process, and the machine from [`Database::durable`] on. Failure: a
//! [`DatabaseError`]; nothing of a transaction that failed is in.

use super::watch::{Watch, locked};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Behind the name of a damaged file.
const DAMAGED: &str = ".damaged";
/// Mode of the file.
const PRIVATE: u32 = 0o600;
/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The same while the database is filled.
const BULK_CACHE_KIB: i64 = 32 * 1024;
/// Page cache of a reader, in KiB.
const READER_CACHE_KIB: i64 = 8 * 1024;
/// Connections that read at once.
const READERS_MAX: usize = 4;
/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 128;
/// Pages after which the log goes into the file.
const CHECKPOINT_PAGES: i64 = 8000;
/// Octets that the log is cut back to.
const LOG_OCTETS_MAX: i64 = 64 << 20;
/// How long the look through a file that was not closed may take; what it did not find until then is found when it
/// is read.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// What is asked for at once when the file is read ahead, and the pause behind it: at most 200 MiB a second.
const WARM_OCTETS: usize = 8 << 20;
const WARM_PAUSE: Duration = Duration::from_millis(40);
/// How long somebody who writes waits for another process; there should be none.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// What is in the database.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Whose it is: `application_id` of the file.
    pub application: i32,
    /// Version of the schema: `user_version` of the file.
    pub version: i32,
    /// Statements that make it.
    pub schema: &'static str,
}

/// In what state the file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// As it was left.
    Whole,
    /// Missing or of another version: made anew.
    New,
    /// Damaged: set aside with `.damaged` behind its name, and made anew.
    Damaged,
}

/// Why something failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file is cut or changed.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// No room on the disk.
    #[error("no space")]
    NoSpace,
    /// Stopped at the deadline.
    #[error("stopped after {} seconds", .0.as_secs())]
    Slow(Duration),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        // A sector that cannot be read is damage: a new file has others.
        let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
        if [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS]
            .contains(&extended)
        {
            return Self::Damaged(error.to_string());
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            // What is read is what was written: another shape of it is damage that has no other signs.
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                Self::Damaged(error.to_string())
            }
            Some(ErrorCode::DiskFull) => Self::NoSpace,
            Some(ErrorCode::OperationInterrupted) => Self::Slow(Duration::ZERO),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// The database.
pub struct Database {
    path: PathBuf,
    shape: Shape,
    // Dropped first: the last connection that is closed has to be the one that writes, which clears the log away.
    readers: Mutex<Readers>,
    returned: Condvar,
    writer: Mutex<Option<Connection>>,
    watch: Watch,
}

#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    lent: usize,
    /// The file is being made anew.
    shut: bool,
}

impl Database {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// The file can be neither opened nor made.
    pub fn open(path: &Path, shape: Shape) -> Result<(Self, Opened), DatabaseError> {
        let watch = Watch::start().map_err(|error| failed("start a thread for", path, &error))?;
        let (connection, opened) = match attempt(path, shape, &watch) {
            Ok(Some(connection)) => (connection, Opened::Whole),
            Ok(None) => {
                remove(path)?;
                (make(path, shape)?, Opened::New)
            }
            Err(DatabaseError::Damaged(_)) => {
                set_aside(path)?;
                (make(path, shape)?, Opened::Damaged)
            }
            Err(error) => return Err(error),
        };
        let database = Self {
            path: path.to_owned(),
            shape,
            readers: Mutex::default(),
            returned: Condvar::new(),
            writer: Mutex::new(Some(connection)),
            watch,
        };
        Ok((database, opened))
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the system to have the file in memory soon, from its start to its end and with pauses. Pages that a query
    /// wants in another order than they lie in are read one by one, which takes twenty times as long. Not for a file that
    /// is larger than `most` octets, and as long as somebody wants it. Blocks.
    pub fn warm(&self, most: u64, wanted: &dyn Fn() -> bool) {
        let Ok(file) = fs::File::open(&self.path) else { return };
        let octets = file.metadata().map_or(0, |file| file.len());
        if octets > most {
            return;
        }
        let piece = i64::try_from(WARM_OCTETS).unwrap_or(i64::MAX);
        for at in (0..i64::try_from(octets).unwrap_or(0)).step_by(WARM_OCTETS) {
            if !wanted() {
                return;
            }
            // Advice only: where it is not taken, pages are read as they are wanted.
            let _ = posix_fadvise(&file, at, piece, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
            std::thread::sleep(WARM_PAUSE);
        }
    }

    /// Octets of its files.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let files = ["", "-wal", "-shm"].map(|suffix| beside(&self.path, suffix));
        files.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum()
    }

    /// One transaction that writes.
    ///
    /// # Errors
    /// Nothing of it is in.
    pub fn write<T, E: Into<DatabaseError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, DatabaseError> {
        transaction(locked(&self.writer).as_ref(), work)
    }

    /// One transaction that reads: all of it sees the same. It is stopped at the deadline.
    ///
    /// # Errors
    /// It could not be read, or took too long.
    pub fn read<T>(
        &self,
        most: Duration,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, DatabaseError> {
        let deadline = Instant::now() + most;
        let connection = self.lend(deadline, most)?;
        let ticket = self.watch.add(deadline, connection.get_interrupt_handle());
        let lent = Lent { database: self, connection: Some(connection), ticket };
        let Some(connection) = &lent.connection else {
            return Err(DatabaseError::Other("it is closed".into()));
        };
        let done = connection.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([]));
        done.and_then(|_| work(connection)).map_err(|error| match DatabaseError::from(error) {
            DatabaseError::Slow(_) => DatabaseError::Slow(most),
            other => other,
        })
    }

    fn lend(&self, deadline: Instant, most: Duration) -> Result<Connection, DatabaseError> {
        let mut readers = locked(&self.readers);
        loop {
            if !readers.shut {
                if let Some(connection) = readers.idle.pop() {
                    readers.lent += 1;
                    return Ok(connection);
                }
                if readers.lent < READERS_MAX {
                    let connection = reader(&self.path)?;
                    readers.lent += 1;
                    return Ok(connection);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(DatabaseError::Slow(most));
            }
            readers = self.returned.wait_timeout(readers, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut readers = locked(&self.readers);
        readers.lent = readers.lent.saturating_sub(1);
        readers.idle.extend(connection);
        self.returned.notify_all();
    }

    /// Makes what was committed durable.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn durable(
        &self,
        work: impl FnOnce(&Connection) -> Result<(), rusqlite::Error>,
    ) -> Result<(), DatabaseError> {
        self.pragma("synchronous", "FULL")?;
        let done = self.write(work);
        self.pragma("synchronous", "NORMAL")?;
        done
    }

    /// Filling: a crash of the machine may cost the whole file, which the caller has to notice. More memory.
    ///
    /// # Errors
    /// It is closed.
    pub fn bulk(&self, filling: bool) -> Result<(), DatabaseError> {
        self.pragma("cache_size", -if filling { BULK_CACHE_KIB } else { WRITER_CACHE_KIB })?;
        self.pragma("wal_autocheckpoint", if filling { 2 * CHECKPOINT_PAGES } else { CHECKPOINT_PAGES })?;
        self.pragma("synchronous", if filling { "OFF" } else { "NORMAL" })
    }

    fn pragma(&self, name: &str, value: impl rusqlite::ToSql) -> Result<(), DatabaseError> {
        let writer = locked(&self.writer);
        let connection = writer.as_ref().ok_or_else(|| DatabaseError::Other("it is closed".into()))?;
        Ok(connection.pragma_update(None, name, value)?)
    }

    /// Gives what is there another name beside it, for whoever wants to know; before [`Database::remake`] only. Its log
    /// stays behind.
    ///
    /// # Errors
    /// It has no other name.
    pub fn set_aside(&self) -> Result<(), DatabaseError> {
        let _nobody_writes = locked(&self.writer);
        aside(&self.path)
    }

    /// Removes what was set aside, if anything was.
    pub fn drop_aside(&self) {
        // Somebody may have removed it already.
        let _ = fs::remove_file(beside(&self.path, DAMAGED));
    }

    /// Throws the file away and makes an empty one. Readers are waited for.
    ///
    /// # Errors
    /// The file can be neither removed nor made.
    pub fn remake(&self) -> Result<(), DatabaseError> {
        let mut writer = locked(&self.writer);
        let mut readers = locked(&self.readers);
        readers.shut = true;
        while readers.lent > 0 {
            readers = self.returned.wait(readers).unwrap_or_else(PoisonError::into_inner);
        }
        readers.idle.clear();
        *writer = None;
        let made = remove(&self.path).and_then(|()| make(&self.path, self.shape));
        readers.shut = false;
        self.returned.notify_all();
        *writer = Some(made?);
        Ok(())
    }
}

/// A connection that reads, on its way back when this is dropped, also by a panic.
struct Lent<'d> {
    database: &'d Database,
    connection: Option<Connection>,
    ticket: u64,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.database.watch.remove(self.ticket);
        // Nothing was written: there is nothing that this could lose.
        let clean = |c: &Connection| c.is_autocommit() || c.execute_batch("ROLLBACK").is_ok();
        self.database.give_back(self.connection.take().filter(clean));
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed(step: &str, path: &Path, error: &std::io::Error) -> DatabaseError {
    DatabaseError::Other(format!("cannot {step} {}: {error}", path.display()))
}

fn remove(path: &Path) -> Result<(), DatabaseError> {
    for suffix in ["", "-wal", "-shm"] {
        let file = beside(path, suffix);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &file, &error)),
            _ => {}
        }
    }
    Ok(())
}

/// The damaged file stays for whoever wants to know; a log without it says nothing.
fn set_aside(path: &Path) -> Result<(), DatabaseError> {
    aside(path)?;
    remove(path)
}

fn aside(path: &Path) -> Result<(), DatabaseError> {
    match fs::rename(path, beside(path, DAMAGED)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("rename", path, &error)),
        _ => Ok(()),
    }
}

/// Opens what is there; `None` where nothing is, or what is there is of another version.
fn attempt(path: &Path, shape: Shape, watch: &Watch) -> Result<Option<Connection>, DatabaseError> {
    let left_open = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path, &error)),
        Ok(file) if file.len() == 0 => return Ok(None),
        Ok(_) if left_open => {}
        Ok(file) => check_length(path, file.len())?,
    }
    let connection = writer(path)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if (number("application_id")?, number("user_version")?) != (shape.application, shape.version) {
        return Ok(None);
    }
    if left_open {
        look_through(&connection, watch)?;
    }
    Ok(Some(connection))
}

/// A file that was closed is as long as its head says: a cut one is known without reading it.
fn check_length(path: &Path, octets: u64) -> Result<(), DatabaseError> {
    let mut head = [0_u8; 32];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    if read.is_err() || !head.starts_with(b"SQLite format 3\0") {
        return Err(DatabaseError::Damaged("no database".into()));
    }
    let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, p0, p1, .., n0, n1, n2, n3] = head;
    let page = match u64::from(u16::from_be_bytes([p0, p1])) {
        1 => 65_536,
        other => other,
    };
    let pages = u64::from(u32::from_be_bytes([n0, n1, n2, n3]));
    if page * pages == octets { Ok(()) } else { Err(DatabaseError::Damaged("it is cut".into())) }
}

/// Looks through a file that was not closed, as far as there is time.
fn look_through(connection: &Connection, watch: &Watch) -> Result<(), DatabaseError> {
    let ticket = watch.add(Instant::now() + LOOK_MAX, connection.get_interrupt_handle());
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    watch.remove(ticket);
    match said.map_err(DatabaseError::from) {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(DatabaseError::Damaged(said)),
        Err(DatabaseError::Slow(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn prepared(connection: Connection, cache_kib: i64) -> Result<Connection, DatabaseError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // What a query sorts lies in memory, bounded by what the caller asks for, and beyond in files.
    connection.pragma_update(None, "temp_store", "FILE")?;
    Ok(connection)
}

/// Subjects and addresses stand in it: only its owner reads it. What SQLite makes beside it gets the same mode.
fn keep_private(path: &Path) -> Result<(), DatabaseError> {
    // One that is there is not opened: closing it would take SQLite's locks in this process away (fcntl(2)).
    match fs::OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path) {
        Ok(made) => drop(made),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("open", path, &error)),
    }
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let open_to_others = fs::metadata(&file).is_ok_and(|there| there.mode() & 0o077 != 0);
        if open_to_others {
            let done = fs::set_permissions(&file, fs::Permissions::from_mode(PRIVATE));
            done.map_err(|error| failed("change the mode of", &file, &error))?;
        }
    }
    Ok(())
}

fn writer(path: &Path) -> Result<Connection, DatabaseError> {
    keep_private(path)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = prepared(Connection::open_with_flags(path, flags)?, WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_OCTETS_MAX)?;
    Ok(connection)
}

fn reader(path: &Path) -> Result<Connection, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = prepared(Connection::open_with_flags(path, flags)?, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn make(path: &Path, shape: Shape) -> Result<Connection, DatabaseError> {
    let connection = writer(path)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(shape.schema)?;
    connection.pragma_update(None, "application_id", shape.application)?;
    connection.pragma_update(None, "user_version", shape.version)?;
    connection.execute_batch("COMMIT")?;
    Ok(connection)
}

/// A file that is thrown away: nothing of it outlives the process, or a crash.
pub struct Scratch {
    connection: Mutex<Option<Connection>>,
    path: PathBuf,
}

impl Scratch {
    /// An empty one, beside a database, with something behind its name.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(beside_of: &Path, suffix: &str, schema: &str) -> Result<Self, DatabaseError> {
        let path = beside(beside_of, suffix);
        remove(&path)?;
        keep_private(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = prepared(Connection::open_with_flags(&path, flags)?, WRITER_CACHE_KIB)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "MEMORY")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch(schema)?;
        Ok(Self { connection: Mutex::new(Some(connection)), path })
    }

    /// One transaction.
    ///
    /// # Errors
    /// Nothing of it is in.
    pub fn write<T, E: Into<DatabaseError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, DatabaseError> {
        transaction(locked(&self.connection).as_ref(), work)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        *locked(&self.connection) = None;
        // What stays is removed when the next one is made.
        let _ = remove(&self.path);
    }
}

fn transaction<T, E: Into<DatabaseError>>(
    connection: Option<&Connection>,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, DatabaseError> {
    let connection = connection.ok_or_else(|| DatabaseError::Other("it is closed".into()))?;
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = work(connection).map_err(Into::into).and_then(|value| {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(value)
    });
    if done.is_err() && !connection.is_autocommit() {
        // It may have been rolled back already; the first error is the one that counts.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}
