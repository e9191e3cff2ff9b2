//! Watching the rules directory: a change that has settled is a reload, like SIGHUP.
//!
//! Folders are watched, never files, for editors put a new file in the place of the old one. What counts is the
//! content: as long as it is what was read last, nothing is done, whatever the system tells. A folder that goes and
//! another that comes in its place are noticed within two seconds. Failure: without inotify one warning, and
//! `portcullis reload` is there; rules with mistakes are the reload's to tell, once.

use super::reload::ReloadReport;
use super::snapshot::{LISTS, SIGNATURES, identity, is_left_over};
use super::state::Gateway;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// Quiet that must follow a change: a save is several, and several files are saved together.
const QUIET: Duration = Duration::from_millis(500);
/// Longest wait for quiet.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether the folders are still the same.
const LOOK: Duration = Duration::from_secs(2);

/// Asks for a reload whenever the rules have changed, as long as the policy in force says so. Never returns before
/// `reloads` is closed.
pub async fn watch(gateway: Arc<Gateway>, reloads: mpsc::Sender<oneshot::Sender<ReloadReport>>) {
    let mut eyes = Eyes::new(&gateway.rules_dir);
    while !reloads.is_closed() {
        if !gateway.current.load().policy.watch {
            eyes.close();
            sleep(LOOK).await;
            continue;
        }
        if !eyes.see_something().await {
            continue;
        }
        // Whoever puts files in place for a rollback asks for the reload.
        loop {
            let pause = gateway.history.pause();
            if pause.is_zero() {
                break;
            }
            sleep(pause.min(LOOK)).await;
        }
        if has_changed(&gateway).await {
            let (tell, told) = oneshot::channel();
            if reloads.send(tell).await.is_err() {
                return;
            }
            // What it came to is in the log and in `status`.
            let _ = told.await;
        }
    }
}

async fn has_changed(gateway: &Arc<Gateway>) -> bool {
    let gateway = Arc::clone(gateway);
    let differs = tokio::task::spawn_blocking(move || gateway.history.differs(&gateway.rules_dir));
    differs.await.unwrap_or(false)
}

/// What looks at the folders.
struct Eyes {
    rules: PathBuf,
    bell: Arc<Notify>,
    open: Option<Open>,
    /// That they cannot be opened was told.
    told: bool,
}

/// Watched folders, as they were when the watch began.
struct Open {
    /// Dropping it ends the watch.
    _watcher: RecommendedWatcher,
    folders: Folders,
}

/// The rules directory, `lists/` and `signatures/`: what they are, where they are there.
type Folders = [Option<(u64, u64)>; 3];

impl Eyes {
    fn new(rules: &Path) -> Self {
        Self { rules: rules.to_owned(), bell: Arc::new(Notify::new()), open: None, told: false }
    }

    fn close(&mut self) {
        self.open = None;
    }

    /// Waits for a change to settle; for two seconds at most where there is none (false).
    async fn see_something(&mut self) -> bool {
        let folders = folders(&self.rules).map(|folder| identity(&folder));
        let same = self.open.as_ref().is_some_and(|open| open.folders == folders);
        if !same {
            // From now on; what came before is seen by whoever looks at the content.
            if !self.look_at(folders).await {
                sleep(LOOK).await;
                return false;
            }
            self.settle().await;
            return true;
        }
        if timeout(LOOK, self.bell.notified()).await.is_err() {
            return false;
        }
        self.settle().await;
        true
    }

    /// Until nothing happens for a moment.
    async fn settle(&self) {
        let by = Instant::now() + QUIET_MAX;
        while Instant::now() < by && timeout(QUIET, self.bell.notified()).await.is_ok() {}
    }

    async fn look_at(&mut self, folders: Folders) -> bool {
        let (rules, bell) = (self.rules.clone(), Arc::clone(&self.bell));
        // The watcher answers from a thread of its own.
        let opened = tokio::task::spawn_blocking(move || open(&rules, &bell, folders)).await;
        match opened {
            Ok(Ok(watcher)) => {
                self.open = Some(Open { _watcher: watcher, folders });
                self.told = false;
                true
            }
            Ok(Err(error)) => self.blind(&error.to_string()),
            Err(panic) => self.blind(&panic.to_string()),
        }
    }

    fn blind(&mut self, why: &str) -> bool {
        self.open = None;
        if !self.told {
            self.told = true;
            tracing::warn!(
                why,
                "changes in the rules directory are not noticed by themselves; say `portcullis reload` after an edit \
                 (if the limit of inotify is reached: sysctl fs.inotify.max_user_instances, fs.inotify.max_user_watches)"
            );
        }
        false
    }
}

fn folders(rules: &Path) -> [PathBuf; 3] {
    [rules.to_owned(), rules.join(LISTS), rules.join(SIGNATURES)]
}

/// Watches the folders that exist. A rules directory that is away is no trouble of the watch: it is looked for.
fn open(rules: &Path, bell: &Arc<Notify>, there: Folders) -> notify::Result<RecommendedWatcher> {
    let bell = Arc::clone(bell);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error is looked into as well: the content decides.
        if event.map_or(true, |event| matters(&event)) {
            bell.notify_one();
        }
    })?;
    for (folder, found) in folders(rules).iter().zip(there) {
        if found.is_some() {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
    }
    Ok(watcher)
}

/// Whether an event may mean other rules: not that somebody reads them, and not what is left lying about.
fn matters(event: &Event) -> bool {
    if event.need_rescan() {
        return true;
    }
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let all_left_over = !event.paths.is_empty()
        && event.paths.iter().all(|path| name(path).is_some_and(|name| is_left_over(&name)));
    changes && !all_left_over
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Whether something is seen within the time in which it must be.
    async fn sees(eyes: &mut Eyes) -> bool {
        for _ in 0..3 {
            if eyes.see_something().await {
                return true;
            }
        }
        false
    }

    #[tokio::test]
    async fn saves_are_seen_and_reading_and_leftovers_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules");
        fs::create_dir(&rules).unwrap();
        let file = rules.join("gateway.toml");
        fs::write(&file, "1").unwrap();
        let mut eyes = Eyes::new(&rules);
        assert!(sees(&mut eyes).await, "the beginning: what was before is not known");
        fs::read(&file).unwrap();
        fs::write(rules.join(".gateway.toml.swp"), "x").unwrap();
        fs::write(rules.join("gateway.toml~"), "x").unwrap();
        assert!(!eyes.see_something().await);
        fs::write(rules.join(".portcullis-new"), "2").unwrap();
        fs::rename(rules.join(".portcullis-new"), &file).unwrap();
        assert!(eyes.see_something().await);
        assert!(!eyes.see_something().await, "one save is one change");
        fs::create_dir(rules.join(LISTS)).unwrap();
        assert!(sees(&mut eyes).await);
        while eyes.see_something().await {}
        fs::write(rules.join(LISTS).join("blocks.list"), "192.0.2.1\n").unwrap();
        assert!(eyes.see_something().await);
    }

    #[tokio::test]
    async fn a_directory_that_goes_and_comes_back_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules");
        fs::create_dir(&rules).unwrap();
        let mut eyes = Eyes::new(&rules);
        assert!(sees(&mut eyes).await);
        fs::rename(&rules, dir.path().join("away")).unwrap();
        assert!(sees(&mut eyes).await);
        while eyes.see_something().await {}
        fs::create_dir(&rules).unwrap();
        assert!(sees(&mut eyes).await);
        while eyes.see_something().await {}
        fs::write(rules.join("gateway.toml"), "1").unwrap();
        assert!(eyes.see_something().await);
    }
}
