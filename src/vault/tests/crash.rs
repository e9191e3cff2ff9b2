//! The process dies at every step: what was acknowledged is there, what was not is there whole or not at all, nothing is
//! there twice, and index, files, bodies and counts agree.

use super::*;
use std::collections::BTreeMap;

/// What may be there: versions of items; 0 is none.
type Expected = BTreeMap<Id, Vec<u64>>;

/// One step of a scenario: which item, what is done, what version it makes (0 is gone).
type Step = (u64, fn(&Arc<Vault>, u64) -> Result<(), VaultError>, u64);

fn put_one(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    put(vault, n, "spam").map(drop)
}

/// Too large for the journal.
pub(super) fn noise(n: u64) -> Vec<u8> {
    let noise: Vec<u8> =
        (0..300_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 5).to_be_bytes()).collect();
    let noise = ring::digest::digest(&ring::digest::SHA256, &noise).as_ref().repeat(40_000);
    let mut x = n + 1;
    noise
        .iter()
        .map(|octet| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            octet ^ (x >> 33) as u8
        })
        .collect()
}

fn put_large(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    let pending = vault.put_octets(item(n, "virus"), &noise(n))?;
    assert!(matches!(pending.body(), crate::vault::intake::ReadyBody::File(_)));
    pending.commit_blocking().map(drop)
}

/// The body of message 0.
fn put_same(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    vault.put_octets(item(n, "spam"), &message(0))?.commit_blocking().map(drop)
}

fn release_one(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    release(vault, id(n))
}

fn move_one(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    let mut item = vault.item(id(n))?;
    item.folder = "policy".into();
    change(vault, Change::Write(Box::new(item)))
}

fn remove_one(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    remove(vault, id(n))
}

fn trash_one(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    mark(vault, id(n), &to_trash())
}

fn untrash_one(vault: &Arc<Vault>, n: u64) -> Result<(), VaultError> {
    mark(vault, id(n), &mark_of(super::Deed::Untrash))
}

const DEEDS: [Step; 20] = [
    (0, put_one, 1),
    (1, put_same, 1),
    (2, put_large, 1),
    (0, release_one, 2),
    (3, put_one, 1),
    (3, move_one, 2),
    (0, remove_one, 0),
    (2, move_one, 2),
    (1, remove_one, 0),
    (4, put_same, 1),
    (2, remove_one, 0),
    (3, trash_one, 3),
    (4, trash_one, 2),
    (5, put_one, 1),
    (3, untrash_one, 4),
    (5, trash_one, 2),
    (3, trash_one, 5),
    (3, move_one, 6),
    (5, untrash_one, 3),
    (4, remove_one, 0),
];

/// Does what it can; `slowly` lets the files follow each deed.
fn play(vault: &Arc<Vault>, slowly: bool) -> Expected {
    let mut expected = Expected::new();
    for (n, deed, version) in DEEDS {
        let may_be = expected.entry(id(n)).or_insert_with(|| vec![0]);
        match deed(vault, n) {
            Ok(()) => *may_be = vec![version],
            Err(_) => {
                may_be.push(version);
                break;
            }
        }
        if slowly && !vault.catch_up() {
            break;
        }
    }
    expected
}

/// Until the index is there, and what it left over is gone.
pub(super) fn wait_for_index(vault: &Vault) {
    wait_for("the index is there", || {
        let state = vault.core.state();
        state.rebuilding.is_none() && state.leftovers.is_none() && !vault.core.is_rebuilding()
    });
}

fn is_as_expected(path: &Path, expected: &Expected, about: &str) {
    let (vault, mut writer) = open(path).unwrap();
    wait_for_index(&vault);
    let there: BTreeMap<Id, u64> = agrees(&vault, path).into_iter().collect();
    for (id, may_be) in expected {
        let version = there.get(id).copied().unwrap_or(0);
        assert!(may_be.contains(&version), "{about}: {id} is at {version}, expected one of {may_be:?}");
    }
    assert!(there.keys().all(|id| expected.contains_key(id)), "{about}");
    assert_eq!(vault.report().damaged, Vec::<String>::new(), "{about}");
    assert!(files(&path.join("vault/incoming")).is_empty(), "{about}");
    // And it goes on.
    put(&vault, 77, "spam").unwrap();
    remove(&vault, id(77)).unwrap();
    writer.close();
    assert_eq!(files(&path.join("vault/journal")).len(), 1, "{about}");
}

fn dies_at_every_step(slowly: bool) {
    let mut step = 1;
    loop {
        let dir = temp();
        let faults = Faults { dies_at: step, lazy: true, ..Faults::default() };
        // Another segment behind every flush where the files follow slowly: the old ones go meanwhile.
        let limits =
            if slowly { Limits { segment_octets: 1, ..Limits::default() } } else { Limits::default() };
        let opened = |faults| Vault::open_on(dir.path(), faulty(faults), limits);
        let Ok((vault, mut writer)) = opened(faults) else {
            is_as_expected(dir.path(), &Expected::new(), &format!("opening, step {step}"));
            step += 1;
            continue;
        };
        let expected = play(&vault, slowly);
        writer.close();
        let reached = vault.core.disk.faults.steps();
        drop((vault, writer));
        is_as_expected(dir.path(), &expected, &format!("step {step}"));
        if reached < step {
            break;
        }
        step += 1;
    }
    // Every deed has several.
    assert!(step > 60, "{step}");
}

#[test]
fn at_every_step_of_a_life_with_the_files_close_behind() {
    dies_at_every_step(true);
}

#[test]
fn at_every_step_of_a_life_with_the_files_behind_at_will() {
    dies_at_every_step(false);
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// The state directory of a process that was killed when all was in files and index, and nothing flushed.
fn killed() -> (tempfile::TempDir, Expected) {
    let (dir, dead) = (temp(), temp());
    let (vault, mut writer) = open(dir.path()).unwrap();
    let expected = play(&vault, true);
    copy(dir.path(), dead.path());
    writer.close();
    (dead, expected)
}

#[test]
fn at_every_step_of_a_start_with_a_journal() {
    let (base, expected) = killed();
    for with_index in [true, false] {
        let mut step = 1;
        loop {
            let dir = temp();
            copy(base.path(), dir.path());
            if !with_index {
                for file in ["vault.db", "vault.db-wal", "vault.db-shm"] {
                    let _ = std::fs::remove_file(dir.path().join(file));
                }
            }
            let faults = Faults { dies_at: step, ..Faults::default() };
            let opened = open_on(dir.path(), faults);
            let done = opened.is_ok_and(|(vault, mut writer)| {
                wait_for_index_or_death(&vault);
                writer.close();
                vault.core.disk.faults.steps() < step
            });
            is_as_expected(dir.path(), &expected, &format!("start, step {step}"));
            if done {
                break;
            }
            step += 1;
        }
        assert!(step > 20, "{step}");
    }
}

/// Until the index is there, or could not be made, and the same of what it left over.
fn wait_for_index_or_death(vault: &Vault) {
    wait_for("the index is tried", || {
        let state = vault.core.state();
        let made = state.rebuilding.is_none() || state.failing.is_some();
        made && state.leftovers.as_ref().is_none_or(|left| left.failed) && !vault.core.is_rebuilding()
    });
}

#[test]
fn at_every_step_of_a_rebuild() {
    let (base, expected) = killed();
    // Something for every step of it.
    let orphans: [String; 2] = ["0", "f"].map(|digit| digit.repeat(64));
    let layout = crate::vault::layout::Layout::new(base.path());
    for path in orphans.iter().map(|digest| layout.body(digest).unwrap()) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }
    std::fs::write(layout.leftovers(), b"").unwrap();
    let mut step = 1;
    loop {
        let dir = temp();
        copy(base.path(), dir.path());
        let Ok((vault, mut writer)) = open_on(dir.path(), Faults { dies_at: step, ..Faults::default() })
        else {
            step += 1;
            continue;
        };
        // The look for what is left over may be at work.
        let done = loop {
            match vault.rebuild(&|_| ()) {
                Err(VaultError::Index { what, .. }) if what.contains("try again") => std::thread::yield_now(),
                done => break done.is_ok(),
            }
        };
        writer.close();
        let done = done && vault.core.disk.faults.steps() < step;
        drop((vault, writer));
        is_as_expected(dir.path(), &expected, &format!("rebuild, step {step}"));
        if done {
            break;
        }
        step += 1;
    }
    assert!(step > 30, "{step}");
}

#[test]
fn files_that_were_never_flushed_come_back_from_the_journal() {
    let (base, expected) = killed();
    for path in
        files(&base.path().join("vault/items")).iter().chain(&files(&base.path().join("vault/bodies")))
    {
        // As a power failure leaves them.
        std::fs::write(path, b"").unwrap();
    }
    is_as_expected(base.path(), &expected, "power failure");
}

/// Many in one flush, whose files several hands place.
#[test]
fn at_many_steps_of_a_bulk_change() {
    let base = temp();
    let (vault, mut writer) = open(base.path()).unwrap();
    for n in 0..60 {
        put(&vault, n, "spam").unwrap();
    }
    writer.close();
    drop((vault, writer));
    for step in (1..).step_by(7) {
        let dir = temp();
        copy(base.path(), dir.path());
        let Ok((vault, mut writer)) = open_on(dir.path(), Faults { dies_at: step, ..Faults::default() })
        else {
            continue;
        };
        let order = |n| vault.item(id(n)).unwrap().order;
        let changes = (0..60).map(|n| match n % 3 {
            0 => Change::Remove { id: id(n), version: 1 },
            1 => Change::Mark { id: id(n), order: order(n), mark: Arc::new(to_trash()) },
            _ => {
                let mut item = vault.item(id(n)).unwrap();
                item.folder = "policy".into();
                Change::Write(Box::new(item))
            }
        });
        let changes = changes.collect();
        let results = vault.change_blocking(changes);
        let caught_up = vault.catch_up();
        writer.close();
        let expected = results.iter().enumerate().map(|(n, result)| {
            let after = if n % 3 == 0 { 0 } else { 2 };
            (id(n as u64), if result.is_ok() { vec![after] } else { vec![1, after] })
        });
        is_as_expected(dir.path(), &expected.collect(), &format!("bulk, step {step}"));
        if caught_up && vault.core.disk.faults.steps() < step {
            assert!(step > 100, "{step}");
            break;
        }
    }
}

#[test]
fn a_damaged_journal_is_named_and_what_is_whole_counts() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let segment = files(&dir.path().join("vault/journal")).remove(0);
    let mut ends = Vec::new();
    for n in 0..3 {
        put(&vault, n, "spam").unwrap();
        ends.push(std::fs::metadata(&segment).unwrap().len() as usize);
    }
    let octets = std::fs::read(&segment).unwrap();
    writer.close();
    let flipped = |at: usize| {
        let dir = temp();
        let folder = dir.path().join("vault/journal");
        std::fs::create_dir_all(&folder).unwrap();
        let mut octets = octets.clone();
        octets[at] ^= 4;
        std::fs::write(folder.join(segment.file_name().unwrap()), octets).unwrap();
        dir
    };
    for (at, what, left) in [(ends[0] + 60, "not whole", vec![(id(0), 1), (id(2), 1)]), (9, "head", vec![])] {
        let dir = flipped(at);
        let (vault, _writer) = open(dir.path()).unwrap();
        wait_for_index(&vault);
        let mut there = agrees(&vault, dir.path());
        there.sort_by_key(|(id, _)| vault.item(*id).unwrap().order);
        assert_eq!(there, left);
        assert!(vault.report().damaged[0].contains(what), "{:?}", vault.report());
        put(&vault, 7, "spam").unwrap();
        let aside = files(&dir.path().join("vault/journal"));
        assert!(aside.iter().any(|path| path.to_string_lossy().ends_with(".damaged")));
    }
}

#[test]
fn a_torn_tail_is_what_nobody_was_told_of() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    put(&vault, 0, "spam").unwrap();
    let segment = files(&dir.path().join("vault/journal")).remove(0);
    let whole = std::fs::metadata(&segment).unwrap().len();
    put(&vault, 1, "spam").unwrap();
    let octets = std::fs::read(&segment).unwrap();
    // As if nothing but the journal had come to the disk.
    let base = temp();
    std::fs::create_dir_all(base.path().join("vault/journal")).unwrap();
    writer.close();
    let name = segment.file_name().unwrap();
    let with = |octets: &[u8]| {
        let dir = temp();
        copy(base.path(), dir.path());
        std::fs::write(dir.path().join("vault/journal").join(name), octets).unwrap();
        dir
    };
    let one: Expected = [(id(0), vec![1])].into();
    for end in (whole as usize..octets.len()).step_by(37) {
        is_as_expected(with(&octets[..end]).path(), &one, &format!("cut at {end}"));
        let mut flipped = octets.clone();
        flipped[end] ^= 0x10;
        is_as_expected(with(&flipped).path(), &one, &format!("flipped at {end}"));
    }
    let both: Expected = [(id(0), vec![1]), (id(1), vec![1])].into();
    is_as_expected(with(&octets).path(), &both, "whole");
    // A segment that was given up: from the next one's first number on it does not count.
    let dir = with(&octets);
    let disk = Arc::new(Disk::default());
    let layout = crate::vault::layout::Layout::new(dir.path());
    drop(crate::vault::journal::Journal::begin(disk, layout, 1, 2, 0).unwrap());
    is_as_expected(dir.path(), &one, "given up");
}

#[test]
fn a_journal_with_a_gap_is_named_and_set_aside() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    put(&vault, 0, "spam").unwrap();
    writer.close();
    drop((vault, writer));
    let disk = Arc::new(Disk::default());
    let layout = crate::vault::layout::Layout::new(dir.path());
    let last = files(&layout.journal).len() as u64;
    drop(crate::vault::journal::Journal::begin(disk, layout.clone(), last + 5, 9, 0).unwrap());
    let (vault, _writer) = open(dir.path()).unwrap();
    assert!(vault.report().damaged[0].contains("the journal is not whole"), "{:?}", vault.report());
    assert_eq!(agrees(&vault, dir.path()), [(id(0), 1)]);
    put(&vault, 1, "spam").unwrap();
    assert!(files(&layout.journal).iter().any(|path| path.to_string_lossy().ends_with(".damaged")));
}

/// A power failure costs the newest of the index. A body that was removed and came again is not removed again for it.
#[test]
fn a_body_that_came_again_stays_with_an_index_that_is_behind() {
    let (dir, dead) = (temp(), temp());
    let (vault, mut writer) = open(dir.path()).unwrap();
    put_one(&vault, 0).unwrap();
    assert!(vault.catch_up());
    let index = ["vault.db", "vault.db-wal", "vault.db-shm"];
    let old = index.map(|name| std::fs::read(dir.path().join(name)).ok());
    let large = |n: u64| vault.put_octets(item(n, "virus"), &noise(1)).unwrap().commit_blocking().unwrap();
    large(1);
    remove(&vault, id(1)).unwrap();
    assert!(vault.catch_up());
    // More than is replayed at once.
    for _ in 0..600 {
        let same = vault.item(id(0)).unwrap();
        change(&vault, Change::Write(Box::new(same))).unwrap();
    }
    large(2);
    assert!(vault.catch_up());
    copy(dir.path(), dead.path());
    writer.close();
    for (name, octets) in index.iter().zip(old) {
        let path = dead.path().join(name);
        let _ = std::fs::remove_file(&path);
        if let Some(octets) = octets {
            std::fs::write(path, octets).unwrap();
        }
    }
    let (vault, mut writer) = open(dead.path()).unwrap();
    wait_for_index(&vault);
    assert_eq!(vault.report().damaged, Vec::<String>::new());
    assert!(octets(&vault, &vault.item(id(2)).unwrap()).unwrap() == noise(1));
    assert_eq!(agrees(&vault, dead.path()).len(), 2);
    writer.close();
}
