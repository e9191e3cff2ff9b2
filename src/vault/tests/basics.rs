//! Putting, reading, changing, removing.

use super::*;
use crate::body::{BodyWriter, Budget};
use std::collections::HashMap;
use std::sync::Mutex;

fn budget(path: &Path) -> Arc<Budget> {
    Budget::new(1 << 20, 1 << 30, path.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_is_there_octet_by_octet_also_after_a_restart() {
    let dir = temp();
    let budget = budget(dir.path());
    let sizes = [0, 10, 4_000, 65_536, 70_000, 300_000, 3_000_000];
    let noise = |octets: usize| -> Vec<u8> {
        let mut x = octets as u64 + 88_172_645_463_325_252;
        std::iter::repeat_with(|| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .take(octets)
        .collect()
    };
    let (vault, mut writer) = Vault::open(dir.path()).unwrap();
    for (n, octets) in sizes.into_iter().enumerate() {
        let mut body = BodyWriter::new(Arc::clone(&budget));
        for piece in noise(octets).chunks(50_000) {
            body.push(piece).unwrap();
            if body.wants_spill() {
                body.spill().await.unwrap();
            }
        }
        let body = body.finish().await.unwrap();
        let pending = vault.put(item(n as u64, "spam"), &body).await.unwrap();
        assert_eq!(pending.id(), Some(id(n as u64)));
        assert!(matches!(vault.item(id(n as u64)), Err(VaultError::Missing(_))), "not ours yet");
        assert_eq!(pending.commit().await.unwrap(), id(n as u64));
        // At once, wherever it lies now.
        let read = vault.item(id(n as u64)).unwrap();
        assert!(octets_of(&vault, &read, &budget).await == noise(octets));
        assert_eq!((read.version, read.size), (1, octets as u64));
    }
    tokio::task::spawn_blocking(move || {
        writer.close();
        let (vault, mut writer) = open(dir.path()).unwrap();
        assert_eq!(agrees(&vault, dir.path()).len(), 7);
        for (n, size) in sizes.into_iter().enumerate() {
            let read = vault.item(id(n as u64)).unwrap();
            assert!(octets(&vault, &read).unwrap() == noise(size));
        }
        assert_eq!(vault.folder("spam"), (7, sizes.iter().sum::<usize>() as u64));
        assert!(files(&dir.path().join("vault/incoming")).is_empty());
        assert!(vault.free().unwrap() > 1 << 20);
        writer.close();
        assert!(matches!(put(&vault, 99, "spam"), Err(VaultError::Closed)));
    })
    .await
    .unwrap();
}

async fn octets_of(vault: &Vault, item: &Item, budget: &Arc<Budget>) -> Vec<u8> {
    let body = vault.body(item, budget).await.unwrap();
    let mut all = Vec::new();
    let mut reader = body.reader();
    while let Some(piece) = reader.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    all
}

#[test]
fn changes_compare_versions() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let first = put(&vault, 1, "virus").unwrap();
    assert!(matches!(put(&vault, 1, "virus"), Err(VaultError::Conflict(_))), "a reference is given once");
    let (mut one, mut two) = (vault.item(first).unwrap(), vault.item(first).unwrap());
    one.happened(1, "alice", "released");
    two.happened(2, "bob", "released");
    let both = vec![Change::Write(Box::new(one)), Change::Write(Box::new(two.clone()))];
    let results = vault.change_blocking(both);
    assert!(results[0].is_ok());
    assert!(matches!(results[1], Err(VaultError::Conflict(conflict)) if conflict == first));
    assert!(vault.catch_up());
    assert!(matches!(change(&vault, Change::Write(Box::new(two))), Err(VaultError::Conflict(_))));
    let now = vault.item(first).unwrap();
    assert_eq!((now.version, now.history.len(), now.history[0].by.as_str()), (2, 1, "alice"));
    assert!(matches!(change(&vault, Change::Remove { id: first, version: 1 }), Err(VaultError::Conflict(_))));
    let mut other = now.clone();
    other.digest = "ab".repeat(32);
    assert!(matches!(change(&vault, Change::Write(Box::new(other))), Err(VaultError::Conflict(_))));
    assert!(matches!(
        change(&vault, Change::Remove { id: id(5), version: 1 }),
        Err(VaultError::Missing(missing)) if missing == id(5)
    ));
    change(&vault, Change::Remove { id: first, version: 2 }).unwrap();
    assert!(matches!(vault.item(first), Err(VaultError::Missing(_))));
    assert!(matches!(change(&vault, Change::Write(Box::new(now))), Err(VaultError::Missing(_))));
    assert_eq!(agrees(&vault, dir.path()), []);
    assert!(files(&dir.path().join("vault/items")).is_empty());
    writer.close();
}

#[test]
fn counts_follow_moves_trash_and_releases() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    for n in 0..3 {
        put(&vault, n, "spam").unwrap();
    }
    let size = message(0).len() as u64;
    assert_eq!(vault.folder("spam"), (3, 3 * size));
    let mut moved = vault.item(id(0)).unwrap();
    moved.folder = "policy".into();
    change(&vault, Change::Write(Box::new(moved))).unwrap();
    let mut trashed = vault.item(id(1)).unwrap();
    trashed.trash = Some(crate::vault::Trash { at_ms: 1, ..Default::default() });
    change(&vault, Change::Write(Box::new(trashed))).unwrap();
    release(&vault, id(2)).unwrap();
    let right = |vault: &Vault| {
        assert_eq!((vault.folder("spam"), vault.folder("policy")), ((1, size), (1, size)));
        let report = vault.report();
        assert_eq!((report.items, report.spooled, report.held), (3, 1, 0));
        assert_eq!((report.troubles, report.damaged_count), (Vec::new(), 0));
    };
    right(&vault);
    agrees(&vault, dir.path());
    right(&vault);
    writer.close();
    let (vault, _writer) = open(dir.path()).unwrap();
    right(&vault);
    remove(&vault, id(2)).unwrap();
    assert_eq!((vault.folder("spam"), vault.report().spooled), ((0, 0), 0));
    agrees(&vault, dir.path());
}

#[test]
fn identical_bodies_are_stored_once_and_go_with_the_last_item() {
    let dir = temp();
    let (vault, _writer) = open(dir.path()).unwrap();
    for n in 0..3 {
        vault.put_octets(item(n, "spam"), &message(0)).unwrap().commit_blocking().unwrap();
    }
    let bodies = || files(&dir.path().join("vault/bodies")).len();
    agrees(&vault, dir.path());
    assert_eq!(bodies(), 1);
    remove(&vault, id(0)).unwrap();
    remove(&vault, id(1)).unwrap();
    // Removed and put again in one batch, or nearly.
    vault.put_octets(item(3, "spam"), &message(0)).unwrap().commit_blocking().unwrap();
    remove(&vault, id(2)).unwrap();
    assert_eq!(agrees(&vault, dir.path()), [(id(3), 1)]);
    assert_eq!(bodies(), 1);
    remove(&vault, id(3)).unwrap();
    assert_eq!(agrees(&vault, dir.path()), []);
    assert_eq!(bodies(), 0);
}

#[test]
fn what_is_not_committed_is_nothing() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let large: Vec<u8> =
        (0..8_000_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
    let pending = vault.put_octets(item(1, "spam"), &large).unwrap();
    assert_eq!(files(&dir.path().join("vault/incoming")).len(), 1);
    drop(pending);
    drop(vault.put_octets(item(2, "spam"), b"small").unwrap());
    put(&vault, 3, "spam").unwrap();
    assert_eq!(agrees(&vault, dir.path()), [(id(3), 1)]);
    assert!(files(&dir.path().join("vault/incoming")).is_empty());
    writer.close();
    assert_eq!(vault.core.held.load(std::sync::atomic::Ordering::SeqCst), 0, "all memory is given back");
}

#[test]
fn no_folder_and_no_file_shows_what_a_message_says() {
    let pattern = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    let dir = temp();
    let (vault, _writer) = open(dir.path()).unwrap();
    let mut told = item(1, "virus");
    told.header.subject = Some(pattern.clone());
    vault.put_octets(told, pattern.as_bytes()).unwrap().commit_blocking().unwrap();
    assert!(vault.catch_up());
    let all = files(&dir.path().join("vault"));
    // Journal, item, body.
    assert_eq!(all.len(), 3, "{all:?}");
    for path in all {
        let octets = std::fs::read(&path).unwrap();
        assert!(!octets.windows(10).any(|w| w == &pattern.as_bytes()[..10]), "{path:?}");
        assert!(!octets.windows(8).any(|w| w == b"STANDARD"), "{path:?}");
    }
}

#[test]
fn damaged_files_are_named_skipped_and_kept() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    for n in 0..4 {
        put(&vault, n, "spam").unwrap();
    }
    writer.close();
    let layout = super::super::layout::Layout::new(dir.path());
    let cut = |path: &Path| {
        let octets = std::fs::read(path).unwrap();
        std::fs::write(path, &octets[..octets.len() - 3]).unwrap();
    };
    cut(&layout.item(id(0)));
    let (vault, mut writer) = open(dir.path()).unwrap();
    assert!(matches!(vault.item(id(0)), Err(VaultError::Damaged { what: "cut", .. })));
    let whole = vault.item(id(1)).unwrap();
    let body = layout.body(&whole.digest).unwrap();
    cut(&body);
    assert!(matches!(octets(&vault, &whole), Err(VaultError::Damaged { what: "cut", .. })));
    std::fs::remove_file(&body).unwrap();
    assert!(matches!(octets(&vault, &whole), Err(VaultError::Damaged { what: "it is not there", .. })));
    let other = vault.item(id(2)).unwrap();
    std::fs::copy(layout.body(&other.digest).unwrap(), &body).unwrap();
    assert!(matches!(octets(&vault, &whole), Err(VaultError::Damaged { .. })), "another one's body");
    assert_eq!(vault.rebuild(&|_| ()).unwrap(), 3);
    let report = vault.report();
    assert_eq!(report.damaged_count, 1);
    assert!(
        report.damaged[0].contains(&id(0).to_string()) && report.damaged[0].contains("cut"),
        "{report:?}"
    );
    assert!(layout.item(id(0)).exists() && layout.body(&other.digest).unwrap().exists());
    writer.close();
}

#[test]
fn the_index_is_made_anew_where_it_is_missing_and_orphans_go() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    for n in 0..1200 {
        put(&vault, n, "spam").unwrap();
    }
    writer.close();
    drop(vault);
    let orphan = dir.path().join("vault/bodies/00/11").join(format!("{}.body", "00".repeat(32)));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"x").unwrap();
    std::fs::remove_file(dir.path().join("vault.db")).unwrap();
    let (vault, mut writer) = open(dir.path()).unwrap();
    // Meanwhile life goes on.
    for n in 1200..1300 {
        put(&vault, n, "spam").unwrap();
        remove(&vault, id(n - 1100)).unwrap();
    }
    let begun = std::time::Instant::now();
    while vault.core.rebuilds.load(std::sync::atomic::Ordering::SeqCst) || orphan.exists() {
        assert!(begun.elapsed().as_secs() < 60, "{:?}", vault.report());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(agrees(&vault, dir.path()).len(), 1200);
    assert!(!dir.path().join("vault/rebuilding").exists());
    let heard = std::sync::atomic::AtomicU64::new(0);
    assert_eq!(vault.rebuild(&|n| heard.store(n, std::sync::atomic::Ordering::SeqCst)).unwrap(), 1200);
    assert_eq!(heard.into_inner(), 1200);
    assert_eq!(agrees(&vault, dir.path()).len(), 1200);
    writer.close();
}

#[test]
fn the_canary_says_who_was_touched_and_how() {
    let dir = temp();
    let (vault, _writer) = open(dir.path()).unwrap();
    let folder = dir.path().join("vault/canary");
    assert_eq!((vault.canary(), vault.canary()), (None, None));
    for path in files(&folder) {
        let octets = std::fs::read(&path).unwrap();
        assert!(!octets.windows(5).any(|w| w == b"EICAR"));
        std::fs::write(&path, &octets[1..]).unwrap();
        let found = vault.canary().unwrap();
        assert!(found.starts_with(&format!("{} was changed", path.display())), "{found}");
        assert_eq!(vault.report().canary, Some(found));
        assert_eq!((vault.canary(), vault.report().canary), (None, None));
        std::fs::remove_file(&path).unwrap();
        assert!(vault.canary().unwrap().contains("was removed"));
        assert_eq!(vault.canary(), None);
    }
    assert_eq!(files(&folder).len(), 2);
}

/// Reads and writes until nobody was in between.
async fn edit(vault: &Vault, id: Id, changed: &Mutex<HashMap<Id, u64>>, how: impl Fn(&mut Item)) {
    loop {
        let mut item = vault.item(id).unwrap();
        how(&mut item);
        match vault.change(vec![Change::Write(Box::new(item))]).await.pop().unwrap() {
            Ok(()) => break,
            Err(VaultError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    *changed.lock().unwrap().entry(id).or_default() += 1;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_once() {
    let dir = temp();
    let (vault, mut writer) = open(dir.path()).unwrap();
    let changed: Arc<Mutex<HashMap<Id, u64>>> = Arc::default();
    let tasks: Vec<_> = (0..20_u64)
        .map(|task| {
            let (vault, changed) = (Arc::clone(&vault), Arc::clone(&changed));
            tokio::spawn(async move {
                for n in task * 30..task * 30 + 30 {
                    let budget = Budget::new(1 << 20, 0, std::env::temp_dir());
                    let mut body = BodyWriter::new(budget);
                    body.push(&message(n)).unwrap();
                    let body = body.finish().await.unwrap();
                    vault.put(item(n, "spam"), &body).await.unwrap().commit().await.unwrap();
                    edit(&vault, id(n), &changed, |item| item.folder = "policy".into()).await;
                    // Two tasks change the same one.
                    let shared = id(task / 2 * 60);
                    let shared = if vault.item(shared).is_ok() { shared } else { id(n) };
                    edit(&vault, shared, &changed, |item| item.happened(n as i64, "t", "x")).await;
                    if n % 3 == 1 {
                        let version = vault.item(id(n)).unwrap().version;
                        let gone = vault.change(vec![Change::Remove { id: id(n), version }]).await;
                        assert!(gone[0].is_ok());
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    tokio::task::spawn_blocking(move || {
        let there = agrees(&vault, dir.path());
        assert_eq!(there.len(), 400);
        let changed = changed.lock().unwrap();
        assert!(
            there.iter().all(|(id, version)| *version == 1 + changed[id]),
            "a change was lost or doubled"
        );
        writer.close();
        drop((vault, writer));
        let (vault, _writer) = open(dir.path()).unwrap();
        assert_eq!(agrees(&vault, dir.path()), there);
    })
    .await
    .unwrap();
}
