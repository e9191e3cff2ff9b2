//! Packages of Office since 2007 (ECMA-376), OpenDocument, and what else a zip file may be.

use super::bytes::begins;
use super::entry::{Entry, Listing};
use super::file::{Mark, Marks};
use super::types::Type;
use memchr::memmem;

/// What a zip file is by the names of its members, where it is more than a zip file.
pub(super) fn kind_of(listing: &Listing) -> Option<Type> {
    let names = || listing.entries.iter().flat_map(|entry| &entry.names);
    let has = |name: &str| names().any(|n| n.eq_ignore_ascii_case(name));
    let below = |folder: &str| {
        names().any(|n| n.get(..folder.len()).is_some_and(|start| start.eq_ignore_ascii_case(folder)))
    };
    if has("AndroidManifest.xml") {
        return Some(Type::Apk);
    }
    if has("AppxManifest.xml") || has("AppxMetadata/AppxBundleManifest.xml") {
        return Some(Type::Appx);
    }
    if has("[Content_Types].xml") || below("_rels/") {
        let folders = [("word/", Type::Docx), ("xl/", Type::Xlsx), ("ppt/", Type::Pptx)];
        return Some(
            folders.into_iter().find(|(folder, _)| below(folder)).map_or(Type::Ooxml, |(_, kind)| kind),
        );
    }
    let first_is = |name: &str| listing.entries.first().is_some_and(|e| e.names.iter().any(|n| &**n == name));
    if has("META-INF/container.xml") {
        return Some(Type::Epub);
    }
    if has("META-INF/manifest.xml") || first_is("mimetype") {
        return Some(Type::Odf);
    }
    if has("META-INF/MANIFEST.MF") || names().any(|name| name.ends_with(".class")) {
        return Some(Type::Jar);
    }
    None
}

/// Whether members are parts of a document rather than files that somebody put into an archive.
pub(super) fn is_document(kind: Type) -> bool {
    matches!(kind, Type::Docx | Type::Xlsx | Type::Pptx | Type::Ooxml | Type::Odf | Type::Epub)
}

/// Whether files of this type are zip files.
pub(super) fn is_zip(kind: Type) -> bool {
    is_document(kind) || matches!(kind, Type::Zip | Type::Jar | Type::Apk | Type::Appx)
}

/// What the name of a member says of the document.
pub(super) fn by_name(entry: &Entry) -> Marks {
    let mut marks = Marks::NONE;
    for name in &entry.names {
        let name = name.to_ascii_lowercase();
        let file = name.rsplit('/').next().unwrap_or_default();
        let is = |part: &str| name.contains(part);
        marks.add_if(file.starts_with("vba") && file.ends_with(".bin") || is("macrosheets/"), Mark::Macro);
        marks.add_if(
            name.starts_with("basic/") && !file.ends_with("-lc.xml") && !file.ends_with("-lb.xml"),
            Mark::Macro,
        );
        marks.add_if(name.starts_with("scripts/") && !file.is_empty(), Mark::Macro);
        marks.add_if(
            is("embeddings/") || name.starts_with("object ") && file == "content.xml",
            Mark::Embedded,
        );
        marks.add_if(is("activex/"), Mark::Active);
        marks.add_if(file == "encryptedpackage", Mark::Encrypted);
    }
    marks
}

/// Whether the content of a member says something of the document.
pub(super) fn tells(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".rels")
        || name.ends_with("content_types].xml")
        || name == "meta-inf/manifest.xml"
        || name.ends_with("document.xml")
        || name.contains("externallink")
}

/// What the content of a member says of the document.
pub(super) fn by_content(name: &str, octets: &[u8]) -> Marks {
    let mut marks = Marks::NONE;
    let name = name.to_ascii_lowercase();
    let has = |word: &[u8]| memmem::find(octets, word).is_some();
    if name.ends_with(".rels") {
        marks.add_if(external(octets), Mark::External);
    } else if name.ends_with("content_types].xml") {
        marks.add_if(has(b"vbaProject") || has(b"vnd.ms-excel.macrosheet"), Mark::Macro);
    } else if name == "meta-inf/manifest.xml" {
        marks.add_if(has(b"encryption-data"), Mark::Encrypted);
    } else {
        marks.add_if(has(b"DDEAUTO") || has(b"ddeLink"), Mark::Active);
    }
    marks
}

/// A relationship that loads something by itself: all outside but links that a person must follow.
fn external(octets: &[u8]) -> bool {
    const LOADED: [&[u8]; 6] =
        [b"/attachedTemplate", b"/oleObject", b"/frame", b"/externalLink", b"/subDocument", b"/control"];
    memmem::find_iter(octets, b"<Relationship").any(|start| {
        let rest = octets.get(start..).unwrap_or_default();
        let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        let tag = rest.get(..end).unwrap_or_default();
        let outside = memmem::find(tag, b"External").is_some();
        let target = memmem::find(tag, b"Target=").and_then(|at| tag.get(at + 8..)).unwrap_or_default();
        // A template on the author's own disk stands in many letters.
        let far =
            [&b"http"[..], b"ftp", b"\\\\", b"//", b"mhtml", b"file:////", b"file://\\\\", b"file:\\\\"]
                .iter()
                .any(|way| begins(target, way));
        outside && far && LOADED.iter().any(|kind| memmem::find(tag, kind).is_some())
    })
}
