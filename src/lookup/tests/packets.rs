//! Real packets: a small name server on the loopback interface that answers well or badly, as its rows say.

use super::*;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, NS, PTR, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

#[derive(Clone)]
enum Say {
    Records(Vec<(&'static str, RData)>),
    Code(ResponseCode),
    /// NXDOMAIN or NODATA with an SOA of that minimum.
    None(ResponseCode, u32),
    Referral,
    Silence,
    Garbage,
    WrongId,
    WrongName,
    /// Cut over UDP, whole over TCP.
    Cut(Vec<(&'static str, RData)>),
}

#[derive(Default)]
struct Server {
    rows: HashMap<(&'static str, &'static str), Say>,
    udp: AtomicUsize,
    tcp: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap()
}

fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

impl Server {
    async fn start(self) -> (SocketAddr, Arc<Self>) {
        // A port that is free for the one may not be for the other.
        let mut tried = 0;
        let (udp, address, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = udp.local_addr().unwrap();
            match TcpListener::bind(address).await {
                Ok(tcp) => break (udp, address, tcp),
                Err(error) => assert!(tried < 50, "{error}"),
            }
            tried += 1;
        };
        let server = Arc::new(self);
        let all = Arc::clone(&server);
        tokio::spawn(async move {
            let mut octets = [0; 2048];
            loop {
                let (n, peer) = udp.recv_from(&mut octets).await.unwrap();
                all.udp.fetch_add(1, Relaxed);
                if let Some(answer) = all.answer(&octets[..n], false) {
                    udp.send_to(&answer, peer).await.unwrap();
                }
            }
        });
        let all = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                while let Ok(n) = stream.read_u16().await {
                    let mut octets = vec![0; n.into()];
                    stream.read_exact(&mut octets).await.unwrap();
                    all.tcp.fetch_add(1, Relaxed);
                    if let Some(answer) = all.answer(&octets, true) {
                        stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                        stream.write_all(&answer).await.unwrap();
                    }
                }
            }
        });
        (address, server)
    }

    fn answer(&self, octets: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let mut message = Message::from_vec(octets).unwrap();
        let query = message.queries[0].clone();
        let asked = query.name().to_ascii().to_ascii_lowercase();
        let asked = asked.strip_suffix('.').unwrap();
        let kind = query.query_type().to_string();
        self.asked.lock().unwrap().push(format!("{asked} {kind}"));
        message.metadata.message_type = MessageType::Response;
        message.metadata.recursion_available = true;
        let row = self.rows.iter().find(|((n, k), _)| *n == asked && *k == kind).map(|(_, say)| say.clone());
        match row.unwrap_or(Say::None(ResponseCode::NXDomain, 60)) {
            Say::Records(records) => fill(&mut message, records),
            Say::Cut(records) if tcp => fill(&mut message, records),
            Say::Cut(_) => message.metadata.truncation = true,
            Say::Code(code) => message.metadata.response_code = code,
            Say::None(code, minimum) => {
                message.metadata.response_code = code;
                let soa = SOA::new(name("ns.example"), name("h.example"), 1, 1, 1, 1, minimum);
                message.authorities.push(Record::from_rdata(name("example"), 3600, RData::SOA(soa)));
            }
            Say::Referral => {
                let ns = RData::NS(NS(name("ns.example")));
                message.authorities.push(Record::from_rdata(name("example"), 3600, ns));
            }
            Say::Silence => return None,
            Say::Garbage => return Some([&octets[..2], &[0xff; 40]].concat()),
            Say::WrongId => {
                message.metadata.id ^= 1;
                fill(&mut message, vec![("", a(66))]);
            }
            Say::WrongName => {
                message.queries[0].name = name("other.example");
                fill(&mut message, vec![("", a(66))]);
            }
        }
        Some(message.to_vec().unwrap())
    }
}

/// `""` is the name that was asked about.
fn fill(message: &mut Message, records: Vec<(&'static str, RData)>) {
    let asked = message.queries[0].name().clone();
    for (owner, data) in records {
        let owner = if owner.is_empty() { asked.clone() } else { name(owner) };
        message.answers.push(Record::from_rdata(owner, 60, data));
    }
}

async fn served(rows: Vec<(&'static str, &'static str, Say)>) -> (Lookup, Arc<Server>) {
    let rows = rows.into_iter().map(|(n, k, say)| ((n, k), say)).collect();
    let (address, server) = Server { rows, ..Server::default() }.start().await;
    let dns = Dns { servers: vec![address], timeout: Duration::from_millis(700), ..Dns::default() };
    (Lookup::build(&dns, None, None).unwrap(), server)
}

#[tokio::test]
async fn every_way_to_answer_is_told_apart() {
    let alias = |to: &str| RData::CNAME(CNAME(name(to)));
    let absent = |minimum| Say::None(ResponseCode::NoError, minimum);
    let (lookup, server) = served(vec![
        ("a.example", "A", Say::Records(vec![("", a(1)), ("", a(2))])),
        ("nodata.example", "A", absent(60)),
        ("bare.example", "A", Say::Code(ResponseCode::NoError)),
        ("bareno.example", "A", Say::Code(ResponseCode::NXDomain)),
        ("servfail.example", "A", Say::Code(ResponseCode::ServFail)),
        ("refused.example", "A", Say::Code(ResponseCode::Refused)),
        ("formerr.example", "A", Say::Code(ResponseCode::FormErr)),
        ("strange.example", "A", Say::Code(ResponseCode::Unknown(14))),
        ("referral.example", "A", Say::Referral),
        ("garbage.example", "A", Say::Garbage),
        ("cut.example", "A", Say::Cut(vec![("", a(3))])),
        ("alias.example", "A", Say::Records(vec![("", alias("a.example")), ("a.example", a(1))])),
        ("lost.example", "A", Say::Records(vec![("", alias("gone.example"))])),
        ("half.example", "A", Say::Records(vec![("", alias("alias.example"))])),
        ("ping.example", "A", Say::Records(vec![("", alias("pong.example"))])),
        ("pong.example", "A", Say::Records(vec![("", alias("ping.example"))])),
        ("loop.example", "A", Say::Records(vec![("", alias("loop.example"))])),
        ("foreign.example", "A", Say::Records(vec![("other.example", a(66))])),
        ("kind.example", "A", Say::Records(vec![("", RData::MX(MX::new(1, name("mx.example"))))])),
        ("5.0.0.127.in-addr.arpa", "PTR", Say::Records(vec![("", RData::PTR(PTR(name("Here.Example"))))])),
        (
            "odd.arpa",
            "PTR",
            Say::Records(vec![("", RData::PTR(PTR(Name::from_labels(["a b".as_bytes()]).unwrap())))]),
        ),
        ("null.example", "MX", Say::Records(vec![("", RData::MX(MX::new(0, Name::root())))])),
    ])
    .await;
    let at = |ips: &[u8]| {
        Answer::Records(ips.iter().map(|n| Data::Address(Ipv4Addr::new(192, 0, 2, *n).into())).collect())
    };
    let called = |text: &str| Answer::Records([Data::Name(text.into())].into());
    for (asked, kind, want) in [
        ("a.example", Kind::A, at(&[1, 2])),
        ("nodata.example", Kind::A, Answer::NoRecords),
        ("bare.example", Kind::A, Answer::NoRecords),
        ("nowhere.example", Kind::A, Answer::NoName),
        ("bareno.example", Kind::A, Answer::NoName),
        ("servfail.example", Kind::A, FAILURE),
        ("refused.example", Kind::A, FAILURE),
        ("formerr.example", Kind::A, FAILURE),
        ("strange.example", Kind::A, FAILURE),
        ("referral.example", Kind::A, FAILURE),
        ("garbage.example", Kind::A, FAILURE),
        ("cut.example", Kind::A, at(&[3])),
        ("alias.example", Kind::A, at(&[1])),
        ("lost.example", Kind::A, Answer::NoName),
        ("half.example", Kind::A, at(&[1])),
        ("ping.example", Kind::A, FAILURE),
        ("loop.example", Kind::A, FAILURE),
        ("foreign.example", Kind::A, FAILURE),
        ("kind.example", Kind::A, FAILURE),
        ("5.0.0.127.in-addr.arpa", Kind::Ptr, called("here.example")),
        ("odd.arpa", Kind::Ptr, Answer::NoRecords),
        ("null.example", Kind::Mx, called("")),
    ] {
        assert_eq!(lookup.ask(asked, kind).await, want, "{asked}");
    }
    assert_eq!(server.tcp.load(Relaxed), 1);
    // Also "there is none" is remembered, and no search list was tried.
    let before = server.udp.load(Relaxed);
    assert_eq!(lookup.ask("nowhere.example", Kind::A).await, Answer::NoName);
    assert_eq!(lookup.ask("nodata.example", Kind::A).await, Answer::NoRecords);
    assert_eq!(server.udp.load(Relaxed), before);
    let asked = server.asked.lock().unwrap().join("\n");
    assert!(asked.lines().all(|line| !line.contains("example.")), "{asked}");
}

#[tokio::test]
async fn silence_and_forgeries_end_in_time() {
    let (lookup, server) = served(vec![
        ("silent.example", "A", Say::Silence),
        ("forged.example", "A", Say::WrongId),
        ("stranger.example", "A", Say::WrongName),
    ])
    .await;
    let began = std::time::Instant::now();
    let names = ["silent.example", "forged.example", "stranger.example"];
    let asked = names.map(|asked| lookup.start(asked, Kind::A));
    for pending in asked {
        assert_eq!(pending.by(lookup.deadline()).await, SILENCE);
    }
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert!(server.udp.load(Relaxed) > 3, "it is asked again within its time");
    assert_eq!(lookup.tally().timeouts, 3);
}

#[tokio::test]
async fn a_good_server_beside_bad_ones_is_enough() {
    let rows = |say: Say| HashMap::from([(("a.example", "A"), say)]);
    let start = |say| Server { rows: rows(say), ..Server::default() }.start();
    let (silent, _) = start(Say::Silence).await;
    let (broken, refusals) = start(Say::Code(ResponseCode::Refused)).await;
    let (good, _) = start(Say::Records(vec![("", a(1))])).await;
    let wanted = Answer::Records([Data::Address(ip("192.0.2.1"))].into());
    let dns = Dns { timeout: Duration::from_millis(900), cache: 0, ..Dns::default() };
    for servers in [vec![good, broken], vec![broken, good], vec![silent, broken, good]] {
        let lookup = Lookup::build(&Dns { servers, ..dns.clone() }, None, None).unwrap();
        assert_eq!(lookup.ask("a.example", Kind::A).await, wanted);
        // The one that answered is asked first from then on.
        let (began, before) = (std::time::Instant::now(), refusals.udp.load(Relaxed));
        assert_eq!(lookup.ask("a.example", Kind::A).await, wanted);
        assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
        assert_eq!(refusals.udp.load(Relaxed), before);
    }
    let lookup = Lookup::build(&Dns { servers: vec![broken, silent], ..dns }, None, None).unwrap();
    assert!(matches!(lookup.ask("a.example", Kind::A).await, Answer::Unknown(_)));
}

#[tokio::test]
async fn without_a_network_everything_is_unknown() {
    let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let dns = Dns { servers: vec![gone], timeout: Duration::from_millis(300), ..Dns::default() };
    let lookup = Lookup::build(&dns, None, None).unwrap();
    let unknown =
        Reverse { pointer: Fact::Unknown(Cause::Timeout), confirmed: Fact::Unknown(Cause::Timeout) };
    assert_eq!(lookup.reverse(ip("192.0.2.1")).await, unknown);
    // A server to which there is no way.
    let dns = Dns { servers: vec!["255.255.255.255:53".parse().unwrap()], ..dns };
    let lookup = Lookup::build(&dns, None, None).unwrap();
    assert!(matches!(lookup.mail_domain(&domain("a.example")).await, Fact::Unknown(_)));
}

/// Not a test: figures. `cargo test --release --lib lookup -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn figures() {
    let (lookup, server) = served(vec![("a.example", "MX", Say::Records(vec![("", a(1))]))]).await;
    let lookup = Arc::new(lookup);
    let zones: Vec<Zone> = (0..5).map(|n| zone(&format!("z{n}.example"), ZoneOf::Client, 1)).collect();
    let limit = Duration::from_secs(3);
    let mut times = Vec::new();
    for n in 0..2000_u32 {
        let client =
            Subjects { client: Some(Ipv4Addr::from_bits(0x0a00_0000 + n).into()), ..Subjects::default() };
        let began = std::time::Instant::now();
        let found = lookup.listings(&zones, &client, limit).await;
        times.push(began.elapsed());
        assert!(found.listed.is_empty() && found.unknown.is_empty());
    }
    times.sort_unstable();
    println!("5 zones, fresh: median {:?}, 99 % {:?}", times[1000], times[1980]);
    println!("queries {}, UDP packets {}", lookup.tally().sent, server.udp.load(Relaxed));
    let began = std::time::Instant::now();
    for _ in 0..2000 {
        let client = Subjects { client: Some(ip("10.0.0.1")), ..Subjects::default() };
        lookup.listings(&zones, &client, limit).await;
    }
    println!("5 zones, remembered: {:?}", began.elapsed() / 2000);
    let name = domain("nowhere.example");
    lookup.mail_domain(&name).await;
    let began = std::time::Instant::now();
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let (lookup, name) = (Arc::clone(&lookup), name.clone());
            tokio::spawn(async move {
                for _ in 0..500_000 {
                    lookup.mail_domain(&name).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("from memory, two threads: {:.0} a second", 1e6 / began.elapsed().as_secs_f64());
    let began = std::time::Instant::now();
    let tasks: Vec<_> = (0..200_u32)
        .map(|t| {
            let lookup = Arc::clone(&lookup);
            tokio::spawn(async move {
                for n in 0..100_u32 {
                    lookup.mail_domain(&domain(&format!("n{n}.t{t}.example"))).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("over the wire, 200 at once: {:.0} a second", 2e4 / began.elapsed().as_secs_f64());
}
