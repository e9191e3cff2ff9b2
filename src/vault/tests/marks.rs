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

#[test]
fn a_damaged_log_is_named_kept_and_what_is_whole_counts() {
    let (dir, vault, mut writer) = with(3);
    for n in 0..3 {
        let mark = Mark { at_ms: n as i64, ..to_trash() };
        mark_only(&vault, id(n), &mark).unwrap();
        assert!(vault.catch_up());
    }
    writer.close();
    drop((vault, writer));
    let layout = Layout::new(dir.path());
    let good = std::fs::read(layout.marks()).unwrap();
    let frame = (good.len() - 8) / 3;
    for (at, left, named) in [(8 + 20, 2, true), (2, 0, true), (good.len() - 2, 2, false)] {
        let mut octets = good.clone();
        octets[at] ^= 1;
        std::fs::write(layout.marks(), &octets).unwrap();
        let (vault, mut writer) = open(dir.path()).unwrap();
        while !vault.report().troubles.is_empty() {
            std::thread::yield_now();
        }
        let report = vault.report();
        assert_eq!(report.damaged.len(), usize::from(named), "{at} {report:?}");
        assert_eq!(vault.core.state().marks.len(), left, "{at}");
        if named {
            assert_eq!(std::fs::read(layout.marks_damaged()).unwrap(), octets);
            agrees(&vault, dir.path());
        }
        writer.close();
    }
    assert!(frame > 40);
}
