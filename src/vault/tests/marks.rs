//! Marks: nothing is read or written but journal, log and index, and everybody sees the item as it is.

use super::*;
use crate::query::State;
use crate::vault::layout::Layout;
use crate::vault::{PageRequest, Scope};

fn state_of(vault: &Vault, id: Id) -> State {
    vault.rows(&[id]).unwrap()[0].state
}

fn with(n: u64) -> (tempfile::TempDir, Arc<Vault>, VaultWriter) {
    let dir = temp();
    let (vault, writer) = open(dir.path()).unwrap();
    for n in 0..n {
        put(&vault, n, "spam").unwrap();
    }
    assert!(vault.catch_up());
    (dir, vault, writer)
}

#[test]
fn a_mark_is_what_writing_would_have_been() {
    let (dir, vault, mut writer) = with(2);
    let file = Layout::new(dir.path()).item(id(0));
    let before = std::fs::read(&file).unwrap();
    mark_only(&vault, id(0), &to_trash()).unwrap();
    let mut written = vault.item(id(1)).unwrap();
    to_trash().apply(&mut written);
    change(&vault, Change::Write(Box::new(written))).unwrap();
    let now = |vault: &Vault| {
        let (one, other) = (vault.item(id(0)).unwrap(), vault.item(id(1)).unwrap());
        assert_eq!((one.version, &one.trash, &one.history), (2, &other.trash, &other.history));
        assert_eq!(one.trash.unwrap().batch, "delete-1");
    };
    now(&vault);
    assert!(vault.catch_up());
    now(&vault);
    let all = |vault: &Vault| vault.count(&crate::query::Query::default(), Scope::Quarantine).unwrap().0;
    assert_eq!((all(&vault), vault.folder("spam"), state_of(&vault, id(0))), (0, (0, 0), State::Trash));
    assert_eq!(vault.older(None, 10, 9).unwrap().len(), 2);
    assert_eq!(std::fs::read(&file).unwrap(), before, "its file is as it was");
    agrees(&vault, dir.path());
    writer.close();
    drop((vault, writer));
    // After a start, and with an index made from the files.
    for _ in 0..2 {
        let (vault, mut writer) = open(dir.path()).unwrap();
        vault.rebuild(&|_| ()).unwrap();
        now(&vault);
        assert_eq!((all(&vault), state_of(&vault, id(0))), (0, State::Trash));
        agrees(&vault, dir.path());
        writer.close();
    }
    let (vault, mut writer) = open(dir.path()).unwrap();
    mark_only(&vault, id(0), &mark_of(Deed::Untrash)).unwrap();
    let back = vault.item(id(0)).unwrap();
    assert_eq!((back.version, back.trash, back.history.len()), (3, None, 2));
    assert!(vault.catch_up());
    assert_eq!((all(&vault), state_of(&vault, id(0))), (1, State::Kept));
    let page = vault.page(&PageRequest { rows: 5, ..PageRequest::default() }).unwrap();
    assert_eq!(page.rows.len(), 1);
    writer.close();
}

#[test]
fn what_needs_its_file_is_not_marked() {
    let (dir, vault, mut writer) = with(4);
    let conflict = |n, mark: &Mark| {
        assert!(matches!(mark_only(&vault, id(n), mark), Err(VaultError::Conflict(_))), "{n} {mark:?}");
    };
    conflict(0, &mark_of(Deed::Untrash));
    release(&vault, id(0)).unwrap();
    assert!(vault.catch_up());
    conflict(0, &to_trash());
    // Written into the trash: what it was before is in its file.
    let mut written = vault.item(id(1)).unwrap();
    to_trash().apply(&mut written);
    change(&vault, Change::Write(Box::new(written))).unwrap();
    assert!(vault.catch_up());
    conflict(1, &mark_of(Deed::Untrash));
    conflict(1, &to_trash());
    // Another message's place.
    let order = vault.item(id(3)).unwrap().order;
    let change_of = |id| Change::Mark { id, order, mark: Arc::new(to_trash()) };
    assert!(matches!(change(&vault, change_of(id(2))), Err(VaultError::Conflict(_))));
    // Twice in one flush, and whatever comes with it.
    let write = Change::Write(Box::new(vault.item(id(3)).unwrap()));
    let remove = Change::Remove { id: id(3), version: 2 };
    let results = vault.change_blocking(vec![change_of(id(3)), change_of(id(3)), write, remove]);
    let told: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(told, [true, false, false, false]);
    assert!(results.iter().skip(1).all(|r| matches!(r, Err(VaultError::Conflict(_)))));
    agrees(&vault, dir.path());
    writer.close();
}

#[test]
fn a_copy_comes_back_as_a_copy() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let copy = Item { copy: true, ..item(1, "policy") };
    vault.put_octets(copy, &message(1)).unwrap().commit_blocking().unwrap();
    for _ in 0..2 {
        assert!(vault.catch_up());
        mark_only(&vault, id(1), &to_trash()).unwrap();
        assert!(vault.catch_up());
        mark_only(&vault, id(1), &mark_of(Deed::Untrash)).unwrap();
        assert!(vault.catch_up());
        assert_eq!(state_of(&vault, id(1)), State::Copy);
    }
    agrees(&vault, dir.path());
    writer.close();
}

#[test]
fn marks_go_when_the_file_has_them_and_stay_out_of_the_log() {
    let (dir, vault, mut writer) = with(3);
    for n in 0..3 {
        mark_only(&vault, id(n), &to_trash()).unwrap();
    }
    assert!(vault.catch_up());
    remove(&vault, id(0)).unwrap();
    let mut moved = vault.item(id(1)).unwrap();
    moved.folder = "policy".into();
    change(&vault, Change::Write(Box::new(moved))).unwrap();
    assert!(vault.catch_up());
    assert_eq!(vault.core.state().marks.len(), 1);
    writer.close();
    drop((vault, writer));
    let (vault, mut writer) = open(dir.path()).unwrap();
    assert_eq!(vault.core.state().marks.len(), 1);
    let moved = vault.item(id(1)).unwrap();
    assert_eq!((moved.version, moved.trash.is_some(), moved.history.len()), (3, true, 1));
    assert_eq!(agrees(&vault, dir.path()).len(), 2);
    writer.close();
}

/// With three marks, each in a frame of its own, all of it durable.
fn three() -> (tempfile::TempDir, Vec<u8>) {
    let (dir, vault, mut writer) = with(3);
    for n in 0..3 {
        mark_only(&vault, id(n), &Mark { at_ms: n as i64, ..to_trash() }).unwrap();
        assert!(vault.catch_up());
    }
    writer.close();
    let octets = std::fs::read(Layout::new(dir.path()).marks()).unwrap();
    (dir, octets)
}

fn begins_with(dir: &Path, octets: &[u8], left: usize, named: bool, about: &str) {
    let layout = Layout::new(dir);
    std::fs::write(layout.marks(), octets).unwrap();
    let (vault, mut writer) = open(dir).unwrap();
    wait_for("the index is there", || vault.report().troubles.is_empty() && !vault.core.is_rebuilding());
    let report = vault.report();
    assert_eq!(report.damaged.len(), usize::from(named), "{about} {report:?}");
    assert_eq!(vault.core.state().marks.len(), left, "{about}");
    if named {
        assert!(report.damaged[0].contains("marks of messages are missing"), "{about} {report:?}");
        assert_eq!(std::fs::read(layout.marks_damaged()).unwrap(), octets);
        agrees(&vault, dir);
    }
    writer.close();
}

#[test]
fn a_damaged_log_is_named_kept_and_what_is_whole_counts() {
    let (dir, good) = three();
    let frame = (good.len() - 48) / 3;
    assert!(frame > 40);
    let flipped = |places: &[usize]| {
        let mut octets = good.clone();
        places.iter().for_each(|at| octets[*at] ^= 1);
        octets
    };
    let last = good.len() - 2;
    for (places, left, named) in [
        (&[48 + 20][..], 2, true),
        (&[2], 0, true),
        // The last one: nothing stands behind it.
        (&[last], 2, true),
        (&[last - frame], 2, true),
        // A length that no frame has.
        (&[good.len() - frame + 3], 2, true),
        // One of the two notes, and both.
        (&[9], 3, false),
        (&[29], 3, false),
        (&[9, 29], 3, true),
    ] {
        begins_with(dir.path(), &flipped(places), left, named, &format!("flipped at {places:?}"));
    }
    for (cut, left) in [(1, 2), (frame, 2), (frame + 1, 1), (good.len() - 30, 0), (good.len(), 0)] {
        begins_with(dir.path(), &good[..good.len() - cut], left, true, &format!("{cut} cut off"));
    }
    begins_with(dir.path(), &good, 3, false, "whole");
}

#[test]
fn what_a_crash_tears_off_behind_the_last_checkpoint_is_no_damage() {
    let (dir, good) = three();
    let frame = (good.len() - 48) / 3;
    // Of a frame that was on its way when the machine died: a part, noise, nothing but zeros; or one that came before it.
    let last = &good[good.len() - frame..];
    let swapped = [&last[..frame - 4], &[0; 4], last].concat();
    for (tail, about) in [
        (last[..frame / 2].to_vec(), "a part"),
        (vec![0xff; 100], "noise"),
        (vec![0; 4096], "zeros"),
        (swapped, "one that is not whole before one that is"),
    ] {
        begins_with(dir.path(), &[&good[..], &tail].concat(), 3, false, about);
    }
}

#[test]
fn a_log_of_the_form_before_is_read() {
    let (dir, good) = three();
    let before = [&b"\x8ePCMARK1"[..], &good[48..]].concat();
    begins_with(dir.path(), &before, 3, false, "whole");
    let mut torn = before.clone();
    let last = torn.len() - 2;
    torn[last] ^= 1;
    begins_with(dir.path(), &torn, 2, false, "its end");
    let mut damaged = before.clone();
    damaged[30] ^= 1;
    begins_with(dir.path(), &damaged, 2, true, "its beginning");
}

/// What is durable is noted while the gateway runs, too, before the journal goes that has the same.
#[test]
fn a_running_log_knows_what_is_durable() {
    let (base, dead) = (temp(), temp());
    let limits = Limits { segment_octets: 1, ..Limits::default() };
    let disk = faulty(Faults { lazy: true, ..Faults::default() });
    let (vault, mut writer) = Vault::open_on(base.path(), disk, limits).unwrap();
    for n in 0..6 {
        put(&vault, n, "spam").unwrap();
    }
    assert!(vault.catch_up());
    for n in 0..6 {
        mark_only(&vault, id(n), &to_trash()).unwrap();
        assert!(vault.catch_up());
    }
    wait_for("the journal goes", || files(&base.path().join("vault/journal")).len() == 1);
    super::crash::copy(base.path(), dead.path());
    writer.close();
    let mut octets = std::fs::read(Layout::new(dead.path()).marks()).unwrap();
    let last = octets.len() - 2;
    octets[last] ^= 1;
    begins_with(dead.path(), &octets, 5, true, "the last one");
}

#[test]
fn a_log_that_could_not_be_written_loses_nothing() {
    for crash in [false, true] {
        // The first mark makes the log; those behind it are appended.
        for marked in [0, 2] {
            let (dir, vault, mut writer) = with(6);
            for n in 0..marked {
                mark_only(&vault, id(n), &to_trash()).unwrap();
            }
            assert!(vault.catch_up());
            vault.core.disk.faults.make_bad(&Layout::new(dir.path()).marks(), 5);
            for n in marked..6 {
                mark_only(&vault, id(n), &to_trash()).unwrap();
            }
            wait_for("it is told", || vault.report().troubles.iter().any(|text| text.contains("behind")));
            let dead = temp();
            super::crash::copy(dir.path(), dead.path());
            vault.core.disk.faults.make_good();
            wait_for("it goes on", || vault.report().behind == 0);
            assert_eq!(vault.report().troubles, Vec::<String>::new());
            assert!(vault.catch_up());
            writer.close();
            drop((vault, writer));
            let path = if crash { dead.path() } else { dir.path() };
            let (vault, mut writer) = open(path).unwrap();
            assert_eq!(vault.core.state().marks.len(), 6, "{crash} {marked}");
            for n in 0..6 {
                let item = vault.item(id(n)).unwrap();
                assert_eq!((item.version, item.trash.is_some(), item.history.len()), (2, true, 1));
            }
            assert_eq!(vault.report().damaged, Vec::<String>::new());
            agrees(&vault, path);
            writer.close();
        }
    }
}

/// A batch that is applied again and again, because the index cannot be written, is in the log once.
#[test]
fn the_log_does_not_grow_while_the_index_cannot_be_written() {
    let (dir, vault, mut writer) = with(3);
    mark_only(&vault, id(0), &to_trash()).unwrap();
    assert!(vault.catch_up());
    let octets = || std::fs::metadata(Layout::new(dir.path()).marks()).unwrap().len();
    let (before, faults) = (octets(), &vault.core.disk.faults);
    faults.no_index.store(true, std::sync::atomic::Ordering::SeqCst);
    mark_only(&vault, id(1), &to_trash()).unwrap();
    wait_for("it is told", || !vault.report().troubles.is_empty());
    let once = octets();
    let steps = faults.steps();
    wait_for("it was tried again", || faults.steps() > steps + 1);
    assert_eq!((octets(), once > before), (once, true));
    faults.no_index.store(false, std::sync::atomic::Ordering::SeqCst);
    wait_for("it goes on", || vault.report().behind == 0);
    assert_eq!(octets(), once);
    writer.close();
    drop((vault, writer));
    let (vault, mut writer) = open(dir.path()).unwrap();
    assert_eq!(vault.core.state().marks.len(), 2);
    agrees(&vault, dir.path());
    writer.close();
}

/// The log is made anew at each start: what stands in it then is enough to undo by marks alone.
#[test]
fn undeleting_after_a_start_needs_no_file() {
    let (dir, vault, mut writer) = with(5);
    for n in 0..5 {
        mark_only(&vault, id(n), &to_trash()).unwrap();
    }
    assert!(vault.catch_up());
    writer.close();
    drop((vault, writer));
    let layout = Layout::new(dir.path());
    let before = files(&layout.items).iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>();
    let log = std::fs::read(layout.marks()).unwrap();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let anew = std::fs::read(layout.marks()).unwrap();
    assert!(anew.len() < log.len(), "it was written anew: one frame for all that have the same mark");
    for n in 0..5 {
        assert_eq!(vault.newest_mark(id(n)).as_deref(), Some(&to_trash()));
        mark_only(&vault, id(n), &mark_of(Deed::Untrash)).unwrap();
    }
    assert!(vault.catch_up());
    let now = |vault: &Vault| {
        for n in 0..5 {
            let item = vault.item(id(n)).unwrap();
            assert_eq!((item.version, item.trash, item.history.len()), (3, None, 2));
            assert_eq!(state_of(vault, id(n)), State::Kept);
        }
    };
    now(&vault);
    writer.close();
    drop((vault, writer));
    for rebuilt in [false, true] {
        let (vault, mut writer) = open(dir.path()).unwrap();
        if rebuilt {
            vault.rebuild(&|_| ()).unwrap();
        }
        now(&vault);
        agrees(&vault, dir.path());
        writer.close();
    }
    let after = files(&layout.items).iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>();
    assert!(after == before, "no file was written");
}
