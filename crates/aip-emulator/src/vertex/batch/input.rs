//! Where instances come from.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use globset::GlobBuilder;
use serde_json::{Value, json};

use super::super::refusal::invalid;
use crate::error::ApiError;
use crate::storage::Store;

/// One line of the input, as it was and as what it says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub value: Value,
    /// What the output shows in the place of the instance
    pub shown: Option<Value>,
}

pub(crate) fn check(uri: &str) -> Result<(), ApiError> {
    split(uri).map(drop)
}

fn split(uri: &str) -> Result<(&str, &str), ApiError> {
    let parts = uri.strip_prefix("gs://").and_then(|rest| rest.split_once('/'));
    parts
        .filter(|(bucket, path)| !bucket.is_empty() && !path.is_empty())
        .ok_or_else(|| invalid(&format!("'{uri}' is not a Cloud Storage URI (gs://bucket/path).")))
}

/// Reads every record of the files that the URIs name, which may have
/// wildcards, and hands it to `take`.
pub(super) fn read(
    store: &Store,
    uris: &[String],
    format: &str,
    take: &mut impl FnMut(Record) -> Result<(), String>,
) -> Result<(), String> {
    for uri in uris {
        let (bucket, path) = split(uri).map_err(|err| err.message().to_owned())?;
        let names = find(store, bucket, path)?;
        if names.is_empty() {
            return Err(format!("The input '{uri}' was not found."));
        }
        for name in names {
            let file = store.path(bucket, &name).and_then(|path| File::open(path).ok());
            let file = file.ok_or_else(|| format!("The input 'gs://{bucket}/{name}' is gone."))?;
            let at = format!("gs://{bucket}/{name}");
            match format {
                "csv" => csv(file, &at, take)?,
                "file-list" => file_list(store, file, &at, take)?,
                _ => jsonl(file, &at, take)?,
            }
        }
    }
    Ok(())
}

fn find(store: &Store, bucket: &str, path: &str) -> Result<Vec<String>, String> {
    if !path.contains(['*', '?', '[']) {
        let is_there = store.path(bucket, path).is_some();
        return Ok(is_there.then(|| path.to_owned()).into_iter().collect());
    }
    let glob = GlobBuilder::new(path).literal_separator(true).build();
    let glob = glob.map_err(|err| err.to_string())?.compile_matcher();
    let prefix = path.split(['*', '?', '[']).next().unwrap_or_default();
    let objects = store.list(bucket, prefix).map_err(|err| err.to_string())?;
    let names = objects.into_iter().map(|object| object.name);
    Ok(names.filter(|name| glob.is_match(name)).collect())
}

fn lines(file: File, at: &str) -> impl Iterator<Item = Result<String, String>> {
    let lines = BufReader::new(file).lines();
    let filled = lines.filter(|line| line.as_ref().map_or(true, |line| !line.trim().is_empty()));
    filled.map(move |line| line.map_err(|err| format!("Cannot read '{at}': {err}")))
}

fn jsonl(
    file: File,
    at: &str,
    take: &mut impl FnMut(Record) -> Result<(), String>,
) -> Result<(), String> {
    for (number, line) in lines(file, at).enumerate() {
        let value = serde_json::from_str(&line?)
            .map_err(|err| format!("Line {} of '{at}' is not JSON: {err}", number + 1))?;
        take(Record { value, shown: None })?;
    }
    Ok(())
}

/// Quoted values are text, all others are numbers. The header only names.
fn csv(
    file: File,
    at: &str,
    take: &mut impl FnMut(Record) -> Result<(), String>,
) -> Result<(), String> {
    for (number, line) in lines(file, at).enumerate().skip(1) {
        let value = csv_row(&line?)
            .ok_or_else(|| format!("Line {} of '{at}' is no row of values.", number + 1))?;
        take(Record { value, shown: None })?;
    }
    Ok(())
}

fn csv_row(line: &str) -> Option<Value> {
    let mut cells = Vec::new();
    let mut rest = line.trim_end();
    loop {
        let after = if let Some(text) = rest.strip_prefix('"') {
            let (text, after) = quoted(text)?;
            cells.push(Value::from(text));
            after
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            cells.push(rest[..end].trim().parse::<serde_json::Number>().ok()?.into());
            &rest[end..]
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(cells.into()),
            None => return None,
        }
    }
}

/// The text up to the closing quote, and what follows that; two quotes are one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => rest = more,
            None => return Some((value, after)),
        }
        value.push('"');
    }
}

/// Each line names an object, whose bytes are the instance.
fn file_list(
    store: &Store,
    file: File,
    at: &str,
    take: &mut impl FnMut(Record) -> Result<(), String>,
) -> Result<(), String> {
    for line in lines(file, at) {
        let line = line?;
        let uri = line.trim();
        let (bucket, name) = split(uri).map_err(|err| err.message().to_owned())?;
        let path = store.path(bucket, name).ok_or_else(|| format!("'{uri}' was not found."))?;
        let bytes = std::fs::read(path).map_err(|err| format!("Cannot read '{uri}': {err}"))?;
        let value = json!({ "b64": STANDARD.encode(bytes) });
        take(Record { value, shown: Some(uri.into()) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(objects: &[(&str, &str)]) -> (Store, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.create_bucket("bucket").unwrap();
        for (name, content) in objects {
            let mut object = store.begin("bucket", name).unwrap();
            object.write(content.as_bytes()).unwrap();
            object.finish("text/plain").unwrap();
        }
        (store, dir)
    }

    fn records(store: &Store, uri: &str, format: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        read(store, &[uri.to_owned()], format, &mut |record| {
            found.push(record.value.to_string());
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn lines_keep_their_digits() {
        let (store, _dir) =
            store(&[("in/a.jsonl", "[1.0]\n\n9007199254740993\n"), ("in/b.jsonl", "{}\n")]);
        let all = records(&store, "gs://bucket/in/*.jsonl", "jsonl").unwrap();
        assert_eq!(all, ["[1.0]", "9007199254740993", "{}"]);
        assert!(records(&store, "gs://bucket/none.jsonl", "jsonl").is_err());
        assert!(records(&store, "gs://bucket/x*", "jsonl").is_err());
    }

    #[test]
    fn a_table_has_numbers_and_quoted_text() {
        let rows = "\"a\",\"b\",\"c\"\n0.1,1.2,\"cat \"\"1\"\"\"\n4,5,\"x,y\"\n";
        let (store, _dir) = store(&[("t.csv", rows), ("bad.csv", "\"a\"\ncat\n")]);
        let all = records(&store, "gs://bucket/t.csv", "csv").unwrap();
        assert_eq!(all, ["[0.1,1.2,\"cat \\\"1\\\"\"]", "[4,5,\"x,y\"]"]);
        let error = records(&store, "gs://bucket/bad.csv", "csv").unwrap_err();
        assert!(error.starts_with("Line 2 of "), "{error}");
    }

    #[test]
    fn files_are_instances() {
        let (store, _dir) = store(&[("one.bin", "abc"), ("list", "gs://bucket/one.bin\n")]);
        let all = records(&store, "gs://bucket/list", "file-list").unwrap();
        assert_eq!(all, ["{\"b64\":\"YWJj\"}"]);
    }
}
