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

/// A folder of bodies that cannot be listed: they are looked for until it can be.
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
    assert_eq!((ill.exists(), well.exists(), layout.leftovers().exists()), (true, true, true));
    // The index is complete all the same, and its mark is gone.
    assert_eq!((listed(&vault), vault.report().troubles, layout.rebuilding().exists()), (300, vec![], false));
    vault.core.disk.faults.make_good();
    wait_for("the rest is gone", || !layout.leftovers().exists());
    assert!(!ill.exists() && !well.exists());
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

/// What the disk returns instead of what was written, in the place of it: the vault may have this file open.
fn damage(path: &Path) {
    let index = path.join("vault.db");
    let mut octets = std::fs::read(&index).unwrap();
    octets[8192..].fill(0xaa);
    std::fs::write(&index, octets).unwrap();
}

/// A vault of 300 that was closed, opened again.
fn anew(dir: &Path, retry: Duration) -> (Arc<Vault>, VaultWriter) {
    let limits = Limits { retry, ..Limits::default() };
    Vault::open_on(dir, faulty(Faults { lazy: true, ..Faults::default() }), limits).unwrap()
}

fn closed() -> tempfile::TempDir {
    let (dir, vault, mut writer) = with(Duration::from_secs(3600));
    writer.close();
    drop((vault, writer));
    dir
}

fn is_kept(path: &Path) {
    let kept = std::fs::read(path.join("vault.db.damaged")).unwrap();
    assert!(kept.chunks(4096).any(|page| page.iter().all(|octet| *octet == 0xaa)));
}

#[test]
fn an_index_that_is_damaged_in_the_midst_of_work_is_made_anew() {
    let dir = closed();
    let (vault, mut writer) = anew(dir.path(), Duration::from_millis(50));
    damage(dir.path());
    // A change meets the damage; it is ours all the same.
    put(&vault, 300, "spam").unwrap();
    wait_for("it is noticed and mended", || dir.path().join("vault.db.damaged").exists());
    wait_for("it is complete", || vault.report().rebuild.is_none() && vault.report().troubles.is_empty());
    remove(&vault, id(300)).unwrap();
    is_complete(&vault, dir.path());
    is_kept(dir.path());
    writer.close();
}

/// Also with a folder that cannot be listed: what else there is counts, and mail goes on.
#[test]
fn one_that_is_damaged_and_cannot_be_completed_takes_mail() {
    let dir = closed();
    let (vault, mut writer) = anew(dir.path(), Duration::from_millis(50));
    let ill = dir.path().join("vault/items").join(id(0).to_string().chars().take(1).collect::<String>());
    vault.core.disk.faults.make_bad(&ill, ILL);
    assert!(matches!(vault.rebuild(&|_| ()), Err(VaultError::Io { step: "list", .. })));
    let outside = |id: &Id| !crate::vault::layout::Layout::new(dir.path()).item(*id).starts_with(&ill);
    let digest = vault.item((0..300).map(id).find(outside).unwrap()).unwrap().digest.clone();
    // That it has this one is the damage.
    assert!(vault.core.index.has_none_of(&[&digest]).is_err());
    put(&vault, 300, "spam").unwrap();
    wait_for("it is mended as far as it can be", || {
        !vault.core.index.is_damaged() && vault.report().behind == 0 && listed(&vault) > 0
    });
    remove(&vault, id(300)).unwrap();
    vault.core.disk.faults.make_good();
    is_complete(&vault, dir.path());
    writer.close();
}

#[test]
fn one_that_was_damaged_before_the_start_is_made_anew() {
    let dir = closed();
    damage(dir.path());
    let (vault, mut writer) = anew(dir.path(), Duration::from_secs(3600));
    is_complete(&vault, dir.path());
    is_kept(dir.path());
    writer.close();
}

/// A process that died between the mark and the new file: nothing is entered into the damaged one, also not what the
/// journal has.
#[test]
fn one_that_was_going_to_be_made_anew_is_not_asked_any_more() {
    let (dir, dead) = (closed(), temp());
    let (vault, mut writer) = anew(dir.path(), Duration::from_secs(3600));
    remove(&vault, id(1)).unwrap();
    put(&vault, 300, "spam").unwrap();
    assert!(vault.catch_up());
    super::crash::copy(dir.path(), dead.path());
    writer.close();
    for marked in [true, false] {
        let dir = temp();
        super::crash::copy(dead.path(), dir.path());
        for log in ["vault.db-wal", "vault.db-shm"] {
            std::fs::remove_file(dir.path().join(log)).unwrap();
        }
        damage(dir.path());
        if marked {
            std::fs::write(dir.path().join("vault/rebuilding"), b"").unwrap();
        }
        let (vault, mut writer) = anew(dir.path(), Duration::from_secs(3600));
        is_complete(&vault, dir.path());
        writer.close();
    }
}

/// The part that is asked only when something goes: the start is none the worse for it.
#[test]
fn one_whose_damage_only_removals_meet_keeps_nobody_from_starting() {
    let (dir, dead) = (closed(), temp());
    let (vault, mut writer) = anew(dir.path(), Duration::from_secs(3600));
    remove(&vault, id(1)).unwrap();
    assert!(vault.catch_up());
    super::crash::copy(dir.path(), dead.path());
    writer.close();
    let index = rusqlite::Connection::open(dead.path().join("vault.db")).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'item_digest'";
    let page: u32 = index.query_row(root, [], |row| row.get(0)).unwrap();
    index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(index);
    let file = std::fs::OpenOptions::new().write(true).open(dead.path().join("vault.db")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xaa; 4096], u64::from(page - 1) * 4096).unwrap();
    // The removal is replayed, and its body is looked up there.
    let (vault, mut writer) = anew(dead.path(), Duration::from_millis(50));
    wait_for("it is mended", || dead.path().join("vault.db.damaged").exists());
    super::crash::wait_for_index(&vault);
    assert_eq!(agrees(&vault, dead.path()).len(), 299);
    writer.close();
}

/// It says no to questions without an error: nothing of what it does not know goes.
#[test]
fn one_that_denies_bodies_loses_none() {
    let dir = closed();
    let index = rusqlite::Connection::open(dir.path().join("vault.db")).unwrap();
    // Part of the items only, and it says that it has all.
    let sql = "DROP INDEX item_digest; CREATE INDEX item_digest ON item (digest) WHERE id % 4 <> 0;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = 'CREATE INDEX item_digest ON item (digest)' WHERE name = 'item_digest';";
    index.execute_batch(sql).unwrap();
    drop(index);
    let layout = crate::vault::layout::Layout::new(dir.path());
    std::fs::write(layout.leftovers(), b"").unwrap();
    let (vault, mut writer) = anew(dir.path(), Duration::from_millis(50));
    wait_for("they were looked for", || !layout.leftovers().exists());
    assert!(dir.path().join("vault.db.damaged").exists());
    is_complete(&vault, dir.path());
    writer.close();
}

/// Marks of changes that wait are in what the files say, and are counted once.
#[test]
fn changes_that_wait_while_it_is_made_are_counted_once() {
    let dir = closed();
    let limits = Limits { batch_max: 8, retry: Duration::from_secs(3600), ..Limits::default() };
    let (vault, mut writer) =
        Vault::open_on(dir.path(), faulty(Faults { lazy: true, ..Faults::default() }), limits).unwrap();
    vault.core.disk.faults.no_index.store(true, SeqCst);
    put(&vault, 300, "spam").unwrap();
    wait_for("it is behind", || !vault.report().troubles.is_empty());
    for n in 20..120 {
        mark_only(&vault, id(n), &to_trash()).unwrap();
    }
    vault.core.disk.faults.no_index.store(false, SeqCst);
    vault.rebuild(&|_| ()).unwrap();
    remove(&vault, id(300)).unwrap();
    wait_for("they follow", || vault.report().behind == 0);
    is_complete(&vault, dir.path());
    assert_eq!(vault.folder("spam").0, 200);
    writer.close();
}

/// Where the folder of the items is gone, whatever it was, the bodies are all that is left.
#[test]
fn without_any_items_all_bodies_stay() {
    let dir = closed();
    let bodies = files(&dir.path().join("vault/bodies"));
    for gone in ["vault/items", "vault.db"].map(|name| dir.path().join(name)) {
        std::fs::rename(&gone, gone.with_extension("away")).unwrap();
    }
    let (vault, mut writer) = anew(dir.path(), Duration::from_millis(50));
    vault.rebuild(&|_| ()).unwrap();
    assert_eq!((bodies.len(), files(&dir.path().join("vault/bodies"))), (300, bodies));
    // Nor does a little mail that came since make orphans of them.
    put(&vault, 400, "spam").unwrap();
    assert!(vault.catch_up());
    vault.rebuild(&|_| ()).unwrap();
    assert_eq!(files(&dir.path().join("vault/bodies")).len(), 301);
    assert!(vault.report().damaged[0].contains("most of its files"), "{:?}", vault.report());
    writer.close();
}
