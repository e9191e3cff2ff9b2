//! The suites of RFC 7208 and RFC 4408.

use super::{documents, octets};
use portcullis::authentication::{Answer, Data, Kind, Known, Question, Subject, check_spf};
use serde_json::Value;
use std::collections::HashMap;

/// Zone data of one scenario.
pub struct Zone(HashMap<String, Vec<Value>>);

impl Zone {
    fn of(value: &Value) -> Self {
        let names = value.as_object().unwrap().iter();
        Self(
            names.map(|(name, records)| (name.to_lowercase(), records.as_array().unwrap().clone())).collect(),
        )
    }

    fn answer(&self, question: &Question) -> Answer {
        let mut name = question.name.to_string();
        for _ in 0..10 {
            let Some(records) = self.0.get(&name) else { return Answer::NoName };
            let of = |kind: &str| -> Vec<&Value> { records.iter().filter_map(|r| r.get(kind)).collect() };
            if let Some(alias) = of("CNAME").first() {
                name = alias.as_str().unwrap().trim_end_matches('.').to_lowercase();
                continue;
            }
            let found = match question.kind {
                // Of the old record type SPF, unless there is a TXT record or it is said that there is none.
                Kind::Txt if of("TXT").is_empty() => of("SPF"),
                Kind::Txt => of("TXT"),
                Kind::A => of("A"),
                Kind::Aaaa => of("AAAA"),
                Kind::Mx => of("MX"),
                Kind::Ptr => of("PTR"),
            };
            let data: Vec<Data> = found.iter().filter_map(|value| data(question.kind, value)).collect();
            let late = records.iter().any(|r| r.as_str() == Some("TIMEOUT"));
            return match (data.is_empty(), late) {
                (false, _) => Answer::Records(data.into()),
                (true, true) => Answer::Trouble,
                (true, false) => Answer::NoRecords,
            };
        }
        Answer::Trouble
    }
}

fn data(kind: Kind, value: &Value) -> Option<Data> {
    let name =
        |value: &Value| Data::Name(value.as_str().unwrap().trim_end_matches('.').to_lowercase().into());
    match kind {
        Kind::Txt => {
            let text = match value {
                Value::Array(parts) => parts.iter().map(|p| p.as_str().unwrap()).collect(),
                Value::String(text) => text.clone(),
                _ => return None,
            };
            (text != "NONE").then(|| Data::Text(octets(&text).into()))
        }
        Kind::A | Kind::Aaaa => value.as_str().unwrap().parse().ok().map(Data::Address),
        Kind::Mx => Some(name(value.get(1).unwrap())),
        Kind::Ptr => Some(name(value)),
    }
}

fn run(suite: &str) -> Option<(usize, Vec<String>)> {
    let (mut passed, mut failed) = (0, Vec::new());
    for document in documents(suite)? {
        let zone = Zone::of(&document["zonedata"]);
        for (name, test) in document["tests"].as_object().unwrap() {
            let got = evaluate(&zone, test);
            let wanted = match &test["result"] {
                Value::Array(several) => several.iter().map(|r| r.as_str().unwrap()).collect(),
                one => vec![one.as_str().unwrap()],
            };
            if wanted.contains(&got.0) {
                passed += 1;
            } else {
                failed.push(format!("{name}: {wanted:?}, got {got:?}"));
            }
        }
    }
    Some((passed, failed))
}

fn evaluate(zone: &Zone, test: &Value) -> (&'static str, &'static str) {
    let text = |key: &str| test[key].as_str().unwrap_or_default();
    let hello = text("helo");
    let (local, domain) = text("mailfrom").rsplit_once('@').unwrap_or(("", ""));
    let domain = if text("mailfrom").is_empty() { hello } else { domain };
    let subject = Subject { ip: text("host").parse().unwrap(), hello, local, domain };
    let mut known = Known::default();
    for _ in 0..100 {
        if let Ok(outcome) = check_spf(&known, subject) {
            return (outcome.result.name(), outcome.reason);
        }
        for question in known.take_wanted() {
            let answer = zone.answer(&question);
            known.add(question, answer);
        }
    }
    ("never done", "")
}

#[test]
fn rfc_7208() {
    let Some((passed, failed)) = run("spf") else { return };
    println!("{passed} pass");
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(passed, 203);
}
