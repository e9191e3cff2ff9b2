//! The vault on real disks, with faults.

mod basics;
mod crash;
mod faults;
mod fold;
mod marks;
mod measure;
mod rebuild;

use super::disk::Disk;
use super::disk::faults::Faults;
use super::limits::Limits;
use super::{Change, Deed, Delivery, Item, Mark, Spool, Vault, VaultError, VaultWriter};
use crate::mail::{Id, Scramble};
use std::path::Path;
use std::sync::Arc;

fn id(n: u64) -> Id {
    Scramble::new(7).id(n)
}

fn item(n: u64, folder: &str) -> Item {
    let json = serde_json::json!({
        "id": id(n), "folder": folder, "received_ms": 1_000 + n, "rule": "eicar", "reason": "it is one",
        "header": { "subject": format!("Message {n}") },
    });
    serde_json::from_value(json).unwrap()
}

fn message(n: u64) -> Vec<u8> {
    let text = format!("Subject: {n}\r\n\r\n{}", format!("Line {n} of a message.\r\n").repeat(40));
    text.into_bytes()
}

fn put(vault: &Arc<Vault>, n: u64, folder: &str) -> Result<Id, VaultError> {
    vault.put_octets(item(n, folder), &message(n))?.commit_blocking()
}

fn change(vault: &Vault, change: Change) -> Result<(), VaultError> {
    vault.change_blocking(vec![change]).pop().unwrap()
}

fn remove(vault: &Vault, id: Id) -> Result<(), VaultError> {
    let version = vault.item(id)?.version;
    change(vault, Change::Remove { id, version })
}

fn mark_of(deed: Deed) -> Mark {
    Mark { at_ms: 9, by: "alice".into(), deed, copy: false }
}

fn to_trash() -> Mark {
    mark_of(Deed::Trash { batch: "delete-1".into() })
}

/// By a mark alone.
fn mark_only(vault: &Vault, id: Id, mark: &Mark) -> Result<(), VaultError> {
    let order = vault.item(id)?.order;
    change(vault, Change::Mark { id, order, mark: Arc::new(mark.clone()) })
}

/// By a mark, or by writing where it has to be.
fn mark(vault: &Vault, id: Id, mark: &Mark) -> Result<(), VaultError> {
    match mark_only(vault, id, mark) {
        Err(VaultError::Conflict(_)) => {}
        done => return done,
    }
    let mut item = vault.item(id)?;
    mark.apply(&mut item);
    change(vault, Change::Write(Box::new(item)))
}

fn release(vault: &Vault, id: Id) -> Result<(), VaultError> {
    let mut item = vault.item(id)?;
    let delivery = Delivery { rcpt: "bob@example.org".into(), ..Delivery::default() };
    item.spool = Some(Spool { deliveries: vec![delivery], next_ms: 5, ..Spool::default() });
    item.happened(7, "alice", "released");
    change(vault, Change::Write(Box::new(item)))
}

fn octets(vault: &Vault, item: &Item) -> Result<Vec<u8>, VaultError> {
    let mut all = Vec::new();
    vault.read(item, &mut |piece| {
        all.extend_from_slice(piece);
        true
    })?;
    Ok(all)
}

fn faulty(faults: Faults) -> Disk {
    Disk { faults }
}

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{what}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Bodies without items, as behind a making of the index.
fn look_for_leftovers(vault: &Vault) {
    let _making = super::anew::Making::begin(&vault.core).expect("nobody else is at it");
    vault.core.state().leftovers = Some(super::core::Leftovers::due_now());
    super::leftovers::look(&vault.core);
    assert!(vault.core.state().leftovers.is_none());
}

/// In memory, where the system has such a folder: there are thousands of starts.
fn temp() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Without flushes: a process that dies takes nothing with it that was written.
fn open(path: &Path) -> Result<(Arc<Vault>, VaultWriter), VaultError> {
    open_on(path, Faults::default())
}

fn open_on(path: &Path, faults: Faults) -> Result<(Arc<Vault>, VaultWriter), VaultError> {
    Vault::open_on(path, faulty(Faults { lazy: true, ..faults }), Limits::default())
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// Files, index, counts and bodies say the same of everything; the references and versions that there are.
fn agrees(vault: &Vault, path: &Path) -> Vec<(Id, u64)> {
    assert!(vault.catch_up());
    let all = crate::query::Query::default();
    let mut listed: Vec<Id> = Vec::new();
    let mut after = i64::MIN;
    loop {
        let some = vault.ids(&all, super::Scope::Everything, after, 100).unwrap();
        let Some(last) = some.last() else { break };
        after = last.1;
        listed.extend(some.iter().map(|(id, _)| *id));
    }
    listed.sort();
    let mut doubled = listed.clone();
    doubled.dedup();
    assert_eq!(doubled, listed, "doubled");
    let root = path.join("vault");
    let mut found: Vec<Id> =
        files(&root.join("items")).iter().map(|path| super::layout::item_id(path).unwrap()).collect();
    found.sort();
    assert_eq!(listed, found, "index and files");
    let mut bodies: Vec<String> = Vec::new();
    let mut folders: std::collections::BTreeMap<String, (u64, u64)> = Default::default();
    let mut versions = Vec::new();
    for id in found {
        let item = vault.item(id).unwrap();
        assert!(octets(vault, &item).unwrap().len() as u64 == item.size);
        let row = vault.rows(&[id]).unwrap().remove(0);
        assert_eq!((row.state, &row.folder), (super::state_of(&item), &item.folder), "{id}");
        bodies.push(item.digest.clone());
        if item.trash.is_none() {
            let folder = folders.entry(item.folder.clone()).or_default();
            *folder = (folder.0 + 1, folder.1 + item.size);
        }
        versions.push((id, item.version));
    }
    bodies.sort();
    bodies.dedup();
    let mut there: Vec<String> = files(&root.join("bodies"))
        .iter()
        .map(|path| super::layout::body_digest(path).unwrap().to_owned())
        .collect();
    there.sort();
    assert_eq!(bodies, there, "bodies");
    for (folder, counts) in folders {
        assert_eq!(vault.folder(&folder), counts, "{folder}");
    }
    assert_eq!(vault.report().items, versions.len() as u64);
    versions
}
