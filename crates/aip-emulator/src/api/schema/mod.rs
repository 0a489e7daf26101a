//! Reading a request as Google's front end does: unknown names and wrong types
//! are refused before any other rule is looked at.

mod value;

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::ApiError;

type Fields = Map<String, Value>;

/// The part of one of Google's discovery documents that requests are made of,
/// without its prose: per message its fields, and of each field the type, the
/// format, or that only the service sets it.
#[derive(Debug)]
pub(crate) struct Schema {
    text: &'static str,
    messages: OnceLock<Fields>,
}

impl Schema {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, messages: OnceLock::new() }
    }

    /// Reads a request body as the named message. Names may be written in
    /// either case, as everywhere in Google's APIs; they come out in camel
    /// case, without nulls and without what only the service sets.
    pub(crate) fn read(&self, message: &str, body: &[u8]) -> Result<Fields, ApiError> {
        let refuse = |text: String| ApiError::new(400, "INVALID_ARGUMENT", text);
        let value: Value = match body.trim_ascii() {
            [] => return Ok(Map::new()),
            body => serde_json::from_slice(body)
                .map_err(|err| refuse(format!("Invalid JSON payload received. {err}")))?,
        };
        let mut reader = value::Reader::new(self);
        let Some(read) = reader.message("", message, &value) else {
            return Err(refuse("Invalid JSON payload received. Expected an object.".to_owned()));
        };
        let wrong = reader.wrong;
        if wrong.is_empty() {
            return Ok(read);
        }
        let text = wrong.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
        Err(wrong.iter().fold(refuse(text), |error, (path, text)| error.with_field(path, text)))
    }

    /// The fields of a message.
    fn fields(&self, message: &str) -> Option<&Fields> {
        self.messages().get(message)?.as_object()
    }

    fn messages(&self) -> &Fields {
        self.messages.get_or_init(|| serde_json::from_str(self.text).expect("an object"))
    }

    /// The fields whose types nobody knows.
    #[cfg(test)]
    pub(crate) fn unknown_types(&self) -> Vec<String> {
        let messages = self.messages().iter();
        let fields = messages.flat_map(|(message, fields)| {
            let fields = fields.as_object().into_iter().flatten();
            fields.map(move |(field, kind)| (format!("{message}.{field}"), kind))
        });
        let unknown = fields.filter(|(_, kind)| !value::is_known(self, kind));
        unknown.map(|(name, kind)| format!("{name}: {kind}")).collect()
    }
}

/// `30s`, `0.5s`
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// A field's name as it stands in error messages and field masks.
pub(super) fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
