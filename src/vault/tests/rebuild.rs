//! An index that cannot be made anew: what it lacks meanwhile, and that it is tried again.

use super::*;
use crate::query::Query;
use crate::vault::Scope;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// No such device or address; too many open files.
const ILL: i32 = 5;
const TOO_MANY: i32 = 24;

/// So many that they are only noted down first; two of them wait for delivery.
fn with(retry: Duration) -> (tempfile::TempDir, Arc<Vault>, VaultWriter) {
    let dir = temp();
    let limits = Limits { retry, fold_pause: Duration::from_millis(2), ..Limits::default() };
    let disk = faulty(Faults { lazy: true, ..Faults::default() });
    let (vault, writer) = Vault::open_on(dir.path(), disk, limits).unwrap();
    for n in 0..300 {
        put(&vault, n, "spam").unwrap();
    }
    release(&vault, id(7)).unwrap();
    release(&vault, id(8)).unwrap();
    assert!(vault.catch_up());
    (dir, vault, writer)
}

fn listed(vault: &Vault) -> u64 {
    vault.count(&Query::default(), Scope::Everything).unwrap().0
}

fn due(vault: &Vault) -> Vec<Id> {
    let mut due = vault.due(false, 10, 9).unwrap().0;
    due.sort();
    due
}

/// Fails after the index was emptied and all items were read, as on a disk that is full by then.
fn fails(vault: &Vault) -> VaultError {
    let full = |items| vault.core.disk.faults.no_index.store(items >= 300, SeqCst);
    vault.rebuild(&full).unwrap_err()
}

fn is_complete(vault: &Vault, path: &Path) {
    wait_for("it is complete", || vault.report().rebuild.is_none());
    wait_for("nobody is at it", || !vault.core.is_rebuilding());
    let report = vault.report();
    assert_eq!((report.troubles, report.damaged_count), (Vec::new(), 0));
    assert_eq!(agrees(vault, path).len(), 300);
    assert!(!path.join("vault/rebuilding").exists());
}

#[test]
fn it_is_told_and_tried_again_until_it_succeeds() {
    let retry = Duration::from_millis(40);
    let (dir, vault, mut writer) = with(retry);
    let begun = Instant::now();
    assert!(matches!(fails(&vault), VaultError::Io { step: "write", .. }));
    let first = vault.report().rebuild.unwrap();
    assert!(first.error.as_deref().unwrap().contains("the disk is ill here"), "{first:?}");
    assert!(vault.report().troubles[0].contains("anew failed: cannot write"), "{:?}", vault.report());
    assert!(vault.report().troubles[0].contains("tried again every minute"), "{:?}", vault.report());
    // What waits is delivered meanwhile.
    let mut both = vec![id(7), id(8)];
    both.sort();
    assert_eq!((due(&vault), listed(&vault)), (both, 2));
    wait_for("it is tried again", || vault.report().rebuild.unwrap().failures >= 3);
    let later = vault.report().rebuild.unwrap();
    assert_eq!((later.since_unix_ms, &later.error), (first.since_unix_ms, &first.error));
    let most = begun.elapsed().as_millis() / retry.as_millis() + 2;
    assert!(u128::from(later.failures) <= most, "{later:?}, at most {most}");
    vault.core.disk.faults.no_index.store(false, SeqCst);
    is_complete(&vault, dir.path());
    writer.close();
}

#[test]
fn by_hand_it_is_over_at_once() {
    let (dir, vault, mut writer) = with(Duration::from_secs(3600));
    fails(&vault);
    vault.core.disk.faults.no_index.store(false, SeqCst);
    // Life goes on: new mail, and changes of what the index does not have.
    assert!(vault.catch_up());
    remove(&vault, id(1)).unwrap();
    mark(&vault, id(2), &to_trash()).unwrap();
    put(&vault, 300, "spam").unwrap();
    // Read from the files, or entered by life itself.
    assert!((298..=301).contains(&vault.rebuild(&|_| ()).unwrap()));
    is_complete(&vault, dir.path());
    assert!(vault.item(id(2)).unwrap().trash.is_some());
    writer.close();
}

#[test]
fn closing_does_not_wait_and_the_next_start_makes_it() {
    let (dir, vault, mut writer) = with(Duration::from_secs(3600));
    fails(&vault);
    vault.core.disk.faults.no_index.store(false, SeqCst);
    let begun = Instant::now();
    writer.close();
    assert!(begun.elapsed() < Duration::from_secs(10));
    drop((vault, writer));
    let (vault, mut writer) = open(dir.path()).unwrap();
    is_complete(&vault, dir.path());
    writer.close();
}

#[test]
fn one_that_cannot_even_begin_leaves_the_index_as_it_was() {
    let (dir, vault, mut writer) = with(Duration::from_secs(3600));
    vault.core.disk.faults.full.store(true, SeqCst);
    assert!(matches!(vault.rebuild(&|_| ()), Err(VaultError::NoSpace(_))));
    vault.core.disk.faults.full.store(false, SeqCst);
    assert_eq!(listed(&vault), 300);
    is_complete(&vault, dir.path());
    writer.close();
}

/// What is in a folder that cannot be read is no orphan, and what is elsewhere is there.
#[test]
fn a_folder_that_cannot_be_read_keeps_nothing_else_out() {
    let (dir, vault, mut writer) = with(Duration::from_millis(20));
    let ill = dir.path().join("vault/items").join(id(0).to_string().chars().take(1).collect::<String>());
    let inside = files(&ill).len() as u64;
    assert!((1..300).contains(&inside));
    vault.core.disk.faults.make_bad(&ill, ILL);
    assert!(matches!(vault.rebuild(&|_| ()), Err(VaultError::Io { step: "list", .. })));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(200) {
        assert_eq!(listed(&vault), 300 - inside, "it is not emptied for a try that cannot succeed");
    }
    assert!(vault.report().rebuild.unwrap().failures >= 2);
    assert_eq!(vault.folder("spam").0, 300 - inside);
    vault.core.disk.faults.make_good();
    is_complete(&vault, dir.path());
    writer.close();
}

#[test]
fn a_file_that_cannot_be_opened_now_is_not_damaged() {
    let (dir, vault, mut writer) = with(Duration::from_secs(3600));
    let file = crate::vault::layout::Layout::new(dir.path()).item(id(3));
    vault.core.disk.faults.make_bad(&file, TOO_MANY);
    assert!(vault.rebuild(&|_| ()).unwrap_err().passes());
    assert_eq!((listed(&vault), vault.report().damaged_count), (299, 0));
    vault.core.disk.faults.make_good();
    assert_eq!(vault.rebuild(&|_| ()).unwrap(), 300);
    is_complete(&vault, dir.path());
    writer.close();
}

/// A folder of bodies that cannot be listed: what was found goes, the rest is looked for until it can be.
#[test]
fn what_is_left_over_goes_as_soon_as_it_can_be_found() {
    let (dir, vault, mut writer) = with(Duration::from_millis(20));
    let layout = crate::vault::layout::Layout::new(dir.path());
    let [ill, well] = ["0", "f"].map(|digit| {
        let path = layout.body(&digit.repeat(64)).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"x").unwrap();
        path
    });
    vault.core.disk.faults.make_bad(ill.parent().unwrap(), ILL);
    assert_eq!(vault.rebuild(&|_| ()).unwrap(), 300);
    assert_eq!((ill.exists(), well.exists(), layout.leftovers().exists()), (true, false, true));
    // The index is complete all the same, and its mark is gone.
    assert_eq!((listed(&vault), vault.report().troubles, layout.rebuilding().exists()), (300, vec![], false));
    vault.core.disk.faults.make_good();
    wait_for("the rest is gone", || !layout.leftovers().exists());
    assert!(!ill.exists());
    is_complete(&vault, dir.path());
    writer.close();
}

/// So do those of a process that was closed in the midst.
#[test]
fn what_is_left_over_goes_with_the_next_start() {
    let (dir, vault, mut writer) = with(Duration::from_secs(3600));
    let layout = crate::vault::layout::Layout::new(dir.path());
    let orphan = layout.body(&"0".repeat(64)).unwrap();
    let close = |items| {
        if items == 300 {
            vault.core.state().closing = true;
        }
    };
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"x").unwrap();
    assert_eq!(vault.rebuild(&close).unwrap(), 300);
    assert!(orphan.exists() && layout.leftovers().exists() && !layout.rebuilding().exists());
    vault.core.state().closing = false;
    writer.close();
    drop((vault, writer));
    let (vault, mut writer) = open(dir.path()).unwrap();
    wait_for("they are gone", || !layout.leftovers().exists());
    assert!(!orphan.exists());
    is_complete(&vault, dir.path());
    writer.close();
}

/// A disk that returns something else than was written, under a vault that works: mended without anybody's help.
#[test]
fn an_index_that_is_damaged_in_the_midst_of_work_is_made_anew() {
    let (dir, vault, mut writer) = with(Duration::from_millis(50));
    writer.close();
    drop((vault, writer));
    let limits = Limits { retry: Duration::from_millis(50), ..Limits::default() };
    let disk = faulty(Faults { lazy: true, ..Faults::default() });
    let (vault, mut writer) = Vault::open_on(dir.path(), disk, limits).unwrap();
    let index = dir.path().join("vault.db");
    let octets = std::fs::read(&index).unwrap();
    let mut damaged = octets.clone();
    damaged[8192..].fill(0xaa);
    // In its place: the vault has this file open.
    std::fs::write(&index, &damaged).unwrap();
    // A change meets the damage; it is ours all the same.
    put(&vault, 300, "spam").unwrap();
    wait_for("it is noticed and mended", || index.with_extension("db.damaged").exists());
    wait_for("it is complete", || vault.report().rebuild.is_none() && vault.report().troubles.is_empty());
    remove(&vault, id(300)).unwrap();
    is_complete(&vault, dir.path());
    assert!(std::fs::read(index.with_extension("db.damaged")).unwrap()[8192..].contains(&0xaa));
    writer.close();
}
