//! The index against a slow reference, and its life on disk.

use super::reference;
use super::samples::*;
use super::service::{Entry, Found, Index};
use super::state::state_of;
use crate::mail::Id;
use crate::query::{Comparison, Query, State, Term, Text, What, parse};
use crate::vault::item::{Item, Priority, Progress};
use crate::vault::view::{Page, PageRequest, Scope, Sort};
use crate::verdict::Direction;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::HashSet;

fn put(items: &[Item]) -> Vec<Entry> {
    items.iter().map(|item| Entry::Put(Box::new(item.clone()))).collect()
}

fn index() -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let (index, found) = Index::open(&dir.path().join("vault.db")).unwrap();
    assert_eq!(found, Found::Empty);
    index.settle().unwrap();
    (dir, index)
}

fn with(items: &[Item]) -> (tempfile::TempDir, Index) {
    let (dir, index) = index();
    index.enter(&put(items), 1).unwrap();
    (dir, index)
}

fn query(text: &str) -> Query {
    parse(text, NOW, &TimeZone::UTC).unwrap_or_else(|e| panic!("{e}"))
}

fn request(text: &str, scope: Scope, rows: usize) -> PageRequest {
    PageRequest { query: query(text), scope, rows, ..PageRequest::default() }
}

fn ids(page: &Page) -> Vec<Id> {
    page.rows.iter().map(|row| row.id).collect()
}

/// Everything that matches, in order of time, the newest first.
fn found(index: &Index, text: &str, scope: Scope) -> Vec<Id> {
    ids(&index.page_at(&request(text, scope, 1000), NOW).unwrap())
}

#[test]
fn a_row_says_what_the_item_says() {
    let mut one = item(1);
    one.envelope.from = "Some.Body@Example.COM".into();
    one.recipients = (0..10).map(|n| rcpt(&format!("User{n}@Example.net"))).collect();
    let mut odd = item(2);
    odd.client.session = "no reference".into();
    odd.header = Default::default();
    odd.spool = Some(spool(Progress::Waiting, Priority::High, NOW + 5));
    let (_dir, index) = with(&[one.clone(), odd]);
    let rows = index.rows(&[one.id, id(99), id(2)]).unwrap();
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    assert_eq!((row.id, row.folder.as_str(), row.state), (one.id, "virus", State::Kept));
    assert_eq!((row.from.as_str(), row.to.len(), row.recipients), ("Some.Body@Example.COM", 8, 10));
    assert_eq!(row.to[0], "User0@Example.net");
    assert_eq!(
        (row.subject.as_str(), row.size, row.received_ms),
        ("Invoice number 1", 1001, one.received_ms)
    );
    assert_eq!((row.reason.as_str(), row.rule.as_str()), ("Eicar-Test", "clamav"));
    assert_eq!((row.reference.clone(), row.spool.clone()), (one.client.session, None));
    let odd = &rows[1];
    assert_eq!(
        (odd.reference.as_str(), odd.subject.as_str(), odd.state),
        ("no reference", "", State::Spooled)
    );
    let spool = odd.spool.as_ref().unwrap();
    assert_eq!(
        (spool.delivered, spool.total, spool.next_ms, spool.status.as_str()),
        (0, 1, NOW + 5, "waiting")
    );
    assert_eq!(spool.priority, Priority::High);
}

#[test]
fn the_state_is_the_first_that_holds() {
    let mut one = item(1);
    assert_eq!(state_of(&one), State::Kept);
    one.copy = true;
    assert_eq!(state_of(&one), State::Copy);
    one.spool = Some(spool(Progress::Delivered, Priority::Normal, NOW));
    assert_eq!(state_of(&one), State::Released);
    one.spool.as_mut().unwrap().deliveries.push(delivery("a@b", Progress::Failed));
    assert_eq!(state_of(&one), State::Failed);
    one.spool.as_mut().unwrap().deliveries.push(delivery("a@c", Progress::Waiting));
    assert_eq!(state_of(&one), State::Spooled);
    one.hold = Some(hold(NOW));
    assert_eq!(state_of(&one), State::Held);
    one.trash = Some(trash(NOW));
    assert_eq!(state_of(&one), State::Trash);
}

#[test]
fn an_older_version_changes_nothing_and_a_newer_one_everything() {
    let (_dir, index) = with(&[item(1), item(2)]);
    let mut newer = item(1);
    newer.version = 3;
    newer.folder = "spam".into();
    newer.header.subject = Some("Another subject".into());
    newer.recipients = vec![rcpt("ann@example.org")];
    index.enter(&put(&[newer.clone()]), 2).unwrap();
    let mut older = item(1);
    older.version = 2;
    older.folder = "policy".into();
    index.enter(&put(&[older]), 3).unwrap();
    index.enter(&put(&[item(1)]), 4).unwrap();
    assert_eq!(found(&index, "folder:spam", Scope::Quarantine), [newer.id]);
    assert_eq!(found(&index, "another", Scope::Quarantine), [newer.id]);
    assert_eq!(found(&index, "rcpt:ann@example.org", Scope::Quarantine), [newer.id]);
    assert_eq!(found(&index, "rcpt:bob@example.net", Scope::Quarantine), [id(2)]);
    assert_eq!(found(&index, "invoice", Scope::Quarantine), [id(2)]);
    assert_eq!(index.count(&query("folder:virus"), Scope::Quarantine).unwrap(), (1, 1002));
    let totals = index.totals().unwrap();
    assert_eq!((totals.get("spam"), totals.get("policy")), (Some(&(1, 1001)), None));
}

#[test]
fn what_is_removed_is_found_nowhere() {
    let mut both = item(1);
    both.digest = item(2).digest;
    let (_dir, index) = with(&[both.clone(), item(2), item(3)]);
    assert!(index.uses_body(&both.digest).unwrap());
    index.enter(&[Entry::Removed(id(1)), Entry::Removed(id(3)), Entry::Removed(id(77))], 2).unwrap();
    assert!(index.uses_body(&both.digest).unwrap());
    assert_eq!(found(&index, "", Scope::Everything), [id(2)]);
    assert_eq!(found(&index, "number", Scope::Everything), [id(2)]);
    assert_eq!(index.find(&id(1).to_string(), 5).unwrap(), []);
    index.enter(&[Entry::Removed(id(2))], 3).unwrap();
    assert!(!index.uses_body(&both.digest).unwrap());
    assert_eq!(index.count(&Query::default(), Scope::Everything).unwrap(), (0, 0));
    let stats = index.stats().unwrap();
    assert_eq!((stats.folders, stats.rules, stats.days, stats.bodies), (vec![], vec![], vec![], 0));
    // In one batch the last word counts.
    let mut again = item(1);
    again.version = 9;
    let batch = [put(&[item(1)]), vec![Entry::Removed(id(1))], put(&[again]), put(&[item(1)])];
    index.enter(&batch.into_iter().flatten().collect::<Vec<_>>(), 4).unwrap();
    assert_eq!(found(&index, "", Scope::Everything), [id(1)]);
}

#[test]
fn items_of_one_order_are_both_there() {
    let mut twin = item(2);
    twin.order = item(1).order;
    let (_dir, index) = with(&[item(1), twin]);
    assert_eq!(index.count(&query("invoice"), Scope::Everything).unwrap().0, 2);
}

#[test]
fn what_is_due() {
    let spooled = |n, priority, next| {
        let mut one = item(n);
        one.folder = "spool".into();
        one.spool = Some(spool(Progress::Waiting, priority, next));
        one
    };
    let mut frozen = spooled(6, Priority::High, NOW - 9);
    frozen.spool.as_mut().unwrap().frozen = true;
    let mut gone = spooled(7, Priority::High, NOW - 9);
    gone.trash = Some(trash(NOW));
    let mut held = item(8);
    held.hold = Some(hold(NOW - 1));
    let mut later = item(9);
    later.hold = Some(hold(NOW + 77));
    let mut done = spooled(10, Priority::High, NOW - 9);
    done.spool = Some(spool(Progress::Delivered, Priority::High, NOW - 9));
    let (_dir, index) = with(&[
        spooled(1, Priority::Low, NOW - 100),
        spooled(2, Priority::Normal, NOW),
        spooled(3, Priority::High, NOW - 1),
        spooled(4, Priority::Normal, NOW - 7),
        spooled(5, Priority::High, NOW + 50),
        frozen,
        gone,
        held,
        later,
        done,
    ]);
    let due = index.due(false, NOW, 10).unwrap();
    assert_eq!(due, (vec![id(3), id(4), id(2), id(1)], Some(NOW + 50)));
    assert_eq!(index.due(false, NOW, 2).unwrap().0, [id(3), id(4)]);
    assert_eq!(index.due(true, NOW, 10).unwrap(), (vec![id(8)], Some(NOW + 77)));
    assert_eq!(index.due(true, NOW + 99, 10).unwrap(), (vec![id(8), id(9)], None));
    assert_eq!(found(&index, "", Scope::Held), [id(9), id(8)]);
    assert_eq!(found(&index, "", Scope::Spool), [id(6), id(5), id(4), id(3), id(2), id(1)]);
}

#[test]
fn what_is_too_old() {
    let mut trashed = item(3);
    trashed.trash = Some(trash(NOW - 10));
    let mut spam = item(4);
    spam.folder = "spam".into();
    // It came long before it was put here.
    let mut late = item(5);
    late.received_ms -= 30 * DAY;
    let (_dir, index) = with(&[item(1), item(2), trashed, spam, late]);
    assert_eq!(index.older(Some("virus"), item(2).received_ms, 9).unwrap(), [id(1), id(5)]);
    assert_eq!(index.older(Some("virus"), NOW, 1).unwrap(), [id(1)]);
    assert_eq!(index.older(Some("nowhere"), NOW, 1).unwrap(), []);
    assert_eq!(index.older(None, NOW - 10, 9).unwrap(), []);
    assert_eq!(index.older(None, NOW, 9).unwrap(), [id(3)]);
}
