//! The index against a slow reference, and its life on disk.

use super::plan::Bounds;
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
fn only_its_owner_reads_it() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let (dir, index) = with(&[item(1)]);
    let modes = || {
        let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
        files.map(|file| (file.file_name(), file.metadata().unwrap().mode() & 0o777)).collect::<Vec<_>>()
    };
    assert!(modes().len() >= 2 && modes().iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes());
    // One of an older version is closed to others when it is opened.
    drop(index);
    let path = dir.path().join("vault.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_index, _) = Index::open(&path).unwrap();
    assert!(modes().iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes());
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
        (0, 1, Some(NOW + 5), "waiting")
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

/// While the index is filled from the files, and where that ends badly.
#[test]
fn what_waits_is_due_before_all_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let (index, _) = Index::open(&dir.path().join("vault.db")).unwrap();
    let index = index.bounded(Bounds { noted: 10, due: 5, ..Bounds::default() });
    let waits = |n: u64| match n % 5 {
        0 => Item { spool: Some(spool(Progress::Waiting, Priority::Normal, NOW - 1)), ..item(n) },
        1 => Item { hold: Some(hold(NOW - 1)), ..item(n) },
        _ => item(n),
    };
    let all: Vec<Item> = (0..20).map(waits).collect();
    index.enter(&put(&all[..10]), 1).unwrap();
    let due = |held| index.due(held, NOW, 20).unwrap().0.len();
    assert_eq!((due(false), due(true)), (2, 2));
    assert_eq!(index.count(&Query::default(), Scope::Everything).unwrap().0, 4);
    // Not too many: these are dear.
    index.enter(&put(&all[10..]), 2).unwrap();
    assert_eq!(due(false) + due(true), 5);
    index.settle().unwrap();
    assert_eq!((due(false), due(true)), (4, 4));
    assert_eq!(index.count(&Query::default(), Scope::Everything).unwrap().0, 20);
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

/// Small numbers make items that have much in common.
fn any_item(n: u64) -> impl Strategy<Value = Item> {
    let who = (0..6_u64, 0..5_u64, prop::collection::vec(0..6_u64, 0..3), 0..4_u8, 0..5_u8);
    let what = (0..4_i64, 0..4_i64, 0..4_i64, 0..5_u8, 0..9_u8, 0..3_u64);
    (who, what, 0..48_i64, -3..3_i32, 0..4_u64).prop_map(move |(who, what, hours, score, size)| {
        let mut item = item(n);
        let (from, header, rcpts, client, misc) = who;
        let (l0, l1, l2, folder, state, subject) = what;
        item.envelope.from = address(from);
        item.header.from = (header > 0).then(|| (0..header).map(address).collect::<Vec<_>>().join(", "));
        item.header.from = item.header.from.filter(|text| !text.is_empty() && !text.starts_with(','));
        item.recipients = rcpts.into_iter().map(|n| rcpt(&address(n + 1))).collect();
        item.client.ip = [None, Some("192.0.2.1"), Some("192.0.2.200"), Some("2001:db8::1")]
            [usize::from(client)]
        .map(|ip: &str| ip.parse().unwrap());
        item.client.helo = (misc > 1)
            .then(|| ["mx.Example.com", "localhost", "a.mx.example.com"][usize::from(misc) - 2].into());
        item.client.user = (misc == 1).then(|| "Bob@example.com".into());
        item.client.direction =
            [None, Some(Direction::Inbound), Some(Direction::Outbound)][usize::from(misc % 3)];
        item.tags =
            ["bulk", "list", "news"].into_iter().take(usize::from(misc % 4)).map(Into::into).collect();
        item.likeness = [l0, l1, l2];
        item.folder = ["virus", "spam", "spool", "dead", "held"][usize::from(folder)].into();
        item.rule = ["clamav", "dns-list"][usize::from(folder % 2)].into();
        item.header.subject = [None, Some("Your invoice, Müller"), Some("Re: invoice 2026 muller")]
            [subject as usize]
            .map(Into::into);
        item.received_ms = NOW - hours * HOUR + 7 * n as i64;
        item.order = item.received_ms * 1024 + n as i64;
        item.score_milli = score * 500;
        item.size = size << 10;
        match state {
            0 => item.trash = Some(trash(NOW)),
            1 => item.hold = Some(hold(NOW)),
            2 => item.spool = Some(spool(Progress::Waiting, Priority::Low, NOW + i64::from(misc))),
            3 => item.spool = Some(spool(Progress::Failed, Priority::Normal, NOW)),
            4 => item.spool = Some(spool(Progress::Delivered, Priority::High, NOW)),
            5 => item.copy = true,
            _ => {}
        }
        item
    })
}

fn address(n: u64) -> String {
    let all = [
        "",
        "Bob@Example.com",
        "ann@example.com",
        "ann@mx.example.com",
        "x[1]@other.example",
        "postmaster",
        "bob@a.mx.example.com",
    ];
    all[n as usize].into()
}

fn any_text() -> impl Strategy<Value = Text> {
    let words = [
        "bob@example.com",
        "ann@mx.example.com",
        "postmaster",
        "nobody@example.com",
        "bob",
        "localhost",
        "clamav",
        "1@example.com",
    ];
    let globs = [
        "*",
        "b*",
        "*@example.com",
        "*example.com",
        "ann@*",
        "*.example.com",
        "x[1]*",
        "*n*@*x*",
        "dns*",
        "*av",
        "*@*.example.com",
    ];
    let domains = ["example.com", "mx.example.com", "example", "com", "other.example", "postmaster"];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(|w| Text::Exact(w.into())),
        prop::sample::select(globs.to_vec()).prop_map(|w| Text::Glob(w.into())),
        prop::sample::select(domains.to_vec()).prop_map(|w| Text::Domain(w.into())),
        prop::sample::select(domains.to_vec()).prop_map(|w| Text::Below(w.into())),
        Just(Text::Empty),
    ]
}

fn any_comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{AtLeast, AtMost, Equal, Less, More};
    prop::sample::select(&[Less, AtMost, Equal, AtLeast, More][..])
}

fn any_what() -> impl Strategy<Value = What> {
    let prefix = |n: u64, chars: usize| id(n).to_string().chars().take(chars).collect::<String>();
    let words = [
        "invoice",
        "your inv*",
        "muller",
        "Müller",
        "2026",
        "example com",
        "bob",
        "ann@mx.example.com",
        "nothing",
        "re",
        "in*",
    ];
    let nets = ["192.0.2.0/24", "192.0.2.1/32", "192.0.2.128/25", "2001:db8::/32", "0.0.0.0/0", "::/0"];
    let digest = |n: u64, chars: usize| item(n).digest.chars().take(chars).collect::<String>();
    prop_oneof![
        (0..40_u64, 4..9_usize).prop_map(move |(n, chars)| What::Id(prefix(n, chars))),
        (0..20_u64, 4..9_usize).prop_map(move |(n, chars)| What::Reference(prefix(1_000_000 + n, chars))),
        prop::sample::select(&["virus", "spam", "spool", "dead", "none"][..])
            .prop_map(|f| What::Folder(f.into())),
        prop::sample::select(&State::ALL[..]).prop_map(What::State),
        any_text().prop_map(What::From),
        any_text().prop_map(What::HeaderFrom),
        any_text().prop_map(What::Rcpt),
        any_text().prop_map(What::Helo),
        any_text().prop_map(What::User),
        any_text().prop_map(What::Rule),
        any_text().prop_map(What::MessageId),
        prop::sample::select(words.to_vec()).prop_map(|w| What::Subject(w.into())),
        prop::sample::select(words.to_vec()).prop_map(|w| What::Words(w.into())),
        prop::sample::select(nets.to_vec()).prop_map(|n| What::Client(n.parse().unwrap())),
        Just(What::Listener("in".into())),
        prop::sample::select(&[Direction::Inbound, Direction::Outbound][..]).prop_map(What::Direction),
        (0..40_u64, 4..65_usize).prop_map(move |(n, chars)| What::Digest(digest(n, chars))),
        prop::sample::select(&["bulk", "news", "none"][..]).prop_map(|t| What::Tag(t.into())),
        (0..42_u64).prop_map(|n| What::Like(id(n))),
        (any_comparison(), 0..4_u64).prop_map(|(how, size)| What::Size(how, size << 10)),
        (any_comparison(), 0..50_i64).prop_map(|(how, hours)| What::Age(how, hours * HOUR - 70)),
        (0..50_i64, 0..50_i64)
            .prop_map(|(a, b)| What::Received { from_ms: NOW - a * HOUR, until_ms: NOW - b * HOUR }),
        (any_comparison(), -3..3_i64).prop_map(|(how, score)| What::Score(how, score * 500)),
    ]
}

fn any_query() -> impl Strategy<Value = Query> {
    let term = (any::<bool>(), any::<bool>(), any_what()).prop_map(|(a, b, what)| Term { not: a && b, what });
    prop::collection::vec(term, 0..4).prop_map(|terms| Query { terms })
}

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    (20..40_u64).prop_flat_map(|n| (0..n).map(any_item).collect::<Vec<_>>())
}

/// The sort key that the reference uses.
fn sort_key(item: &Item, sort: Sort) -> (i64, String) {
    match sort {
        Sort::Received => (0, String::new()),
        Sort::Size => (item.size as i64, String::new()),
        Sort::From => (0, item.envelope.from.to_lowercase()),
        Sort::Subject => {
            (0, item.header.subject.clone().unwrap_or_default().to_lowercase().chars().take(32).collect())
        }
        Sort::Next => {
            let spool = item.spool.as_ref().filter(|_| item.waiting() > 0).map(|s| s.next_ms);
            let hold = item.hold.as_ref().map(|h| h.next_ms);
            (spool.or(hold).filter(|_| item.trash.is_none()).unwrap_or(i64::MAX), String::new())
        }
    }
}

fn check(index: &Index, items: &[Item], query: &Query, scope: Scope, sort: Sort, ascending: bool) {
    let mut wanted = reference::matching(query, scope, items, NOW);
    let octets: u64 = wanted.iter().map(|item| item.size).sum();
    let counted =
        index.count_at(query, scope, NOW).unwrap_or_else(|error| panic!("{query} {scope:?}: {error}"));
    assert_eq!(counted, (wanted.len() as u64, octets), "count {query} {scope:?}");
    wanted.sort_by_key(|item| item.order);
    let by_time: Vec<(Id, i64)> = wanted.iter().map(|item| (item.id, item.order)).collect();
    if !query.terms.iter().any(|term| matches!(term.what, What::Age(..))) {
        assert_eq!(index.ids(query, scope, i64::MIN, 1000).unwrap(), by_time, "ids {query}");
        let half = by_time.len() / 2;
        let after = half.checked_sub(1).map_or(i64::MIN, |at| by_time[at].1);
        assert_eq!(
            index.ids(query, scope, after, 3).unwrap(),
            by_time[half..][..3.min(by_time.len() - half)]
        );
    }
    wanted.sort_by_key(|item| (sort_key(item, sort), item.order));
    if !ascending {
        wanted.reverse();
    }
    let mut request = PageRequest { query: query.clone(), scope, sort, ascending, after: None, rows: 7 };
    let mut pages = Vec::new();
    loop {
        let page = index.page_at(&request, NOW).unwrap();
        pages.extend(ids(&page));
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
        assert_eq!(page.rows.len(), 7);
    }
    assert_eq!(
        pages,
        wanted.iter().map(|item| item.id).collect::<Vec<_>>(),
        "page {query} {sort:?} {ascending}"
    );
}

const SCOPES: [Scope; 4] = [Scope::Quarantine, Scope::Spool, Scope::Held, Scope::Everything];
const SORTS: [Sort; 5] = [Sort::Received, Sort::Size, Sort::From, Sort::Subject, Sort::Next];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_that_of_the_reference(
        items in any_items(),
        queries in prop::collection::vec((any_query(), 0..4_usize, 0..5_usize, any::<bool>()), 40),
        changes in prop::collection::vec((0..20_usize, any::<bool>(), any_item(0)), 0..12),
        filling in any::<bool>(),
        bounds in (0..40_i64, 0..20_i64, 0..60_usize),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(&dir.path().join("vault.db")).unwrap();
        let (dense, asked_singly, noted) = bounds;
        let noted = if filling { 1000 } else { noted };
        let index = index.bounded(Bounds { dense, asked_singly, noted, due: 3 });
        index.enter(&put(&items), 1).unwrap();
        if !filling {
            index.settle().unwrap();
        }
        let mut items = items;
        for (at, remove, mut to) in changes {
            if remove {
                let gone = items.remove(at % items.len());
                index.enter(&[Entry::Removed(gone.id)], 2).unwrap();
                continue;
            }
            let at = at % items.len();
            let old = &items[at];
            (to.id, to.version, to.order) = (old.id, old.version + 1, old.order);
            index.enter(&put(&[to.clone()]), 2).unwrap();
            items[at] = to;
        }
        for (query, scope, sort, ascending) in queries {
            check(&index, &items, &query, SCOPES[scope], SORTS[sort], ascending);
        }
        figures_agree(&index, &items);
    }
}

fn figures_agree(index: &Index, items: &[Item]) {
    let bodies: HashSet<&str> = items.iter().map(|item| item.digest.as_str()).collect();
    let stats = index.stats().unwrap();
    assert_eq!(stats.bodies, bodies.len() as u64);
    assert_eq!(stats.days.iter().map(|day| day.1).sum::<u64>(), items.len() as u64);
    assert_eq!(stats.rules.iter().map(|rule| rule.1).sum::<u64>(), items.len() as u64);
    for folder in &stats.folders {
        let of: Vec<&Item> = items.iter().filter(|item| item.folder == folder.folder).collect();
        let octets = |of: &[&Item]| of.iter().map(|item| item.size).sum::<u64>();
        let trash = of.iter().filter(|item| item.trash.is_some()).count();
        assert_eq!((folder.items, folder.octets, folder.trash), (of.len() as u64, octets(&of), trash as u64));
        assert_eq!(folder.oldest_ms, of.iter().map(|item| item.received_ms).min());
    }
    assert_eq!(stats.folders.iter().map(|folder| folder.items).sum::<u64>(), items.len() as u64);
}

#[test]
fn while_it_is_filled_it_knows_little_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.db");
    let (index, found_as) = Index::open(&path).unwrap();
    assert_eq!(found_as, Found::Empty);
    let items: Vec<Item> = (0..600).rev().map(item).collect();
    index.enter(&put(&items[..300]), 0).unwrap();
    index.enter(&put(&items[300..]), 0).unwrap();
    // What comes from the running gateway is there at once, whatever was noted.
    let mut live = item(5);
    live.version = 7;
    live.folder = "own".into();
    index.enter(&put(&[live, item(700)]), 3).unwrap();
    index.enter(&[Entry::Removed(id(6)), Entry::Removed(id(700))], 4).unwrap();
    assert_eq!(found(&index, "", Scope::Everything), [id(5)]);
    assert!(index.uses_body("whatever it is").unwrap());
    // Who goes away now has nothing.
    drop(index);
    let (index, found_as) = Index::open(&path).unwrap();
    assert_eq!(found_as, Found::Empty);
    assert_eq!(index.count(&Query::default(), Scope::Everything).unwrap(), (0, 0));
    index.enter(&put(&items), 4).unwrap();
    index.enter(&[Entry::Removed(id(6))], 5).unwrap();
    index.settle().unwrap();
    assert!(!index.uses_body("whatever it is").unwrap());
    assert_eq!(index.count(&query("invoice"), Scope::Everything).unwrap().0, 599);
    assert_eq!(found(&index, "folder:virus", Scope::Everything)[..2], [id(599), id(598)]);
    drop(index);
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["vault.db"]);
    let (index, found_as) = Index::open(&path).unwrap();
    assert_eq!(found_as, Found::Whole(5));
    // Emptied by hand, and filled again.
    index.clear().unwrap();
    assert_eq!(index.count(&Query::default(), Scope::Everything).unwrap(), (0, 0));
    index.enter(&put(&items), 5).unwrap();
    index.settle().unwrap();
    assert_eq!(index.count(&Query::default(), Scope::Everything).unwrap().0, 600);
}

#[test]
fn a_page_goes_on_where_the_last_one_ended_whatever_comes_meanwhile() {
    for sort in SORTS {
        for ascending in [false, true] {
            let (_dir, index) = with(&(0..60).map(|n| item(n * 2)).collect::<Vec<_>>());
            let mut request =
                PageRequest { sort, ascending, rows: 7, scope: Scope::Everything, ..PageRequest::default() };
            let (mut seen, mut next) = (Vec::new(), 121);
            loop {
                let page = index.page(&request).unwrap();
                seen.extend(ids(&page));
                request.after = page.next;
                if request.after.is_none() {
                    break;
                }
                // Newer ones come, and one goes that was shown.
                index.enter(&put(&[item(next), item(next + 2)]), 2).unwrap();
                index.enter(&[Entry::Removed(seen[0])], 2).unwrap();
                next += 4;
                assert!(next < 400, "{sort:?}");
                if ascending && next > 160 {
                    // Else it never ends: they come behind.
                    next = 161;
                }
            }
            let distinct: HashSet<Id> = seen.iter().copied().collect();
            assert_eq!(distinct.len(), seen.len(), "{sort:?} {ascending}");
            assert!((0..60).all(|n| distinct.contains(&id(n * 2))), "{sort:?} {ascending}");
        }
    }
}

fn damaged(harm: impl Fn(&std::path::Path)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.db");
    let (index, _) = Index::open(&path).unwrap();
    index.settle().unwrap();
    index.enter(&put(&(0..500).map(item).collect::<Vec<_>>()), 9).unwrap();
    drop(index);
    harm(&path);
    let before = std::fs::read(&path).unwrap();
    let (index, found_as) = Index::open(&path).unwrap();
    assert_eq!(found_as, Found::Empty);
    assert_eq!(std::fs::read(dir.path().join("vault.db.damaged")).unwrap(), before);
    index.enter(&put(&[item(1)]), 1).unwrap();
    index.settle().unwrap();
    assert_eq!(found(&index, "", Scope::Everything), [id(1)]);
}

#[test]
fn a_damaged_file_is_set_aside() {
    let cut = |octets: u64| {
        move |path: &std::path::Path| {
            std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(octets).unwrap();
        }
    };
    damaged(cut(100_000));
    damaged(cut(4096 * 7));
    damaged(cut(10));
    damaged(|path| std::fs::write(path, "no database at all").unwrap());
    damaged(|path| std::fs::write(path, vec![0x5a; 100_000]).unwrap());
}

#[test]
fn a_file_that_was_not_closed_is_looked_through() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.db");
    let (index, _) = Index::open(&path).unwrap();
    index.settle().unwrap();
    index.enter(&put(&(0..500).map(item).collect::<Vec<_>>()), 9).unwrap();
    // The process dies here: its files are as they are now.
    let copy = dir.path().join("copy.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.display())).unwrap();
    }
    let (copied, found_as) = Index::open(&copy).unwrap();
    assert_eq!(found_as, Found::Whole(9));
    assert_eq!(copied.count(&query("invoice"), Scope::Everything).unwrap().0, 500);
    drop(copied);
    // And with a page in the middle overwritten.
    index.settle().unwrap();
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.display())).unwrap();
    }
    let mut octets = std::fs::read(&copy).unwrap();
    for page in 3..octets.len() / 4096 {
        octets[page * 4096..page * 4096 + 200].fill(0xff);
    }
    std::fs::write(&copy, octets).unwrap();
    std::fs::write(dir.path().join("copy.db-wal"), [1_u8; 40]).unwrap();
    assert_eq!(Index::open(&copy).unwrap().1, Found::Empty);
}

#[test]
fn who_is_killed_between_two_transactions_finds_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("vault.db"), dir.path().join("copy.db"));
    let (index, _) = Index::open(&path).unwrap();
    index.settle().unwrap();
    let mut items: Vec<Item> = Vec::new();
    for step in 1..12_u64 {
        items.push(item(step));
        let at = step as usize / 2 % items.len();
        let mut changed = items[at].clone();
        changed.version = step + 1;
        changed.folder = format!("folder{step}");
        items[at] = changed.clone();
        let gone = (step > 4).then(|| items.remove(0));
        let mut batch = put(&[item(step), changed]);
        batch.extend(gone.map(|item| Entry::Removed(item.id)));
        index.enter(&batch, step).unwrap();
        for suffix in ["", "-wal"] {
            std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.display()))
                .unwrap();
        }
        let (copied, found_as) = Index::open(&copy).unwrap();
        assert_eq!(found_as, Found::Whole(step));
        check(&copied, &items, &query("invoice -folder:none"), Scope::Everything, Sort::From, true);
        figures_agree(&copied, &items);
        // What was done is done again: nothing changes.
        copied.enter(&batch, step).unwrap();
        check(&copied, &items, &query("rcpt:bob@example.net"), Scope::Everything, Sort::Size, false);
    }
}

#[test]
fn an_index_of_another_version_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.db");
    for statement in ["PRAGMA user_version = 9999", "PRAGMA application_id = 7"] {
        let (index, _) = Index::open(&path).unwrap();
        index.settle().unwrap();
        drop(index);
        assert_eq!(Index::open(&path).unwrap().1, Found::Whole(0));
        rusqlite::Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        assert_eq!(Index::open(&path).unwrap().1, Found::Empty);
    }
    assert!(!dir.path().join("vault.db.damaged").exists());
}

#[test]
fn many_read_while_one_writes() {
    let (_dir, index) = with(&(0..200).map(item).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let (count, _) = index.count(&query("invoice"), Scope::Everything).unwrap();
                    assert!(count % 10 == 0, "half of a batch: {count}");
                    let page = index.page(&request("invoice", Scope::Everything, 20)).unwrap();
                    assert_eq!(page.rows.len(), 20);
                }
            });
        }
        scope.spawn(|| {
            for at in 0..60 {
                let batch: Vec<Item> = (0..10).map(|n| item(1000 + at * 10 + n)).collect();
                index.enter(&put(&batch), at).unwrap();
                index.settle().unwrap();
            }
        });
    });
    index.clear().unwrap();
    assert_eq!(index.count(&query("invoice"), Scope::Everything).unwrap().0, 0);
}

#[test]
fn groups_are_of_what_shares_two_numbers() {
    let with_numbers = |n, likeness, size| {
        let mut one = item(n);
        (one.likeness, one.size) = (likeness, size);
        one.client.ip = Some(std::net::Ipv4Addr::from_bits(0xc000_0200 + n as u32 % 2).into());
        one
    };
    let (_dir, index) = with(&[
        with_numbers(1, [1, 2, 3], 10),
        with_numbers(2, [1, 2, 9], 20),
        // Not like the first, but like the second.
        with_numbers(3, [7, 2, 9], 30),
        with_numbers(4, [4, 5, 6], 1),
        with_numbers(5, [4, 5, 0], 2),
        with_numbers(6, [4, 8, 8], 4),
        with_numbers(7, [0, 0, 0], 5),
        with_numbers(8, [0, 0, 0], 5),
    ]);
    let (groups, of) = index.groups(&Query::default(), Scope::Quarantine, 10).unwrap();
    let told: Vec<_> =
        groups.iter().map(|g| (g.count, g.octets, g.senders, g.clients, g.sample.id)).collect();
    assert_eq!((told, of), (vec![(3, 60, 3, 2, id(3)), (2, 3, 2, 2, id(5))], 8));
    assert_eq!((groups[0].first_ms, groups[0].last_ms), (item(1).received_ms, item(3).received_ms));
    assert_eq!(index.groups(&Query::default(), Scope::Quarantine, 1).unwrap().0.len(), 1);
    // `like:` the sample is the whole group.
    for (sample, want) in
        [(id(3), vec![id(3), id(2), id(1)]), (id(5), vec![id(5), id(4)]), (id(7), vec![id(7)])]
    {
        assert_eq!(found(&index, &format!("like:{sample}"), Scope::Quarantine), want);
    }
    assert_eq!(found(&index, &format!("like:{}", id(99)), Scope::Quarantine), []);
}

#[test]
fn who_gets_a_summary() {
    let to = |n, rcpts: &[&str]| {
        let mut one = item(n);
        one.recipients = rcpts.iter().map(|address| rcpt(address)).collect();
        one
    };
    let (_dir, index) = with(&[
        to(1, &["Bob@example.net", "ann@example.net"]),
        to(2, &["bob@example.net", "BOB@example.net"]),
        to(3, &["zoe@example.net"]),
    ]);
    let of = |text: &str, after: &str, most| index.recipients(&query(text), after, most).unwrap();
    let pairs = |all: &[(&str, u64)]| all.iter().map(|(a, n)| ((*a).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(
        of("", "", 10),
        pairs(&[("ann@example.net", 1), ("bob@example.net", 2), ("zoe@example.net", 1)])
    );
    assert_eq!(of("", "ann@example.net", 1), pairs(&[("bob@example.net", 2)]));
    assert_eq!(of("id:7F3K", "", 10), []);
    assert_eq!(of("subject:\"number 3\"", "", 10), pairs(&[("zoe@example.net", 1)]));
}

#[test]
fn figures() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let at = |n: u64, age: i64| {
        let mut one = item(n);
        one.received_ms = now - age;
        one.order = one.received_ms * 1024 + n as i64;
        one.size = 100;
        one
    };
    let mut old = at(4, 25 * HOUR);
    old.trash = Some(trash(now));
    old.rule = "a20".into();
    let (_dir, index) = with(&[at(1, 1000), at(2, 23 * HOUR), at(3, DAY - 60_000), old, at(5, DAY + 60_000)]);
    let stats = index.stats().unwrap();
    let folder = &stats.folders[0];
    assert_eq!((folder.items, folder.octets, folder.trash), (5, 500, 1));
    assert_eq!((folder.day_items, folder.day_octets), (3, 300));
    assert_eq!(folder.oldest_ms, Some(now - 25 * HOUR));
    assert_eq!(stats.rules, [("clamav".to_owned(), 4), ("a20".to_owned(), 1)]);
    assert_eq!((stats.days.iter().map(|day| day.2).sum::<u64>(), stats.bodies), (500, 5));
    assert!(stats.disk_octets > 4096);
    assert_eq!(index.folders().unwrap(), stats.folders);
    assert_eq!(index.totals().unwrap()["virus"], (4, 400));
    // Three a day: two more fit into five, in two thirds of a day; 1,000 octets more into 1,500 at 300 a day.
    assert_eq!(folder.clone().capped(Some(7), Some(1500)).seconds_to_full, Some(57_600));
    assert_eq!(folder.clone().capped(None, Some(1500)).seconds_to_full, Some(288_000));
    assert_eq!(folder.clone().capped(Some(5), None).seconds_to_full, Some(0));
    assert_eq!(folder.clone().capped(None, None).seconds_to_full, None);
}
