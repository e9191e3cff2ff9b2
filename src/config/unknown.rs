//! What is said of a table that is written wrong and of a key that nobody knows: where it belongs, or the
//! nearest word.

use super::keys::{FILES, Section, Settings};
use super::value;
use crate::rules::nearest;
use toml::de::DeValue;

/// Up to this many keys of a table are told to somebody who wrote an unknown one.
const LISTED_KEYS_MAX: usize = 4;
/// A key that stands in more tables than this is too common a word to say where it belongs.
const PLACES_MAX: usize = 3;

/// A table written with one bracket for two, and the like.
pub fn wrong_table(section: &Section, found: &DeValue<'_>) -> String {
    let title = section.title();
    match found {
        DeValue::Table(_) => format!("`{}` is written with two brackets: {title}", section.name),
        DeValue::Array(_) if !section.repeated => {
            format!("there is one `{0}`, written with one bracket: {title}", section.name)
        }
        _ => format!("`{}` is a table: its keys stand in lines of their own below {title}", section.name),
    }
}

/// A key or table that `here` does not have.
pub fn unknown(file: &Settings, here: &Section, name: &str, found: &DeValue<'_>) -> String {
    let is_table = found.is_table()
        || found.as_array().is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()));
    if here.name.is_empty() && is_table {
        return unknown_table(file, name);
    }
    if let Some(place) = elsewhere(file, here, name) {
        return place;
    }
    let names = || here.keys.iter().map(|key| key.name);
    let hint = match nearest(name, names()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if (1..=LISTED_KEYS_MAX).contains(&here.keys.len()) => {
            format!("; known are {}", names().collect::<Vec<_>>().join(", "))
        }
        None => String::new(),
    };
    format!("unknown key `{}` {}{hint}", value::shown(name), here.place())
}

fn unknown_table(file: &Settings, name: &str) -> String {
    let other = FILES.iter().find_map(|other| other.section(name).map(|section| (other, section)));
    if let Some((other, section)) = other {
        return format!("{} belongs to {}", section.title(), other.name);
    }
    let titles = |files: &[&Settings]| {
        let names = files.iter().flat_map(|file| file.sections).map(|section| section.name);
        nearest(name, names.filter(|name| !name.is_empty()))
    };
    let others: Vec<&Settings> = FILES.iter().filter(|other| other.name != file.name).collect();
    let hint = match titles(&[file]).and_then(|near| file.section(near)) {
        Some(near) => format!("; did you mean {}?", near.title()),
        None => match titles(&others)
            .and_then(|near| others.iter().find_map(|o| Some((o.name, o.section(near)?))))
        {
            Some((other, near)) => format!("; did you mean {}, which belongs to {other}?", near.title()),
            None => String::new(),
        },
    };
    format!("unknown table [{}]{hint}", value::shown(name))
}

/// Where a key belongs that does not stand here.
fn elsewhere(file: &Settings, here: &Section, name: &str) -> Option<String> {
    let places = |file: &Settings| -> Vec<String> {
        let found: Vec<_> =
            file.sections.iter().filter(|s| s.key(name).is_some()).map(Section::place).collect();
        if found.len() <= PLACES_MAX { found } else { Vec::new() }
    };
    let at_top = |file: &Settings| file.section("").is_some_and(|top| top.key(name).is_some());
    let above = |file: &Settings, places: &[String]| {
        if at_top(file) && places.len() == 1 { ", above every [table]" } else { "" }
    };
    let own = places(file);
    if !own.is_empty() {
        return Some(format!(
            "`{name}` does not belong {} but {}{}",
            here.place(),
            own.join(" or "),
            above(file, &own)
        ));
    }
    let known = file.sections.iter().any(|section| section.key(name).is_some());
    let (other, places) = FILES.iter().map(|other| (other, places(other))).find(|(_, p)| !p.is_empty())?;
    (!known).then(|| {
        format!("`{name}` belongs to {}, {}{}", other.name, places.join(" or "), above(other, &places))
    })
}
