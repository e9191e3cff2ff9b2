//! Figures, for a release build: `cargo test --release --lib vault::tests::measure -- --ignored --nocapture`.

use super::*;
use crate::body::{BodyWriter, Budget};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Where the disk is that is measured.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::var("VAULT_MEASURE_DIR").unwrap_or_else(|_| "target".into()))
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Items a second of 20 sessions with 4 KB each.
fn rate(faults: Faults, batch_max: usize) -> f64 {
    let dir = folder();
    let (vault, mut writer) =
        Vault::open_on(dir.path(), faulty(faults), Limits { batch_max, ..Limits::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let (begun, length) = (Instant::now(), Duration::from_secs(6));
    let budget = Budget::new(1 << 26, 0, std::env::temp_dir());
    runtime.block_on(async {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (vault, next, budget) = (Arc::clone(&vault), Arc::clone(&next), Arc::clone(&budget));
                tokio::spawn(async move {
                    while begun.elapsed() < length {
                        let n = next.fetch_add(1, SeqCst);
                        let words = (0..)
                            .map(|w| format!("w{} ", (n ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 5000));
                        let mut text = format!("Subject: {n}\r\n\r\n");
                        words.take(620).for_each(|word| text.push_str(&word));
                        let mut body = BodyWriter::new(Arc::clone(&budget));
                        body.push(&text.as_bytes()[..4096.min(text.len())]).unwrap();
                        let body = body.finish().await.unwrap();
                        vault.put(item(n, "spam"), &body).await.unwrap().commit().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let (items, seconds) = (next.load(SeqCst) as f64, begun.elapsed().as_secs_f64());
    let caught = Instant::now();
    assert!(vault.catch_up());
    println!(
        "  {items} items in {seconds:.2} s, files and index {:.2} s behind",
        caught.elapsed().as_secs_f64()
    );
    writer.close();
    items / seconds
}

#[test]
#[ignore = "a measurement"]
fn durability_costs_less_than_half() {
    let (mut ons, mut offs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        offs.push(rate(Faults { lazy: true, ..Faults::default() }, 512));
        ons.push(rate(Faults::default(), 512));
    }
    ons.sort_by(f64::total_cmp);
    offs.sort_by(f64::total_cmp);
    println!("durable {:.0}/s, not {:.0}/s: {:.2}", ons[1], offs[1], ons[1] / offs[1]);
    assert!(ons[1] >= 0.5 * offs[1]);
}

#[test]
#[ignore = "a measurement"]
fn a_batch_is_worth_eight_single_flushes() {
    let slow = || Faults { pause: Duration::from_millis(5), ..Faults::default() };
    let (batch, single) = (rate(slow(), 512), rate(slow(), 1));
    println!("5 ms a flush: batch {batch:.0}/s, one by one {single:.0}/s: {:.1}", batch / single);
    assert!(batch >= 8.0 * single);
}

#[test]
#[ignore = "a measurement"]
fn rebuilding_is_fast() {
    let dir = folder();
    let (vault, mut writer) = open_on(dir.path(), Faults { lazy: true, ..Faults::default() }).unwrap();
    let items: u64 = std::env::var("VAULT_MEASURE_ITEMS").ok().and_then(|n| n.parse().ok()).unwrap_or(50_000);
    std::thread::scope(|scope| {
        for part in 0..8 {
            let vault = &vault;
            scope.spawn(move || {
                (part * items / 8..(part + 1) * items / 8).for_each(|n| drop(put(vault, n, "spam")))
            });
        }
    });
    assert!(vault.catch_up());
    let begun = Instant::now();
    let entered = vault.rebuild(&|_| ()).unwrap();
    let rate = entered as f64 / begun.elapsed().as_secs_f64();
    println!("rebuild: {entered} items, {rate:.0}/s");
    writer.close();
    assert!(rate > 5_000.0);
}
