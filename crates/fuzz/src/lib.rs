//! What must hold of everything that is read from outside, whatever the bytes.
//!
//! `make fuzz` looks for bytes for which it does not; the tests go over what was
//! found worth keeping, in `corpus/`, at every run.

#![expect(clippy::missing_panics_doc, reason = "a panic is how a fuzzer is told")]

use std::path::{Component, Path};

use deployment::Deployment;
use gcp::storage::{Body, Insert};
use mlflow::{MlModel, ModelUri};
use serde_json::Value;

type Target = fn(&[u8]);

/// Every target with the name of its corpus.
pub const TARGETS: [(&str, Target); 8] = [
    ("content_range", content_range),
    ("document", document),
    ("listing", listing),
    ("mlmodel", mlmodel),
    ("model_uri", model_uri),
    ("multipart", multipart),
    ("storage_listing", storage_listing),
    ("upload_note", upload_note),
];

/// A range that is taken lies within its total and can be counted; what a server
/// says and what a client reads begins at the same byte.
pub fn content_range(input: &[u8]) {
    let Ok(header) = std::str::from_utf8(input) else { return };
    let begins = mlflow::source::range_begins(header);
    let there = gcp::storage::fuzzing::persisted(header);
    assert!(there == 0 || header.starts_with("bytes=0-"), "{header}");
    let Some(range) = aip_emulator::storage::fuzzing::content_range(header) else { return };
    if !header.starts_with("bytes *") {
        assert_eq!(begins, Some(range.first), "{header}");
    }
    if let (Some(end), Some(total)) = (range.end, range.total) {
        assert!(range.first < end && end <= total, "{header}");
    }
    if let (Some(length), Some(end)) = (range.length, range.end) {
        assert_eq!(range.first + length, end, "{header}");
    }
}

/// What is read is written again, unknown fields and digits included.
pub fn document(input: &[u8]) {
    let Ok(document) = Deployment::parse(input) else { return };
    let written = serde_json::to_vec(&document).expect("a document can be written");
    let again = Deployment::parse(&written).expect("what was written can be read");
    let twice = serde_json::to_vec(&again).expect("a document can be written");
    assert_eq!(String::from_utf8(written), String::from_utf8(twice.clone()));
    let before: Value = serde_json::from_slice(input).expect("it was parsed");
    let after: Value = serde_json::from_slice(&twice).expect("it was written");
    assert_eq!(unknown(&before), unknown(&after));
}

/// The fields at the top that no type of ours knows.
fn unknown(document: &Value) -> Vec<(&String, &Value)> {
    let known = ["apiVersion", "kind", "spec", "stages", "results"];
    let fields = document.as_object().into_iter().flatten();
    let mut fields: Vec<_> = fields.filter(|(name, _)| !known.contains(&name.as_str())).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

/// Whatever a server lists, no file lands outside the model's directory.
pub fn listing(input: &[u8]) {
    for root in ["", "model", "1/models/m-1/artifacts"] {
        for entry in mlflow::source::read_listing(input, root).into_iter().flatten() {
            let mut parts = Path::new(&entry.path).components();
            assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{}", entry.path);
            assert!(!entry.path.is_empty() && !entry.path.contains('\0'), "{}", entry.path);
        }
    }
}

pub fn mlmodel(input: &[u8]) {
    let Ok(model) = MlModel::parse(input) else { return };
    // What later stages ask of it.
    let _ = (model.pyfunc().is_some(), model.python_version().map(str::len));
}

/// A URI of MLflow's that is taken is one that can be shown and taken again.
/// (Places are shown without their query: it may hold a secret.)
pub fn model_uri(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(uri) = text.parse::<ModelUri>() else { return };
    if matches!(uri, ModelUri::Location(_)) {
        return;
    }
    let shown = uri.to_string();
    let again = shown.parse::<ModelUri>();
    assert_eq!(again.ok().map(|uri| uri.to_string()), Some(shown), "{text}");
}

/// Wherever the network cuts a body, its parts are the same.
pub fn multipart(input: &[u8]) {
    let Some((&step, body)) = input.split_first() else { return };
    let step = usize::from(step).max(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let parts = |step| runtime.block_on(aip_emulator::storage::fuzzing::multipart(body, "B", step));
    assert_eq!(parts(step), parts(body.len().max(1)));
}

/// Whatever Cloud Storage lists: only a checksum that was told agrees with one,
/// and there is no next page that is the first again.
pub fn storage_listing(input: &[u8]) {
    let Some((objects, next)) = gcp::storage::fuzzing::listing(input) else { return };
    assert_ne!(next.as_deref(), Some(""));
    for object in objects {
        assert!(!object.holds(object.size, ""), "{}", object.name);
    }
}

/// A note that an upload goes on with is its own, young, and of no more bytes
/// than there are.
pub fn upload_note(input: &[u8]) {
    const NOW: u64 = 1_800_000_000;
    let insert = Insert {
        bucket: "b",
        name: "n",
        content: Body::Bytes(b"123456789"),
        size: 9,
        crc32c: "4waSgw==",
        replaces: 0,
    };
    let Some((offset, bound)) = gcp::storage::fuzzing::note(input, &insert, NOW) else { return };
    assert!(offset <= insert.size && offset <= bound);
    let note: Value = serde_json::from_slice(input).expect("it was parsed");
    assert_eq!((&note["upload"]["name"], &note["upload"]["size"]), (&"n".into(), &9.into()));
    let created = note["created"].as_u64().expect("it was read");
    assert!(created <= NOW && NOW - created < 7 * 24 * 3600);
}
