//! The country of an address, from a MaxMind database (MMDB) that the admin supplies.
//!
//! State: the whole file in memory, read once; the system never maps it, so that replacing it under us changes
//! nothing. Failure: a file that is missing, too large, no database, or has no countries is an error of the load.

use crate::mail::unmapped;
use crate::verdict::{Cause, Fact};
use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Largest database in octets.
const OCTETS_MAX: u64 = 512 * 1024 * 1024;
/// How many networks are looked at for one that has a country.
const PROBED_MAX: usize = 10_000;
/// Where databases have the country: MaxMind's and DB-IP's own form, then those of others, then where the address is
/// registered, for addresses that are of no country.
const PLACES: [&[PathElement<'static>]; 4] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
    &[PathElement::Key("registered_country"), PathElement::Key("iso_code")],
];

/// Why a country database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CountryError {
    /// It cannot be read.
    #[error("country database {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Not a file, or over 512 MiB.
    #[error("country database {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// It is no MMDB, or a broken one.
    #[error("country database {path}: not a database in MaxMind's format (.mmdb): {why}")]
    Format {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// It says other things than countries.
    #[error("country database {path}: it is of the type \"{kind}\" and has no countries")]
    NoCountries {
        /// The file.
        path: String,
        /// What it calls itself.
        kind: String,
    },
}

/// Which file it is, as far as the file system tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

/// A country database in memory.
pub struct Countries {
    path: PathBuf,
    mark: Mark,
    reader: Reader<Vec<u8>>,
}

impl Countries {
    /// Reads the file. A network drive that hangs hangs this call: not for a session's task.
    ///
    /// # Errors
    /// See [`CountryError`]; each names the file.
    pub fn open(path: &Path) -> Result<Self, CountryError> {
        let shown = || path.display().to_string();
        let read = |source| CountryError::Read { path: shown(), source };
        let mark = mark(path).map_err(read)?;
        let mark = mark.ok_or_else(|| CountryError::File { path: shown(), why: "this is not a file" })?;
        let too_large = || CountryError::File { path: shown(), why: "over 512 MiB" };
        if mark.octets > OCTETS_MAX {
            return Err(too_large());
        }
        let mut octets = Vec::with_capacity(usize::try_from(mark.octets).unwrap_or_default());
        let mut file = File::open(path).map_err(read)?.take(OCTETS_MAX + 1);
        io::copy(&mut file, &mut octets).map_err(read)?;
        if file.limit() == 0 {
            return Err(too_large());
        }
        let broken = |e: MaxMindDbError| CountryError::Format { path: shown(), why: e.to_string() };
        let reader = Reader::from_source(octets).map_err(broken)?;
        if !has_countries(&reader).map_err(broken)? {
            let kind = crate::mail::escape(reader.metadata().database_type.as_bytes());
            return Err(CountryError::NoCountries { path: shown(), kind });
        }
        Ok(Self { path: path.to_owned(), mark, reader })
    }

    /// Whether the file is still the one that was read.
    pub(super) fn is_still(&self, path: &Path) -> bool {
        self.path == path && mark(path).ok().flatten().as_ref() == Some(&self.mark)
    }

    /// Two letters in upper case (ISO 3166); `Absent` where the database does not have the address, or no country for
    /// it, and for IPv6 in a database of IPv4.
    pub(super) fn of(&self, ip: IpAddr) -> Fact<Box<str>> {
        let ip = unmapped(ip);
        if ip.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Fact::Absent;
        }
        let Ok(found) = self.reader.lookup(ip) else { return Fact::Unknown(Cause::Failure) };
        let mut fact = Fact::Absent;
        for place in PLACES {
            match found.decode_path::<&str>(place) {
                Ok(Some(text)) => {
                    if let Some(code) = code(text) {
                        return Fact::Known(code);
                    }
                }
                Ok(None) => {}
                // Another form of record has a table where this one has a text; a broken one fails at every place.
                Err(MaxMindDbError::Decoding { .. }) => {}
                Err(_) => fact = Fact::Unknown(Cause::Failure),
            }
        }
        fact
    }
}

fn code(text: &str) -> Option<Box<str>> {
    let two_letters = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    two_letters.then(|| text.to_ascii_uppercase().into())
}

fn mark(path: &Path) -> io::Result<Option<Mark>> {
    let found = std::fs::metadata(path)?;
    Ok(found.is_file().then(|| Mark {
        device: found.dev(),
        inode: found.ino(),
        octets: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
    }))
}

/// Whether one of the first networks has a country.
fn has_countries(reader: &Reader<Vec<u8>>) -> Result<bool, MaxMindDbError> {
    for found in reader.networks(WithinOptions::default())?.take(PROBED_MAX) {
        let found = found?;
        for place in PLACES {
            if let Ok(Some(text)) = found.decode_path::<&str>(place)
                && code(text).is_some()
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, SystemTime};

    fn text(text: &str) -> Vec<u8> {
        let mut out = vec![2 << 5 | u8::try_from(text.len()).unwrap()];
        assert!(text.len() < 29);
        out.extend_from_slice(text.as_bytes());
        out
    }

    fn number(kind: u8, value: u32) -> Vec<u8> {
        let octets = value.to_be_bytes();
        let used = &octets[if kind == 5 { 2 } else { 0 }..];
        let size = u8::try_from(used.len()).unwrap();
        let mut out = if kind < 8 { vec![kind << 5 | size] } else { vec![size, kind - 7] };
        out.extend_from_slice(used);
        out
    }

    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![7 << 5 | u8::try_from(pairs.len()).unwrap()];
        for (key, value) in pairs {
            out.extend(text(key));
            out.extend_from_slice(value);
        }
        out
    }

    fn iso(code: &str) -> Vec<u8> {
        map(&[("country", map(&[("iso_code", text(code))]))])
    }

    /// A database (MaxMind DB format 2.0) of IPv4 or IPv6 networks, 24 bits a record.
    fn mmdb(version: u16, nets: &[(&str, Vec<u8>)]) -> Vec<u8> {
        // A record is a node (its number), nothing (0, since nothing leads to the root), or data (negative).
        let mut nodes: Vec<[i64; 2]> = vec![[0, 0]];
        let mut data = Vec::new();
        for (net, value) in nets {
            let net: ipnet::IpNet = net.parse().unwrap();
            let (bits, length) = match (net.addr(), version) {
                (IpAddr::V4(ip), 4) => (u128::from(ip.to_bits()) << 96, net.prefix_len()),
                (IpAddr::V4(ip), _) => (ip.to_bits().into(), net.prefix_len() + 96),
                (IpAddr::V6(ip), _) => (ip.to_bits(), net.prefix_len()),
            };
            let mut node = 0;
            for depth in 0..length {
                let side = usize::from(bits >> (127 - depth) & 1 == 1);
                if depth == length - 1 {
                    nodes[node][side] = -1 - i64::try_from(data.len()).unwrap();
                } else {
                    if nodes[node][side] == 0 {
                        nodes[node][side] = i64::try_from(nodes.len()).unwrap();
                        nodes.push([0, 0]);
                    }
                    node = usize::try_from(nodes[node][side]).unwrap();
                }
            }
            data.extend_from_slice(value);
        }
        let count = u32::try_from(nodes.len()).unwrap();
        let mut out = Vec::new();
        for record in nodes.iter().flatten() {
            let value = match *record {
                0 => count,
                node @ 1.. => u32::try_from(node).unwrap(),
                data => count + 16 + u32::try_from(-1 - data).unwrap(),
            };
            out.extend_from_slice(&value.to_be_bytes()[1..]);
        }
        out.extend_from_slice(&[0; 16]);
        out.extend(data);
        out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        out.extend(map(&[
            ("binary_format_major_version", number(5, 2)),
            ("binary_format_minor_version", number(5, 0)),
            ("build_epoch", number(9, 1_700_000_000)),
            ("database_type", text("Test")),
            ("description", map(&[])),
            ("ip_version", number(5, version.into())),
            ("languages", vec![0, 4]),
            ("node_count", number(6, count)),
            ("record_size", number(5, 24)),
        ]));
        out
    }

    fn countries(version: u16, nets: &[(&str, Vec<u8>)]) -> Result<Countries, CountryError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), mmdb(version, nets)).unwrap();
        Countries::open(file.path())
    }

    fn known(code: &str) -> Fact<Box<str>> {
        Fact::Known(code.into())
    }

    #[test]
    fn every_form_of_record_is_read() {
        let nets = [
            ("192.0.2.0/24", iso("DE")),
            ("198.51.100.0/25", map(&[("country_code", text("at")), ("country", text("Austria"))])),
            ("203.0.113.0/24", map(&[("country", text("CH"))])),
            ("2001:db8::/32", map(&[("registered_country", map(&[("iso_code", text("SE"))]))])),
            ("2001:db9::/32", map(&[("asn", number(6, 64500))])),
            ("2001:dba::/32", iso("Deutschland")),
        ];
        let all = countries(6, &nets).unwrap();
        for (ip, want) in [
            ("192.0.2.77", known("DE")),
            ("::ffff:192.0.2.77", known("DE")),
            ("192.0.3.0", Fact::Absent),
            ("198.51.100.127", known("AT")),
            ("198.51.100.128", Fact::Absent),
            ("203.0.113.1", known("CH")),
            ("2001:db8:ffff::1", known("SE")),
            ("2001:db9::1", Fact::Absent),
            ("2001:dba::1", Fact::Absent),
            ("::1", Fact::Absent),
        ] {
            assert_eq!(all.of(ip.parse().unwrap()), want, "{ip}");
        }
        let old = countries(4, &[("192.0.2.0/24", iso("DE"))]).unwrap();
        assert_eq!(old.of("192.0.2.1".parse().unwrap()), known("DE"));
        assert_eq!(old.of("2001:db8::1".parse().unwrap()), Fact::Absent);
    }

    #[test]
    fn what_is_no_country_database_says_file_and_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.mmdb");
        let say = |path: &Path| Countries::open(path).err().unwrap().to_string();
        let named =
            |text: String, why: &str| assert!(text.contains("x.mmdb") && text.contains(why), "{text}");
        named(say(&path), "No such file");
        named(say(&dir.path().join("x.mmdb/y")), "No such file");
        assert!(say(dir.path()).contains("not a file"));
        let good = mmdb(6, &[("192.0.2.0/24", iso("DE"))]);
        for bad in [&b""[..], b"PK\x03\x04", &good[..good.len() / 2], &good[..good.len() - 3]] {
            fs::write(&path, bad).unwrap();
            named(say(&path), "not a database");
        }
        fs::write(&path, mmdb(6, &[("192.0.2.0/24", map(&[("asn", number(6, 64500))]))])).unwrap();
        named(say(&path), "has no countries");
        let file = File::create(&path).unwrap();
        file.set_len(OCTETS_MAX + 1).unwrap();
        named(say(&path), "over 512 MiB");
    }

    #[test]
    fn a_changed_file_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("x.mmdb"), dir.path().join("y.mmdb"));
        let database = mmdb(6, &[("192.0.2.0/24", iso("DE"))]);
        fs::write(&path, &database).unwrap();
        fs::write(&other, &database).unwrap();
        let all = Countries::open(&path).unwrap();
        assert!(all.is_still(&path) && !all.is_still(&other));
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::now() - Duration::from_secs(9))
            .unwrap();
        assert!(!all.is_still(&path));
        fs::remove_file(&path).unwrap();
        assert!(!all.is_still(&path));
    }
}
