//! Shows a message that is in memory to a visitor, part by part.

use crate::message::content::{PartInfo, Reading, Visitor};
use crate::message::mime::{Extract, Take, Walker};

/// Feeds every part and its main reading.
pub fn feed(message: &[u8], visitor: &mut dyn Visitor) {
    let structure = Walker::walk(message);
    for part in &structure.parts {
        let info = PartInfo {
            number: part.number,
            parent: part.parent,
            depth: part.depth,
            kinds: vec![part.kind.as_str().into()],
            names: part.name.iter().map(|name| name.as_str().into()).collect(),
            charset: part.charset.as_deref().map(Box::from),
            attachment: part.attachment && (!part.is_text() || part.name.is_some()),
            range: None,
            body: None,
        };
        visitor.part(&info);
        if !part.is_container()
            && let Some(octets) = Extract::whole(&structure, part.number, Take::Body, message)
        {
            visitor.octets(&info, Reading::Main, &octets);
        }
    }
}
