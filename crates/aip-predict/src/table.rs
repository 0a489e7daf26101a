//! CSV rows as instances.

use std::io::Read;

use deployment::Signature;
use serde_json::{Map, Number, Value};
use stage::Failure;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Integer,
    Boolean,
    Text,
    /// No signature says: what looks like a number is one.
    Unknown,
}

/// One row: a record of named columns, or a list where the model takes tensors.
pub(crate) fn rows<'a>(
    content: impl Read + 'a,
    signature: Option<&Signature>,
    file: &'a str,
) -> Result<impl Iterator<Item = Result<String, Failure>> + 'a, Failure> {
    let unreadable = move |error: csv::Error| {
        Failure::input(format!("cannot use the rows in {file}")).cause(&error)
    };
    let mut reader = csv::Reader::from_reader(content);
    let header = reader.headers().map_err(unreadable)?.clone();
    let inputs =
        signature.and_then(|signature| signature.inputs.as_ref()).and_then(Value::as_array);
    let tensor = inputs.is_some_and(|inputs| inputs.first().is_some_and(|i| i["type"] == "tensor"));
    let kinds: Vec<_> = header.iter().map(|name| kind(inputs, tensor, name)).collect();
    if header.is_empty() {
        return Err(Failure::input(format!("{file} is empty")).hint("give a header and rows"));
    }
    check(&header, inputs.filter(|_| !tensor), file)?;
    Ok(reader.into_records().enumerate().map(move |(index, record)| {
        let record = record.map_err(unreadable)?;
        let mut values = Vec::with_capacity(record.len());
        for ((cell, kind), name) in record.iter().zip(&kinds).zip(&header) {
            values.push((
                name,
                value(cell, *kind).ok_or_else(|| {
                    // The header is row 1.
                    let place = format!("row {} of {file}, column '{name}'", index + 2);
                    Failure::input(format!("{place}: '{cell}' does not fit the model's signature"))
                })?,
            ));
        }
        let row = if tensor {
            Value::Array(values.into_iter().map(|(_, value)| value).collect())
        } else {
            let named = values.into_iter().map(|(name, value)| (name.to_owned(), value));
            Value::Object(named.collect::<Map<_, _>>())
        };
        Ok(row.to_string())
    }))
}

fn kind(inputs: Option<&Vec<Value>>, tensor: bool, name: &str) -> Kind {
    let Some(inputs) = inputs else { return Kind::Unknown };
    if tensor {
        return Kind::Number;
    }
    let column = inputs.iter().find(|column| column["name"] == name);
    match column.and_then(|column| column["type"].as_str()) {
        Some("double" | "float") => Kind::Number,
        Some("integer" | "long") => Kind::Integer,
        Some("boolean") => Kind::Boolean,
        Some(_) => Kind::Text,
        None => Kind::Unknown,
    }
}

/// A column that the model needs and the file lacks is said before anything is sent.
fn check(
    header: &csv::StringRecord,
    inputs: Option<&Vec<Value>>,
    file: &str,
) -> Result<(), Failure> {
    let missing: Vec<_> = inputs
        .into_iter()
        .flatten()
        .filter(|column| column["required"] != false)
        .filter_map(|column| column["name"].as_str())
        .filter(|name| !header.iter().any(|column| column == *name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let has: Vec<_> = header.iter().collect();
    Err(Failure::input(format!("{file} lacks the columns '{}'", missing.join("', '")))
        .hint(format!("its header has '{}'", has.join("', '"))))
}

/// An empty cell is no value.
fn value(cell: &str, kind: Kind) -> Option<Value> {
    let trimmed = cell.trim();
    if trimmed.is_empty() && kind != Kind::Text {
        return Some(Value::Null);
    }
    // JSON's grammar keeps every digit; other spellings, such as .5, are read too.
    let number = || {
        let other = || Number::from_f64(trimmed.parse().ok()?);
        trimmed.parse::<Number>().ok().or_else(other).map(Value::Number)
    };
    match kind {
        Kind::Number => number(),
        Kind::Integer => trimmed.parse::<i64>().ok().map(Value::from),
        Kind::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            _ => None,
        },
        Kind::Text => Some(cell.into()),
        Kind::Unknown => Some(number().unwrap_or_else(|| cell.into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &'static str, inputs: Value) -> Result<Vec<Value>, String> {
        let signature = Signature { inputs: Some(inputs), ..Signature::default() };
        let shown = |failure: Failure| format!("{failure:?}");
        rows(text.as_bytes(), Some(&signature), "f")
            .map_err(shown)?
            .map(|row| row.map(|row| serde_json::from_str(&row).unwrap()).map_err(shown))
            .collect()
    }

    #[test]
    fn the_signature_gives_the_types() {
        let inputs = json!([
            {"name": "a", "type": "double"}, {"name": "b", "type": "string"},
            {"name": "c", "type": "boolean"}, {"name": "d", "type": "long", "required": false},
        ]);
        let found = read("a,b,c,d\n1,2,TRUE,\n-.5,\"x,y\",0,7\n", inputs.clone()).unwrap();
        assert_eq!(
            found,
            [
                json!({"a": 1, "b": "2", "c": true, "d": null}),
                json!({"a": -0.5, "b": "x,y", "c": false, "d": 7})
            ]
        );
        let bad = read("a,b,c\n1,2,true\nx,2,true\n", inputs.clone()).unwrap_err();
        assert!(bad.contains("row 3 of f, column 'a': 'x'"), "{bad}");
        assert!(read("a\n1\n", inputs).unwrap_err().contains("lacks the columns 'b', 'c'"));
    }

    #[test]
    fn tensors_are_lists_and_untyped_columns_are_guessed() {
        let tensor =
            json!([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]);
        assert_eq!(read("x,y\n1,2.5\n", tensor).unwrap(), [json!([1, 2.5])]);
        let rows = rows(&b"x,y\n1,no\n"[..], None, "f").unwrap();
        let rows: Vec<_> = rows.map(Result::unwrap).collect();
        assert_eq!(rows, [r#"{"x":1,"y":"no"}"#]);
    }

    #[test]
    fn a_ragged_row_is_an_error() {
        assert!(read("x,y\n1\n", json!([])).unwrap_err().contains("cannot use the rows"));
    }
}
