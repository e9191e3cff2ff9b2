//! Whole files: what comes out of them, what is said of them, and that hostile ones end.

use super::disk::tests::iso;
use super::rar::tests::rar4;
use super::tar::tests::tar;
use super::tnef::tests::tnef;
use super::*;
use ::zip::ZipWriter;
use ::zip::write::SimpleFileOptions;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::{Cursor, Write as _};

/// A 7z file of `a.txt` and `dir/bill.exe` (`MZ…`), LZMA with a dictionary of 64 KiB.
const SEVEN: &str = "377abcaf271c00048ffa3d5d19000000000000005800000000000000dc7ef42c00341949ee8de94f7e6bd648a46034369de64cfffffd6530000104060001091900070b01000123030101055d000001000c1900080d0209110a018088f9e50107cc5f0000050211270061002e0074007800740000006400690072002f00620069006c006c002e0065007800650000000000";
const PROGRAM: &[u8] = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0";

/// What was told of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    names: Vec<String>,
    kind: Type,
    depth: u32,
    marks: Vec<&'static str>,
    octets: Option<Vec<u8>>,
}

fn open_with(name: &str, octets: &[u8], limits: Limits) -> (Vec<Seen>, Budget) {
    let (mut seen, mut budget) = (Vec::new(), Budget::new(limits));
    let names: Vec<Box<str>> = if name.is_empty() { vec![] } else { vec![name.into()] };
    open(&names, octets, &mut budget, &mut |file, octets| {
        seen.push(Seen {
            names: file.names.iter().map(ToString::to_string).collect(),
            kind: file.kind,
            depth: file.depth,
            marks: file.marks.iter().map(Mark::name).collect(),
            octets: octets.map(<[u8]>::to_vec),
        });
    });
    (seen, budget)
}

fn opened(name: &str, octets: &[u8]) -> Vec<Seen> {
    open_with(name, octets, Limits::default()).0
}

/// Name, type and marks of each, the outermost last.
fn shown(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|s| format!("{} {} {}", s.names.join("|"), s.kind.name(), s.marks.join(","))).collect()
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, octets) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(octets).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (path, octets) in streams {
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            file.create_storage_all(format!("/{folder}")).unwrap();
        }
        file.create_stream(format!("/{path}")).unwrap().write_all(octets).unwrap();
    }
    file.into_inner().into_inner()
}

/// The native data of a packaged file.
fn native(name: &str, octets: &[u8]) -> Vec<u8> {
    let mut data = format!("\x02\0{name}\0C:\\{name}\0").into_bytes();
    data.extend([0, 0, 3, 0]);
    let path = format!("C:\\{name}\0");
    data.extend(u32::try_from(path.len()).unwrap().to_le_bytes());
    data.extend(path.as_bytes());
    data.extend(u32::try_from(octets.len()).unwrap().to_le_bytes());
    data.extend(octets);
    [&u32::try_from(data.len()).unwrap().to_le_bytes()[..], &data].concat()
}

/// A program in each container: its octets come out, whatever it is in.
#[test]
fn what_is_in_an_archive_comes_out() {
    let long = [PROGRAM, &[7; 9000]].concat();
    let containers: Vec<(&str, Vec<u8>)> = vec![
        ("a.zip", zipped(&[("x.txt", b"x"), ("dir/bill.exe", &long)])),
        ("a.tar", tar(&[("x.txt", b"x"), ("bill.exe", &long)])),
        ("bill.exe.gz", gzip(&long)),
        ("a.tgz", gzip(&tar(&[("bill.exe", &long)]))),
        ("a.rar", rar4(&[("bill.exe", &long, 0)])),
        ("a.iso", iso("BILL.EXE", &long)),
        ("winmail.dat", tnef("BILL.EXE", "bill.exe", &long)),
        (
            "a.doc",
            compound(&[
                ("WordDocument", &[0; 5000]),
                ("ObjectPool/_1/\u{1}Ole10Native", &native("bill.exe", &long)),
            ]),
        ),
        (
            "a.msg",
            compound(&[
                ("__properties_version1.0", &[0; 64]),
                ("__attach_version1.0_#00000000/__substg1.0_37010102", &long),
                ("__attach_version1.0_#00000000/__substg1.0_3707001F", b"b\0i\0l\0l\0.\0e\0x\0e\0"),
            ]),
        ),
        (
            "a.docx",
            zipped(&[
                ("[Content_Types].xml", b"<x/>"),
                ("word/document.xml", b"<x/>"),
                (
                    "word/embeddings/oleObject1.bin",
                    &compound(&[("\u{1}Ole10Native", &native("bill.exe", &long))]),
                ),
            ]),
        ),
    ];
    for (name, octets) in &containers {
        // Alone, and in two more archives.
        let deep = zipped(&[("b.tar.gz", &gzip(&tar(&[(name, octets)])))]);
        for (name, octets) in [(*name, octets), ("deep.zip", &deep)] {
            let seen = opened(name, octets);
            let program = seen
                .iter()
                .find(|s| s.kind == Type::Exe)
                .unwrap_or_else(|| panic!("{name}: {:?}", shown(&seen)));
            assert!(
                program.names.iter().any(|name| name.to_lowercase().ends_with("bill.exe")),
                "{name}: {:?}",
                program.names
            );
            assert_eq!(program.octets.as_deref(), Some(&long[..]), "{name}");
            let odd = ["damaged", "ambiguous", "bomb", "too-large", "wrong-type"];
            assert!(
                !seen.iter().any(|s| s.marks.iter().any(|mark| odd.contains(mark))),
                "{name}: {:?}",
                shown(&seen)
            );
        }
    }
}

#[test]
fn seven_zip() {
    let octets = unhex(SEVEN);
    let seen = opened("a.7z", &octets);
    assert_eq!(shown(&seen), ["a.txt plain ", "dir/bill.exe exe ", "a.7z 7z "]);
    assert_eq!(seen[1].octets.as_deref(), Some(&b"MZ\x90\0\x03\0\0\0"[..]));
    assert!(opened("a.7z", &octets[..60])[0].marks.contains(&"damaged"));
    let (seen, _) = open_with("a.7z", &octets, Limits { members: 1, ..Limits::default() });
    assert!(seen.last().unwrap().marks.contains(&"too-many"), "{:?}", shown(&seen));
}

#[test]
fn what_directory_and_headers_say_differs() {
    let good = zipped(&[("aaaa.txt", b"hello"), ("bbbb.txt", b"world")]);
    assert_eq!(shown(&opened("a.zip", &good)), ["aaaa.txt plain ", "bbbb.txt plain ", "a.zip zip "]);
    // Another name in front of the data.
    let mut renamed = good.clone();
    let at = memchr::memmem::find(&renamed, b"aaaa.txt").unwrap();
    renamed[at..at + 8].copy_from_slice(b"bill.exe");
    let seen = opened("a.zip", &renamed);
    assert_eq!(shown(&seen)[0], "aaaa.txt|bill.exe plain ambiguous,wrong-type");
    assert!(seen.last().unwrap().marks.contains(&"ambiguous"));
    // A member that the directory does not name: another archive in front of it.
    let hidden = [zipped(&[("bill.exe", PROGRAM)]), good.clone()].concat();
    let seen = opened("a.zip", &hidden);
    assert!(seen.iter().any(|s| s.kind == Type::Exe), "{:?}", shown(&seen));
    assert!(seen.last().unwrap().marks.contains(&"ambiguous"));
    // No directory at all.
    let end = memchr::memmem::find(&good, b"PK\x01\x02").unwrap();
    let seen = opened("a.zip", &good[..end]);
    assert_eq!(shown(&seen), ["aaaa.txt plain ", "bbbb.txt plain ", "a.zip zip damaged"]);
    // A stub in front is usual.
    let stub = [b"#!/bin/sh\nexit\n", &good[..]].concat();
    let seen = opened("a.sh", &stub);
    assert!(seen.iter().any(|s| s.names == ["bbbb.txt"]), "{:?}", shown(&seen));
    // Two members that share their octets.
    let mut shared = good.clone();
    let first = memchr::memmem::find(&shared, b"PK\x01\x02").unwrap();
    let second = first + 46 + memchr::memmem::find(&shared[first + 46..], b"PK\x01\x02").unwrap();
    shared.copy_within(first + 42..first + 46, second + 42);
    assert!(opened("a.zip", &shared).last().unwrap().marks.contains(&"bomb"));
    // An archive behind a picture.
    let picture = [b"GIF89a\x01\0\x01\0\0\0\0;", &zipped(&[("bill.exe", PROGRAM)])[..]].concat();
    let seen = opened("a.gif", &picture);
    assert!(seen.iter().any(|s| s.kind == Type::Exe) && seen.last().unwrap().marks.contains(&"ambiguous"));
}

#[test]
fn encrypted_members_are_named() {
    let mut octets = zipped(&[("bill.pdf", PROGRAM)]);
    let (local, central) = (
        memchr::memmem::find(&octets, b"PK\x03\x04").unwrap(),
        memchr::memmem::find(&octets, b"PK\x01\x02").unwrap(),
    );
    octets[local + 6] |= 1;
    octets[central + 8] |= 1;
    // What is only called encrypted is opened.
    let seen = opened("a.zip", &octets);
    assert!(seen[0].kind == Type::Exe && seen[0].marks.contains(&"ambiguous"), "{:?}", shown(&seen));
    // What is, comes to another sum.
    octets[central + 16] ^= 1;
    assert_eq!(shown(&opened("a.zip", &octets)), ["bill.pdf unknown encrypted", "a.zip zip encrypted"]);
    let document = compound(&[("EncryptedPackage", &[1; 100]), ("EncryptionInfo", &[1; 100])]);
    assert_eq!(shown(&opened("a.docx", &document)), ["a.docx ooxml encrypted"]);
    let mut word = vec![0; 5000];
    word[11] = 1;
    assert_eq!(shown(&opened("a.doc", &compound(&[("WordDocument", &word)]))), ["a.doc doc encrypted"]);
    let book = [9, 8, 8, 0, 0, 6, 5, 0, 0, 0, 0, 0, 0x2f, 0, 0, 0, 0x0a, 0, 0, 0];
    assert_eq!(shown(&opened("a.xls", &compound(&[("Workbook", &book)]))), ["a.xls xls encrypted"]);
}

#[test]
fn macros_and_what_loads_from_elsewhere() {
    let doc = compound(&[
        ("WordDocument", &[0; 5000]),
        ("Macros/VBA/dir", b"x"),
        ("Macros/VBA/_VBA_PROJECT", b"x"),
    ]);
    assert_eq!(shown(&opened("a.doc", &doc)), ["a.doc doc macro"]);
    let sheet = [9, 8, 8, 0, 0, 6, 5, 0, 0, 0, 0, 0, 0x85, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x0a, 0, 0, 0];
    assert_eq!(shown(&opened("a.xls", &compound(&[("Workbook", &sheet)]))), ["a.xls xls macro"]);
    let part = |name, octets| {
        zipped(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>"), (name, octets)])
    };
    let last = |octets: &[u8]| shown(&opened("a.docx", octets)).pop().unwrap();
    assert_eq!(last(&part("docProps/core.xml", b"<x/>")), "a.docx docx ");
    assert_eq!(last(&part("word/vbaProject.bin", b"x")), "a.docx docx macro");
    let template = b"<Relationships><Relationship Id='r' Type='http://schemas/attachedTemplate' Target=\"https://x.example/a.dotm\" TargetMode=\"External\"/></Relationships>";
    assert_eq!(last(&part("word/_rels/settings.xml.rels", template)), "a.docx docx external");
    let link = b"<Relationships><Relationship Id='r' Type='http://schemas/hyperlink' Target=\"https://x.example/\" TargetMode=\"External\"/></Relationships>";
    assert_eq!(last(&part("word/_rels/document.xml.rels", link)), "a.docx docx ");
    assert_eq!(last(&part("word/embeddings/a.bin", b"x")), "a.docx docx embedded");
    let mut out = Vec::new();
    for (name, octets) in [
        ("mimetype", &b"application/vnd.oasis.opendocument.text"[..]),
        ("Basic/Standard/Module1.xml", b"<x/>"),
        ("META-INF/manifest.xml", b"<x/>"),
    ] {
        out.push((name, octets));
    }
    assert_eq!(shown(&opened("a.odt", &zipped(&out))).pop().unwrap(), "a.odt odf macro");
    assert_eq!(
        shown(&opened("a.jar", &zipped(&[("META-INF/MANIFEST.MF", b"x")]))).pop().unwrap(),
        "a.jar jar "
    );
    let msi = {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.set_storage_clsid("/", "000c1084-0000-0000-c000-000000000046".parse().unwrap()).unwrap();
        file.into_inner().into_inner()
    };
    assert_eq!(shown(&opened("a.doc", &msi)), ["a.doc msi wrong-type"]);
}

#[test]
fn names_that_deceive() {
    let seen = opened(
        "a.zip",
        &zipped(&[("bill.pdf   .exe", PROGRAM), ("\u{202e}fdp.exe", PROGRAM), ("bill.pdf", PROGRAM)]),
    );
    assert_eq!(
        shown(&seen),
        [
            "bill.pdf   .exe exe double-extension",
            "\u{202e}fdp.exe exe rtl",
            "bill.pdf exe wrong-type",
            "a.zip zip "
        ]
    );
    // A document is an archive by its octets only.
    assert_eq!(shown(&opened("a.pdf", &zipped(&[("a", b"x")]))).pop().unwrap(), "a.pdf zip wrong-type");
}

/// Archives in archives end at the depth, and the innermost is not opened.
#[test]
fn depth_has_an_end() {
    let mut octets = zipped(&[("bill.exe", PROGRAM)]);
    for _ in 0..20 {
        octets = zipped(&[("a.zip", &octets)]);
    }
    let seen = opened("a.zip", &octets);
    assert_eq!(seen.len(), 9);
    assert_eq!((seen[0].depth, seen[0].marks.as_slice()), (8, &["too-deep"][..]));
    let (seen, _) = open_with("a.zip", &octets, Limits { depth: 1000, ..Limits::default() });
    assert_eq!(seen.len(), 17);
}

#[test]
fn bombs_end() {
    let zeros = vec![0; 40 << 20];
    let inner = zipped(&[("0", &zeros)]);
    let many: Vec<(String, &[u8])> = (0..200).map(|n| (format!("{n}.zip"), &inner[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, octets)| (name.as_str(), *octets)).collect();
    let bomb = zipped(&many);
    let (seen, budget) = open_with("a.zip", &bomb, Limits::default());
    assert!(seen.last().unwrap().marks.contains(&"bomb"), "{:?}", seen.last().unwrap().marks);
    assert!(budget.unpacked() <= Limits::default().octets);
    // All are named even so.
    assert_eq!(seen.iter().filter(|s| s.depth == 1).count(), 200);
    let (seen, _) = open_with("a.gz", &gzip(&zeros), Limits::default());
    assert!(seen.last().unwrap().marks.contains(&"bomb"));
    // Not a bomb, and too large.
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise: Vec<u8> = noise.take(3 << 20).collect();
    let (seen, _) = open_with("a.gz", &gzip(&noise), Limits { held: 2 << 20, ..Limits::default() });
    assert_eq!(seen.last().unwrap().marks, ["too-large"]);
    assert_eq!(seen[0].octets.as_ref().map(Vec::len), Some(2 << 20));
}

/// A zip file of one stored or deflated member as it is given, named by `names` headers of the directory, or by as many with
/// one of its own each.
fn raw_zip(packed: &[u8], names: usize, flags: u8, method: u8, own: bool) -> Vec<u8> {
    let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
    let fields = [&[flags, 0, method, 0, 0, 0, 0, 0, 1, 2, 3, 4][..], &size, &size, &[1, 0, 0, 0]].concat();
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for n in 0..names {
        let at = if own { out.len() } else { 0 };
        if own || n == 0 {
            out.extend([b"PK\x03\x04\x14\0", &fields[..], b"a", packed].concat());
        }
        let at = u32::try_from(at).unwrap().to_le_bytes();
        central.extend([b"PK\x01\x02\x14\0\x14\0", &fields[..], &[0; 10], &at, b"a"].concat());
    }
    let (start, length) = (u32::try_from(out.len()).unwrap(), u32::try_from(central.len()).unwrap());
    let count = u16::try_from(names).unwrap().to_le_bytes();
    out.extend(&central);
    out.extend(
        [b"PK\x05\x06\0\0\0\0", &count[..], &count, &length.to_le_bytes(), &start.to_le_bytes(), &[0, 0]]
            .concat(),
    );
    out
}

/// Members that come to nothing cost what was read of them: blocks without octets, and what is called encrypted.
#[test]
fn what_comes_to_nothing_counts() {
    let blocks = b"\0\0\0\xff\xff".repeat(2000);
    let limits = Limits { octets: 100_000, ..Limits::default() };
    for (flags, method) in [(0, 8), (1, 8), (1, 0)] {
        let (seen, budget) = open_with("a.zip", &raw_zip(&blocks, 50, flags, method, true), limits);
        assert_eq!((seen.len(), budget.unpacked()), (51, limits.octets), "{flags} {method}");
        let skipped = seen.iter().filter(|s| s.depth == 1 && s.marks.contains(&"too-large")).count();
        assert_eq!(skipped, 40, "{flags} {method}");
        let (seen, budget) = open_with("a.zip", &raw_zip(&blocks, 5, flags, method, true), limits);
        assert_eq!(budget.unpacked(), 50_000, "{flags} {method}");
        assert!(!seen.last().unwrap().marks.iter().any(|mark| matches!(*mark, "too-large" | "bomb")));
    }
}

/// One member that many headers name: it is told, and nothing of it is unpacked.
#[test]
fn members_that_overlap_are_not_unpacked() {
    let deflated = [&b"\x01\x05\0\xfa\xff"[..], b"hello"].concat();
    for (flags, method) in [(0, 0), (0, 8), (1, 8), (1, 0)] {
        let (seen, budget) =
            open_with("a.zip", &raw_zip(&deflated, 1000, flags, method, false), Limits::default());
        assert_eq!((seen.len(), budget.unpacked()), (1001, 0), "{flags} {method}");
        assert!(
            seen.last().unwrap().marks.contains(&"bomb")
                && seen.iter().rev().skip(1).all(|s| s.octets.is_none())
        );
        let (seen, _) = open_with("a.zip", &raw_zip(&deflated, 3, flags, method, true), Limits::default());
        assert!(!seen.last().unwrap().marks.contains(&"bomb"), "{flags} {method}");
        assert_eq!(seen.iter().filter(|s| s.octets.is_some()).count(), if flags == 0 { 4 } else { 1 });
    }
}

#[test]
fn members_have_an_end() {
    let names: Vec<String> = (0..3000).map(|n| format!("{n}.txt")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let limits = Limits { members: 1000, ..Limits::default() };
    for octets in [zipped(&members), tar(&members)] {
        let (seen, budget) = open_with("a", &octets, limits);
        assert_eq!((seen.len(), budget.seen()), (1001, 1000));
        assert_eq!(seen.last().unwrap().marks, ["too-many"]);
    }
}

/// A file of that many pieces.
type Shape = Box<dyn Fn(usize) -> Vec<u8>>;

/// Files that grow tenfold cost about ten times as much, whatever is in them.
#[test]
#[ignore = "a measurement"]
fn hostile_files_take_linear_time() {
    let directory = |count: usize| {
        let good = zipped(&[("a", b"x")]);
        let start = memchr::memmem::find(&good, b"PK\x01\x02").unwrap();
        let end = memchr::memmem::find(&good, b"PK\x05\x06").unwrap();
        let mut out = good[..start].to_vec();
        // Every entry names the same member, and its local header a name of 64 KB.
        out[26..28].copy_from_slice(&[0xff, 0xff]);
        for _ in 0..count {
            out.extend_from_slice(&good[start..end]);
        }
        let size = u32::try_from(out.len() - start).unwrap().to_le_bytes();
        out.extend_from_slice(&good[end..]);
        let at = out.len() - 10;
        out[at..at + 4].copy_from_slice(&size);
        out
    };
    let shared = |count: usize| {
        let streams: Vec<(String, Vec<u8>)> =
            (0..count / 100).map(|n| (format!("{n}/Workbook"), vec![9; 5000])).collect();
        let streams: Vec<(&str, &[u8])> =
            streams.iter().map(|(name, octets)| (name.as_str(), octets.as_slice())).collect();
        compound(&streams)
    };
    let shapes: Vec<(&str, Shape)> = vec![
        ("one member named by many", Box::new(directory)),
        ("headers of zip", Box::new(|n| b"PK\x03\x04\x14\0\0\0\0\0".repeat(n))),
        ("ends of zip", Box::new(|n| [b"PK\x03\x04".to_vec(), b"PK\x05\x06\0\0".repeat(n)].concat())),
        ("compound", Box::new(shared)),
        ("objects of RTF", Box::new(|n| [b"{\\rtf1".to_vec(), b"{\\objdata 0105000".repeat(n)].concat())),
        ("groups of RTF", Box::new(|n| [b"{\\rtf1\\objdata ".to_vec(), b"{\\*\\x 01".repeat(n)].concat())),
        (
            "streams of PDF",
            Box::new(|n| [b"%PDF-1.4".to_vec(), b"<</ObjStm/FlateDecode>>stream\nx".repeat(n)].concat()),
        ),
        (
            "objects of PDF",
            Box::new(|n| [b"%PDF-1.4".to_vec(), b"/EmbeddedFile stream\n1endstream ".repeat(n)].concat()),
        ),
        ("names of PDF", Box::new(|n| [b"%PDF-1.4".to_vec(), b"/#4a#53".repeat(n)].concat())),
        (
            "attributes of TNEF",
            Box::new(|n| {
                [b"\x78\x9f\x3e\x22\0\0".to_vec(), b"\x02\x02\x90\x06\0\0\0\0\0\0\0".repeat(n)].concat()
            }),
        ),
        (
            "blocks of RAR",
            Box::new(|n| [b"Rar!\x1a\x07\0".to_vec(), b"\0\0\x75\0\0\x07\0".repeat(n)].concat()),
        ),
        ("members of tar", Box::new(|n| tar(&vec![("a", &b"x"[..]); n / 20]))),
        ("members of gzip", Box::new(|n| gzip(b"x").repeat(n))),
        ("markup", Box::new(|n| b"<".repeat(n * 10))),
    ];
    for (name, shape) in shapes {
        let time = |count: usize| {
            let octets = shape(count);
            let began = std::time::Instant::now();
            let (seen, budget) = open_with("a", &octets, Limits::default());
            (octets.len(), began.elapsed(), seen.len(), budget.unpacked())
        };
        let (small, large) = (time(20_000), time(200_000));
        println!("{name}: {small:?} {large:?}");
        // What is over the bounds costs nothing more.
        assert!(large.1 < small.1 * 25 + std::time::Duration::from_millis(50), "{name}");
    }
}

/// Something of each kind, to be damaged.
fn corpus() -> Vec<Vec<u8>> {
    vec![
        zipped(&[("a.txt", b"hello"), ("b/c.exe", PROGRAM)]),
        zipped(&[("[Content_Types].xml", b"<x/>"), ("word/_rels/a.rels", b"<Relationship Target=\"http://x\"/>")]),
        tar(&[("a.txt", b"hello"), ("b", PROGRAM)]),
        gzip(b"hello"),
        unhex(SEVEN),
        rar4(&[("a.exe", PROGRAM, 0), ("b", b"x", 0x204)]),
        b"Rar!\x1a\x07\x01\0\0\0\0\0\x03\x01\0\0\0\0\0\0\x10\x02\x03\0\x02\0\x02\0\0\0\x04a.js".to_vec(),
        iso("A.EXE", PROGRAM),
        tnef("A.EXE", "a.exe", PROGRAM),
        compound(&[("WordDocument", &[0; 5000]), ("ObjectPool/_1/\u{1}Ole10Native", &native("a.exe", PROGRAM))]),
        compound(&[("PowerPoint Document", b"\x0f\0\x11\x10\x04\0\0\0\x10\0\x11\x10\x0c\0\0\0\0\0\0\0x\x9c\x03\0\0\0\0\x01")]),
        b"{\\rtf1{\\object\\objemb{\\*\\objdata 0105000002000000080000005061636b61676500}}}".to_vec(),
        b"%PDF-1.5\n1 0 obj<</Type/EmbeddedFile/Filter/FlateDecode>>stream\nx\x9c\x03\0\0\0\0\x01endstream".to_vec(),
        b"MSCF\0\0\0\0\0\0\0\0\0\0\0\0\x24\0\0\0\0\0\0\0\x03\x01\x01\0\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0evil.exe\0".to_vec(),
    ]
}

proptest! {
    /// Whatever is done to a file: it is opened without a panic, within the bounds, and told once, last.
    #[test]
    fn damaged_files_are_opened(which in 0usize..14, edits in proptest::collection::vec((any::<u32>(), any::<u8>()), 0..12), cut in any::<u32>()) {
        let mut octets = corpus().swap_remove(which);
        for (at, value) in edits {
            let at = at as usize % octets.len();
            octets[at] = value;
        }
        octets.truncate(octets.len() - (cut as usize % octets.len()) / 8);
        let limits = Limits { members: 50, octets: 1 << 20, held: 1 << 19, ..Limits::default() };
        let (seen, budget) = open_with("a", &octets, limits);
        prop_assert!(seen.len() <= 51 && budget.unpacked() <= limits.octets);
        prop_assert_eq!(seen.iter().filter(|s| s.depth == 0).count(), 1);
        prop_assert_eq!(seen.last().map(|s| s.depth), Some(0));
        prop_assert!(seen.iter().all(|s| s.depth <= limits.depth));
    }
}

/// A message with a file in base64.
fn mail(name: &str, octets: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    format!(
        "From: a@example.com\r\nDate: today\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n\r\nlook\r\n--b\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    )
    .into_bytes()
}

/// Messages that are files: what is attached to them comes out, whatever they are in; a clean one of the same shape says
/// nothing.
#[test]
fn what_is_attached_to_a_message_in_an_archive_comes_out() {
    let eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    for (inside, kind, marks) in [
        (PROGRAM, Type::Exe, "wrong-type"),
        (eicar.as_bytes(), Type::Plain, ""),
        (b"harmless", Type::Plain, ""),
    ] {
        let name = if marks.is_empty() { "note.txt" } else { "bill.pdf" };
        let message = mail(name, inside);
        let boxed =
            [b"From a@example.com Sat Nov 21 20:00:00 2026\r\nReceived: x\r\n", &message[..]].concat();
        let two = [b"From x\nReceived: x\nSubject: first\n\nFrom here on text\n\n", &boxed[..]].concat();
        // No field that is known: its name says what it is.
        let plain = message.strip_prefix(b"From: a@example.com\r\nDate: today\r\n").unwrap();
        let page = [b"Snapshot: x\r\n", plain].concat();
        for (outer, octets) in [
            ("a.zip", zipped(&[("mail.eml", &message)])),
            ("a.zip", zipped(&[("noname", &message)])),
            ("a.zip", zipped(&[("saved.mht", &page)])),
            ("a.zip", zipped(&[("old.mbox", &boxed)])),
            ("a.zip", zipped(&[("two.mbox", &two)])),
            ("a.tgz", gzip(&tar(&[("mail.eml", &message)]))),
            ("a.zip", zipped(&[("in.zip", &zipped(&[("mail.eml", &message)]))])),
            ("a.zip", zipped(&[("out.eml", &mail("in.eml", &message))])),
            ("mail.eml", message.clone()),
            ("mail.eml", mail("a.zip", &zipped(&[("mail.eml", &message)]))),
        ] {
            let seen = opened(outer, &octets);
            let found = seen.iter().find(|s| s.octets.as_deref() == Some(inside));
            let found = found.unwrap_or_else(|| panic!("{outer}: {:?}", shown(&seen)));
            assert_eq!(
                (&*found.names, found.kind, found.marks.join(",")),
                (&[name.to_owned()][..], kind, marks.to_owned())
            );
            let odd: Vec<&Seen> =
                seen.iter().filter(|s| !s.marks.is_empty() && s.names != found.names).collect();
            assert!(odd.is_empty(), "{outer}: {odd:?}");
        }
    }
}

#[test]
fn messages_in_files_count_as_archives_do() {
    // Depth is one for archives and messages together.
    let mut octets = mail("bill.pdf", PROGRAM);
    for n in 0..5 {
        octets = if n % 2 == 0 { zipped(&[("m.eml", &octets)]) } else { mail("a.zip", &octets) };
    }
    let found = |seen: &[Seen]| seen.iter().any(|s| s.octets.as_deref() == Some(PROGRAM));
    let (seen, budget) = open_with("a.zip", &octets, Limits { depth: 6, ..Limits::default() });
    assert!(found(&seen) && budget.seen() >= 6, "{:?}", shown(&seen));
    let (seen, _) = open_with("a.zip", &octets, Limits { depth: 5, ..Limits::default() });
    assert!(!found(&seen) && seen.iter().any(|s| s.marks.contains(&"too-deep")), "{:?}", shown(&seen));
    // Members and octets too.
    let message = mail("bill.pdf", PROGRAM);
    let octets = zipped(&[("m.eml", &message)]);
    let (seen, _) = open_with("a.zip", &octets, Limits { members: 2, ..Limits::default() });
    assert!(!found(&seen) && seen.iter().any(|s| s.marks.contains(&"too-many")), "{:?}", shown(&seen));
    let (seen, _) =
        open_with("a.zip", &octets, Limits { octets: message.len() as u64 + 10, ..Limits::default() });
    assert!(seen.iter().any(|s| s.marks.contains(&"too-large")), "{:?}", shown(&seen));
    // One that can be read in several ways is like an archive that says two things.
    let text = String::from_utf8(mail("bill.pdf", PROGRAM)).unwrap();
    let odd = text.replace("Encoding: base64", "Encoding: 7bit\r\nContent-Transfer-Encoding: base64");
    let seen = opened("a.zip", &zipped(&[("m.eml", odd.as_bytes())]));
    assert!(found(&seen) && seen.iter().any(|s| s.marks.contains(&"ambiguous")), "{:?}", shown(&seen));
    // Text that begins as a message does is text where nobody calls it one.
    assert_eq!(opened("", &mail("bill.pdf", PROGRAM)).len(), 1);
}

/// Both are stored as they are, so that the outer one has two ends of a directory in it.
#[test]
fn a_zip_in_a_zip_says_one_thing() {
    let stored = |name: &str, octets: &[u8]| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored);
        writer.start_file(name, options).unwrap();
        writer.write_all(octets).unwrap();
        writer.finish().unwrap().into_inner()
    };
    let inner = stored("bill.exe", PROGRAM);
    let seen = opened("a.zip", &stored("in.zip", &inner));
    assert_eq!(shown(&seen), ["bill.exe exe ", "in.zip zip ", "a.zip zip "]);
    // One behind the other are two.
    let two = [inner.clone(), stored("note.txt", b"x")].concat();
    assert!(opened("a.zip", &two).iter().any(|s| s.marks.contains(&"ambiguous")));
}
