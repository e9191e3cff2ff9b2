//! An open-loop generator of mail, for figures: so many messages a second whatever the server does, each on a connection
//! of its own, its time measured from the moment when it was due. A server that stands still for a second is so charged
//! with every message of that second, not only with those that wait (coordinated omission).
//!
//!     rustc -O -o /tmp/openload integration/bench/openload.rs
//!     /tmp/openload 127.0.0.1:2525 RATE SECONDS [OCTETS] [THREADS] [FROM] [RCPT]
//!
//! Loopback only. Prints one JSON object; with a mark on standard input (a line), what comes before and after it is told
//! apart, so that a reload or a bulk job in the middle has figures of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    failed: u64,
    first: String,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let word = |at: usize, default: &str| args.get(at).cloned().unwrap_or_else(|| default.to_owned());
    let server: SocketAddr = word(1, "").parse().expect("HOST:PORT");
    assert!(server.ip().is_loopback(), "test traffic goes to loopback only");
    let rate: f64 = word(2, "100").parse().expect("messages a second");
    let seconds: f64 = word(3, "10").parse().expect("seconds");
    let octets: usize = word(4, "4096").parse().expect("octets");
    let threads: usize = word(5, "64").parse().expect("threads");
    let (from, rcpt) = (word(6, "sender@example.com"), word(7, "rcpt@example.net"));
    let total = (rate * seconds) as u64;
    let next = Arc::new(AtomicU64::new(0));
    let marked = Arc::new(AtomicBool::new(false));
    let phases = Arc::new([Mutex::new(Seen::default()), Mutex::new(Seen::default())]);
    let mark = Arc::clone(&marked);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            mark.fetch_xor(true, Ordering::Relaxed);
        }
    });
    let began = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (next, marked, phases) = (Arc::clone(&next), Arc::clone(&marked), Arc::clone(&phases));
            let (from, rcpt) = (from.clone(), rcpt.clone());
            std::thread::spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= total {
                        return;
                    }
                    let due = began + Duration::from_secs_f64(n as f64 / rate);
                    if let Some(wait) = due.checked_duration_since(Instant::now()) {
                        std::thread::sleep(wait);
                    }
                    let phase = usize::from(marked.load(Ordering::Relaxed));
                    let sent = send(server, n, octets, &from, &rcpt);
                    let mut seen = phases[phase].lock().unwrap();
                    match sent {
                        Ok(()) => seen.micros.push(due.elapsed().as_micros().min(u128::from(u32::MAX)) as u32),
                        Err(why) => {
                            seen.failed += 1;
                            if seen.first.is_empty() {
                                seen.first = why;
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let took = began.elapsed().as_secs_f64();
    let told: Vec<String> = phases.iter().map(|p| tell(&mut p.lock().unwrap())).collect();
    println!("{{\"seconds\":{took:.2},\"rate\":{:.1},\"unmarked\":{},\"marked\":{}}}", total as f64 / took, told[0], told[1]);
}

fn tell(seen: &mut Seen) -> String {
    seen.micros.sort_unstable();
    let at = |share: f64| {
        let index = (seen.micros.len() as f64 * share) as usize;
        seen.micros.get(index.min(seen.micros.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let text = seen.first.replace(['"', '\\'], "'");
    format!(
        "{{\"ok\":{},\"failed\":{},\"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\"max_us\":{},\"error\":\"{}\"}}",
        seen.micros.len(), seen.failed, at(0.5), at(0.99), at(0.999), at(1.0), text.escape_debug()
    )
}

fn send(server: SocketAddr, n: u64, octets: usize, from: &str, rcpt: &str) -> Result<(), String> {
    let io = |e: std::io::Error| e.to_string();
    let stream = TcpStream::connect_timeout(&server, Duration::from_secs(20)).map_err(io)?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(io)?;
    stream.set_nodelay(true).map_err(io)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(io)?);
    let mut out = stream;
    expect(&mut reader, b'2')?;
    for (line, class) in [
        ("EHLO client.example.com\r\n".to_owned(), b'2'),
        (format!("MAIL FROM:<{from}>\r\n"), b'2'),
        (format!("RCPT TO:<{rcpt}>\r\n"), b'2'),
        ("DATA\r\n".to_owned(), b'3'),
    ] {
        out.write_all(line.as_bytes()).map_err(io)?;
        expect(&mut reader, class)?;
    }
    let mut message = format!(
        "From: <{from}>\r\nTo: <{rcpt}>\r\nSubject: message {n}\r\nMessage-ID: <{n}.openload@example.com>\r\n\r\n"
    );
    while message.len() < octets {
        message.push_str("The quick brown fox jumps over the lazy dog, again and again and again.\r\n");
    }
    message.push_str(".\r\n");
    out.write_all(message.as_bytes()).map_err(io)?;
    expect(&mut reader, b'2')?;
    out.write_all(b"QUIT\r\n").map_err(io)?;
    let _ = reader.read(&mut [0; 64]);
    Ok(())
}

fn expect(reader: &mut BufReader<TcpStream>, class: u8) -> Result<(), String> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).map_err(|e| e.to_string())? == 0 {
            return Err("closed".into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return if line.as_bytes().first() == Some(&class) { Ok(()) } else { Err(line.trim_end().to_owned()) };
        }
    }
}
