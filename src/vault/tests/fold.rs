//! Folding: marks go into files, and nothing shows it.

use super::*;
use crate::vault::core::read_item;
use crate::vault::fold::Folding;
use crate::vault::layout::Layout;
use std::time::Duration;

const ITEMS: u64 = 40;

/// A round begins beyond a quarter of 40 marks and ends at an eighth.
fn limits() -> Limits {
    Limits {
        marks_max: 40,
        fold_pause: Duration::from_millis(1),
        retry: Duration::from_millis(5),
        ..Limits::default()
    }
}

fn opened(path: &Path, limits: Limits) -> (Arc<Vault>, VaultWriter) {
    Vault::open_on(path, faulty(Faults { lazy: true, ..Faults::default() }), limits).unwrap()
}

/// Marked at different times, some of them twice. Nothing is folded yet.
fn marked() -> (tempfile::TempDir, Vec<Item>) {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    for n in 0..ITEMS {
        put(&vault, n, "spam").unwrap();
    }
    assert!(vault.catch_up());
    for n in 0..ITEMS {
        mark_only(&vault, id(n), &Mark { at_ms: 100 + n as i64, ..to_trash() }).unwrap();
    }
    assert!(vault.catch_up());
    for n in 0..ITEMS / 4 {
        mark_only(&vault, id(n), &Mark { at_ms: 200, ..mark_of(Deed::Untrash) }).unwrap();
    }
    assert!(vault.catch_up());
    let items = (0..ITEMS).map(|n| vault.item(id(n)).unwrap()).collect();
    writer.close();
    (dir, items)
}

fn marks(vault: &Vault) -> usize {
    vault.core.state().marks.len()
}

fn shown(vault: &Vault) -> (Vec<Item>, Vec<crate::vault::Row>) {
    let ids: Vec<Id> = (0..ITEMS).map(id).collect();
    (ids.iter().map(|id| vault.item(*id).unwrap()).collect(), vault.rows(&ids).unwrap())
}

#[test]
fn the_oldest_marks_go_and_nothing_shows_it() {
    let (dir, items) = marked();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let before = shown(&vault);
    assert_eq!((&before.0, marks(&vault)), (&items, 50));
    writer.close();
    drop((vault, writer));
    let (vault, mut writer) = opened(dir.path(), Limits { marks_max: 100, ..limits() });
    wait_for("marks go", || marks(&vault) <= 12);
    assert_eq!(shown(&vault), before);
    assert!(vault.catch_up());
    assert_eq!(shown(&vault), before);
    agrees(&vault, dir.path());
    // Not those of the newest; of the others the files say everything.
    let layout = Layout::new(dir.path());
    let folded = |item: &Item| read_item(&layout.item(item.id), item.id).unwrap() == *item;
    let left = marks(&vault);
    let of_marks = items.iter().filter(|item| vault.core.state().marks.has(item.id)).count();
    assert_eq!(items.iter().filter(|item| !folded(item)).count(), of_marks);
    assert!(left > 5 && !folded(&items[38]) && !folded(&items[39]), "{left}");
    writer.close();
    drop((vault, writer));
    // Also after a start, and with another index.
    let (vault, mut writer) = open(dir.path()).unwrap();
    assert_eq!((shown(&vault), marks(&vault)), (before.clone(), left));
    vault.rebuild(&|_| ()).unwrap();
    assert_eq!(shown(&vault), before);
    for n in 0..ITEMS {
        let back = vault.item(id(n)).unwrap();
        if back.trash.is_some() {
            mark(&vault, id(n), &mark_of(Deed::Untrash)).unwrap();
        }
        assert_eq!(vault.item(id(n)).unwrap().history.len(), 2);
    }
    agrees(&vault, dir.path());
    writer.close();
}

#[test]
fn it_waits_while_somebody_works_and_who_changes_an_item_wins() {
    let (dir, items) = marked();
    let (vault, mut writer) =
        opened(dir.path(), Limits { fold_pause: Duration::from_secs(3600), ..limits() });
    // The thread takes one step, and rests.
    wait_for("the first step", || marks(&vault) <= 34);
    let mut folding = Folding::default();
    // Many changes since the last look.
    for _ in 0..20 {
        change(&vault, Change::Write(Box::new(vault.item(id(0)).unwrap()))).unwrap();
    }
    assert!(vault.catch_up());
    let busy = marks(&vault);
    assert!(folding.step(&vault.core, &vault.jobs), "it is to go on soon");
    assert_eq!(marks(&vault), busy);
    // What it read is old by the time that it is asked for.
    let of = (20..ITEMS).find(|n| vault.core.state().marks.has(id(*n))).unwrap();
    let stale = vault.core.item(id(of)).unwrap();
    mark_only(&vault, id(of), &Mark { at_ms: 400, ..mark_of(Deed::Untrash) }).unwrap();
    let results = crate::vault::fold::asked(&vault.core, &vault.jobs, vec![stale]).unwrap();
    assert!(matches!(results[0], Err(VaultError::Conflict(conflict)) if conflict == id(of)));
    assert!(vault.catch_up());
    let mut left = marks(&vault);
    while folding.step(&vault.core, &vault.jobs) {
        assert!(vault.catch_up());
        let now = marks(&vault);
        assert!(now <= left && left - now <= 2 * 16, "a step is short");
        left = now;
    }
    let left = marks(&vault);
    assert!(left <= 5, "{left}");
    for (n, item) in items.iter().enumerate().skip(20) {
        let now = vault.item(item.id).unwrap();
        match n as u64 == of {
            true => assert_eq!((now.version, &now.trash), (item.version + 1, &None)),
            false => assert_eq!(now, *item),
        }
    }
    agrees(&vault, dir.path());
    writer.close();
}

#[test]
fn a_file_that_cannot_be_read_does_not_keep_others_from_it() {
    let (dir, items) = marked();
    // The first one that it comes to.
    let ill = items.iter().min_by_key(|item| item.id).unwrap();
    let file = Layout::new(dir.path()).item(ill.id);
    let octets = std::fs::read(&file).unwrap();
    std::fs::write(&file, &octets[..9]).unwrap();
    let (vault, mut writer) = opened(dir.path(), limits());
    wait_for("marks go", || marks(&vault) <= 10);
    assert!(vault.catch_up());
    assert!(vault.report().damaged[0].contains(&ill.id.to_string()), "{:?}", vault.report());
    // Its marks wait for it.
    assert!(vault.core.state().marks.has(ill.id));
    std::fs::write(&file, &octets).unwrap();
    assert_eq!(vault.item(ill.id).unwrap(), *ill);
    writer.close();
}

/// The process dies at every step of a folding.
#[test]
fn at_every_step_no_mark_is_lost() {
    let (base, items) = marked();
    let mut step = 1;
    loop {
        let dir = temp();
        super::crash::copy(base.path(), dir.path());
        let faults = Faults { dies_at: step, lazy: true, ..Faults::default() };
        let limits = Limits { segment_octets: 1, ..limits() };
        let mut done = false;
        if let Ok((vault, mut writer)) = Vault::open_on(dir.path(), faulty(faults), limits) {
            let died = || vault.core.disk.faults.steps() >= step;
            wait_for("it ends", || marks(&vault) <= 5 || died());
            writer.close();
            done = !died();
        }
        let (vault, mut writer) = open(dir.path()).unwrap();
        super::crash::wait_for_index(&vault);
        for item in &items {
            assert_eq!(vault.item(item.id).unwrap(), *item, "step {step}");
        }
        agrees(&vault, dir.path());
        assert_eq!(vault.report().damaged, Vec::<String>::new(), "step {step}");
        writer.close();
        if done {
            break;
        }
        step += 1;
    }
    assert!(step > 60, "{step}");
}
