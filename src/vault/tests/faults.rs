//! Full and ill disks, and files that cannot follow.

use super::*;
use std::sync::atomic::Ordering::SeqCst;

#[test]
fn a_full_disk_is_no_space_and_nothing_half_and_then_it_goes_on() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    put(&vault, 0, "spam").unwrap();
    assert!(vault.catch_up());
    let segment = files(&dir.path().join("vault/journal")).remove(0);
    let length = std::fs::metadata(&segment).unwrap().len();
    vault.core.disk.faults.full.store(true, SeqCst);
    for n in 1..4 {
        assert!(matches!(put(&vault, n, "spam"), Err(VaultError::NoSpace(_))));
        assert!(matches!(release(&vault, id(0)), Err(VaultError::NoSpace(_))));
        assert_eq!(std::fs::metadata(&segment).unwrap().len(), length, "cut back");
    }
    let large = vec![7; 10];
    let pending = vault.put_octets(item(9, "spam"), &large).unwrap();
    assert!(vault.report().troubles[0].contains("put off"), "{:?}", vault.report());
    assert_eq!(vault.folder("spam"), (1, message(0).len() as u64));
    vault.core.disk.faults.full.store(false, SeqCst);
    pending.commit_blocking().unwrap();
    put(&vault, 1, "spam").unwrap();
    assert_eq!(vault.report().troubles, Vec::<String>::new());
    let there = agrees(&vault, dir.path());
    assert_eq!(there.len(), 3);
    writer.close();
    drop((vault, writer));
    let (vault, _writer) = open(dir.path()).unwrap();
    assert_eq!(agrees(&vault, dir.path()), there);
}

#[test]
fn a_large_body_on_a_full_disk_leaves_nothing() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let large: Vec<u8> =
        (0..1_000_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
    vault.core.disk.faults.full.store(true, SeqCst);
    assert!(matches!(vault.put_octets(item(1, "spam"), &large), Err(VaultError::NoSpace(_))));
    assert!(files(&dir.path().join("vault/incoming")).is_empty());
    vault.core.disk.faults.full.store(false, SeqCst);
    vault.put_octets(item(1, "spam"), &large).unwrap().commit_blocking().unwrap();
    assert_eq!(agrees(&vault, dir.path()), [(id(1), 1)]);
    writer.close();
    assert_eq!(vault.core.held.load(SeqCst), 0);
}

#[test]
fn a_flush_that_fails_gives_the_segment_up() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    put(&vault, 0, "spam").unwrap();
    vault.core.disk.faults.ill.store(true, SeqCst);
    assert!(matches!(put(&vault, 1, "spam"), Err(VaultError::Io { step: "flush", .. })));
    assert!(put(&vault, 1, "spam").is_err());
    vault.core.disk.faults.ill.store(false, SeqCst);
    put(&vault, 2, "spam").unwrap();
    release(&vault, id(2)).unwrap();
    let right = vec![(id(0), 1), (id(2), 2)];
    let sorted = |mut there: Vec<(Id, u64)>| {
        there.sort();
        there
    };
    assert_eq!(agrees(&vault, dir.path()), sorted(right.clone()));
    // The old segment goes when files and index are durable.
    wait_for("the old segment goes", || files(&dir.path().join("vault/journal")).len() == 1);
    writer.close();
    drop((vault, writer));
    let (vault, _writer) = open(dir.path()).unwrap();
    assert_eq!(agrees(&vault, dir.path()), sorted(right));
}

#[test]
fn files_that_cannot_follow_are_told_bounded_and_caught_up_with() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    // A file where the folder of the item would be.
    let folder = dir.path().join("vault/items").join(id(0).to_string().chars().take(1).collect::<String>());
    std::fs::write(&folder, b"x").unwrap();
    put(&vault, 0, "spam").unwrap();
    wait_for("it is told", || !vault.report().troubles.is_empty());
    assert!(!vault.catch_up());
    // Ours all the same, with its body.
    let first = vault.item(id(0)).unwrap();
    assert_eq!(octets(&vault, &first).unwrap(), message(0));
    let writes = (1..6_000).map(|version| {
        let mut item = first.clone();
        item.version = version;
        Change::Write(Box::new(item))
    });
    let results = vault.change_blocking(writes.collect());
    let taken = results.iter().filter(|result| result.is_ok()).count() as u64;
    assert!((4_000..5_000).contains(&taken), "{taken}");
    assert!(put(&vault, 1, "spam").is_err(), "beyond the bound nothing is taken");
    assert_eq!(vault.report().behind, taken + 1);
    std::fs::remove_file(&folder).unwrap();
    wait_for("files follow", || vault.report().behind == 0);
    assert_eq!(agrees(&vault, dir.path()), [(id(0), taken + 1)]);
    put(&vault, 1, "spam").unwrap();
    assert_eq!(vault.report().troubles, Vec::<String>::new());
    writer.close();
}

#[test]
fn closing_with_files_that_cannot_follow_loses_nothing() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let folder = dir.path().join("vault/items").join(id(0).to_string().chars().take(1).collect::<String>());
    std::fs::write(&folder, b"x").unwrap();
    put(&vault, 0, "spam").unwrap();
    release(&vault, id(0)).unwrap();
    writer.close();
    drop((vault, writer));
    assert!(open(dir.path()).is_err(), "what is ours cannot be put into files");
    std::fs::remove_file(&folder).unwrap();
    let (vault, _writer) = open(dir.path()).unwrap();
    assert_eq!(agrees(&vault, dir.path()), [(id(0), 2)]);
}

#[test]
fn many_segments_come_and_go() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let mut noise: Vec<u8> =
        (0..225_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
    for n in 0..100 {
        noise[0] = n as u8;
        vault.put_octets(item(n, "spam"), &noise).unwrap().commit_blocking().unwrap();
    }
    assert!(vault.catch_up());
    wait_for("old segments go", || files(&dir.path().join("vault/journal")).len() == 1);
    assert!(std::fs::metadata(files(&dir.path().join("vault/journal")).remove(0)).unwrap().len() < 40 << 20);
    writer.close();
    drop((vault, writer));
    let (vault, _writer) = open(dir.path()).unwrap();
    assert_eq!(agrees(&vault, dir.path()).len(), 100);
    // Places in time go on behind the last one.
    let last = (0..100).map(|n| vault.item(id(n)).unwrap().order).max().unwrap();
    put(&vault, 200, "spam").unwrap();
    assert!(vault.item(id(200)).unwrap().order > last);
}

/// Its body lies in its place, and the index does not know of it yet: no orphan.
#[test]
fn a_body_on_its_way_is_no_orphan() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let noise = super::crash::noise(1);
    vault.core.disk.faults.no_index.store(true, SeqCst);
    let pending = vault.put_octets(item(1, "spam"), &noise).unwrap();
    assert!(matches!(pending.body(), crate::vault::intake::ReadyBody::File(_)));
    pending.commit_blocking().unwrap();
    wait_for("the index is behind", || !vault.report().troubles.is_empty());
    assert_eq!(files(&dir.path().join("vault/bodies")).len(), 1);
    look_for_leftovers(&vault);
    vault.core.disk.faults.no_index.store(false, SeqCst);
    wait_for("it follows", || vault.report().behind == 0);
    assert!(octets(&vault, &vault.item(id(1)).unwrap()).unwrap() == noise);
    agrees(&vault, dir.path());
    writer.close();
}
