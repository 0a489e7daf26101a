//! Instances, one after the other, each as JSON text: what the user wrote is
//! what the service gets, digit for digit.

use std::io::{self, BufRead, BufReader, Read};

use deployment::Signature;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use stage::Failure;

use crate::format::Format;
use crate::table;

pub(crate) struct Instances<'a> {
    pub(crate) each: Box<dyn Iterator<Item = Result<String, Failure>> + 'a>,
    /// What stood beside `instances` in a JSON file: goes into each request.
    pub(crate) beside: Map<String, Value>,
}

pub(crate) fn read<'a>(
    content: Box<dyn Read + 'a>,
    format: Format,
    signature: Option<&Signature>,
    file: &'a str,
) -> Result<Instances<'a>, Failure> {
    let mut content = BufReader::with_capacity(128 * 1024, content);
    // Nothing at all is what a stage that failed leaves to the next.
    if content.fill_buf().map_err(|error| unreadable(file, &error))?.is_empty() {
        return Err(Failure::input(format!("{file} is empty")).hint("give it instances"));
    }
    let content = Box::new(content);
    let each: Box<dyn Iterator<Item = _>> = match format {
        Format::Json => return json(content, file),
        Format::Jsonl => Box::new(lines(content, file)),
        Format::Csv => Box::new(table::rows(content, signature, file)?),
    };
    Ok(Instances { each, beside: Map::new() })
}

fn json<'a>(mut content: Box<dyn Read + 'a>, file: &str) -> Result<Instances<'a>, Failure> {
    let mut text = String::new();
    content.read_to_string(&mut text).map_err(|error| unreadable(file, &error))?;
    let unusable = |error: serde_json::Error| {
        Failure::input(format!("cannot use the instances in {file}"))
            .cause(&error)
            .hint("give {\"instances\": [...]} or a list, or choose another --format")
    };
    let mut beside = Map::new();
    let list: Vec<Box<RawValue>> = if text.trim_start().starts_with('{') {
        let mut fields: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&text).map_err(unusable)?;
        let Some(list) = fields.remove("instances") else {
            return Err(Failure::input(format!("{file} has no \"instances\""))
                .hint("give {\"instances\": [...]} or a list"));
        };
        for (key, value) in fields {
            beside.insert(key, serde_json::from_str(value.get()).map_err(unusable)?);
        }
        serde_json::from_str(list.get()).map_err(unusable)?
    } else {
        serde_json::from_str(&text).map_err(unusable)?
    };
    let each = list.into_iter().map(|instance| Ok(Box::<str>::from(instance).into_string()));
    Ok(Instances { each: Box::new(each), beside })
}

/// Bytes that are not text are the input's fault, others the machine's.
fn unreadable(file: &str, error: &io::Error) -> Failure {
    let failure = match error.kind() {
        io::ErrorKind::InvalidData => Failure::input(format!("{file} is not UTF-8 text")),
        _ => Failure::failed(format!("cannot read {file}")),
    };
    failure.cause(error)
}

fn lines<'a>(
    content: Box<dyn BufRead + 'a>,
    file: &'a str,
) -> impl Iterator<Item = Result<String, Failure>> + 'a {
    let lines = content.lines().enumerate();
    lines.filter_map(move |(index, line)| {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                return Some(Err(unreadable(file, &error)));
            }
        };
        let text = line.trim();
        if text.is_empty() {
            return None;
        }
        Some(match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => {
                let number = index + 1;
                Err(Failure::input(format!("line {number} of {file} is not JSON")).cause(&error))
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &'static str, format: Format) -> Result<Vec<String>, String> {
        let content = Box::new(text.as_bytes());
        let instances = read(content, format, None, "f").map_err(|f| format!("{f:?}"))?;
        instances.each.collect::<Result<_, _>>().map_err(|f| format!("{f:?}"))
    }

    #[test]
    fn a_list_and_an_object_say_the_same() {
        let want = ["[1.50, 12345678901234567890123]", "{\"a\": 1}"];
        let list = "[[1.50, 12345678901234567890123], {\"a\": 1}]";
        assert_eq!(all(list, Format::Json).unwrap(), want);
        let object = "{\"instances\": [[1.50, 12345678901234567890123], {\"a\": 1}]}";
        assert_eq!(all(object, Format::Json).unwrap(), want);
        assert!(all("{\"rows\": []}", Format::Json).unwrap_err().contains("no \\\"instances\\\""));
        assert!(all("", Format::Jsonl).unwrap_err().contains("f is empty"));
        assert!(all("[1,", Format::Json).is_err() && all("3", Format::Json).is_err());
    }

    #[test]
    fn what_stands_beside_the_instances_is_kept() {
        let content = Box::new(&b"{\"signature_name\": \"s\", \"instances\": []}"[..]);
        let instances = read(content, Format::Json, None, "f").unwrap();
        assert_eq!(instances.beside["signature_name"], "s");
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(all("[1]\n\n \"é\" \n", Format::Jsonl).unwrap(), ["[1]", "\"é\""]);
        assert!(all("[1]\n{no}\n", Format::Jsonl).unwrap_err().contains("line 2 of f"));
    }
}
