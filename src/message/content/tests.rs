//! Of bounds, and of messages as they are.

use super::evasions::walk;
use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

struct Count {
    octets: u64,
}

impl Visitor for Count {
    fn part(&mut self, _: &PartInfo) {}
    fn octets(&mut self, _: &PartInfo, _: Reading, octets: &[u8]) {
        self.octets += octets.len() as u64;
    }
}

/// Files of an archive of real mail that is not part of this; none where nobody says where it is unpacked.
fn corpus(name: &str) -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("PORTCULLIS_CORPUS_UNPACKED") else { return Vec::new() };
    let folder = PathBuf::from(folder).join(name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

#[test]
fn real_mail_is_seldom_odd() {
    for name in ["ham", "spam", "phish", "mime4j", "mikel"] {
        let files = corpus(name);
        let mut odd: BTreeMap<(Weight, &str), Vec<String>> = BTreeMap::new();
        let (mut again, mut octets, mut malformed, mut slowest) = (0, 0u64, 0, 0u128);
        let began = Instant::now();
        for file in &files {
            let message = std::fs::read(file).unwrap();
            octets += message.len() as u64;
            let at = Instant::now();
            let mut count = Count { octets: 0 };
            let overview = visit(&message, &Limits::default(), &mut count);
            slowest = slowest.max(at.elapsed().as_micros());
            again += usize::from(!overview.again.is_empty());
            malformed += usize::from(overview.is_malformed());
            let set: std::collections::BTreeSet<Odd> = overview.odd.iter().map(|(_, o)| *o).collect();
            for o in set {
                odd.entry((o.weight(), o.name())).or_default().push(file.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        println!("{name}: {} messages, {octets} octets, {again} again, {malformed} malformed, {:?}, slowest {slowest} us", files.len(), began.elapsed());
        for (key, files) in odd {
            println!("    {key:?} {} {:?}", files.len(), files.iter().take(4).collect::<Vec<_>>());
        }
    }
}
