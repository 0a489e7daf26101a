//! Reading the document as it comes: its text, which may have tens of
//! megabytes, is not held beside what is made of it, but for fields that come
//! before kind and version.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_path_to_error::{Segment, Track};

use crate::document::{API_VERSION, Deployment, KIND};
use crate::input::{InputError, MAX_BYTES};

const BUFFER: usize = 64 * 1024;

impl Deployment {
    pub fn parse(input: &[u8]) -> Result<Self, InputError> {
        Self::read(input)
    }

    /// Reads exactly one document, to the end.
    pub fn read(input: impl Read) -> Result<Self, InputError> {
        let mut input = BufReader::with_capacity(BUFFER, Bounded { input, left: MAX_BYTES });
        let first = first_byte(&mut input).map_err(unread)?.ok_or(InputError::Empty)?;
        let mut reader = serde_json::Deserializer::from_reader(input);
        if first != b'{' {
            IgnoredAny::deserialize(&mut reader).map_err(not_json)?;
            reader.end().map_err(second)?;
            return Err(InputError::NotObject(type_name(first)));
        }
        let (mut track, mut refusal) = (Track::new(), None);
        let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
        let read = tracked.deserialize_map(Fields { refusal: &mut refusal });
        let document = read.map_err(|error| match (refusal, error.classify()) {
            (Some(refusal), _) => refusal,
            (None, Category::Data) => {
                InputError::Field(serde_path_to_error::Error::new(track.path(), error))
            }
            _ => not_json(error),
        })?;
        reader.end().map_err(second)?;
        Ok(document)
    }
}

/// Refuses to read more than there may be.
struct Bounded<R> {
    input: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.left = self.left.checked_sub(count).ok_or(ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

/// The first that is not white space, which is passed over; it stays.
fn first_byte(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = input.fill_buf()?;
        let spaces = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if let Some(first) = buffer.get(spaces) {
            return Ok(Some(*first));
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        input.consume(spaces);
    }
}

fn unread(error: io::Error) -> InputError {
    match error.kind() {
        ErrorKind::FileTooLarge => InputError::TooLarge,
        _ => InputError::Unreadable(error),
    }
}

fn not_json(error: serde_json::Error) -> InputError {
    if error.is_io() { unread(error.into()) } else { InputError::NotJson(error) }
}

fn second(error: serde_json::Error) -> InputError {
    if error.is_io() { unread(error.into()) } else { InputError::SecondValue }
}

/// Of a value that is no object, by how its text begins.
fn type_name(first: u8) -> &'static str {
    match first {
        b'n' => "null",
        b't' | b'f' => "a boolean",
        b'"' => "a string",
        b'[' => "an array",
        _ => "a number",
    }
}

/// The document's own fields. Kind and version are looked at before the others:
/// what another version calls a field is not ours to judge.
struct Fields<'a> {
    refusal: &'a mut Option<InputError>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Deployment;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Deployment, A::Error> {
        let (mut document, mut head) = (Deployment::default(), Head::default());
        let (mut seen, mut early) = (HashSet::new(), Vec::new());
        let mut check = |head: &Head| {
            head.check().map_err(|refusal| {
                *self.refusal = Some(refusal);
                A::Error::custom("refused")
            })
        };
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            match name.as_str() {
                "kind" => head.kind = Some(map.next_value()?),
                "apiVersion" => head.version = Some(map.next_value()?),
                _ if head.is_whole() => {
                    map.next_value_seed(Field { document: &mut document, name })?;
                    continue;
                }
                _ => {
                    early.push((name, map.next_value::<Box<RawValue>>()?));
                    continue;
                }
            }
            if head.is_whole() {
                check(&head)?;
            }
        }
        check(&head)?;
        for (name, text) in early {
            let mut reader = serde_json::Deserializer::from_str(text.get());
            let (mut track, field) = (Track::new(), name.clone());
            let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
            Field { document: &mut document, name }.deserialize(tracked).map_err(|error| {
                let path = track.path();
                let dot = match path.iter().next() {
                    Some(Segment::Map { .. }) => ".",
                    Some(_) => "",
                    None => return A::Error::custom(format_args!("{field}: {error}")),
                };
                A::Error::custom(format_args!("{field}{dot}{path}: {error}"))
            })?;
        }
        Ok(document)
    }
}

/// What kind of document it is.
#[derive(Default)]
struct Head {
    kind: Option<Value>,
    version: Option<Value>,
}

impl Head {
    fn is_whole(&self) -> bool {
        self.kind.is_some() && self.version.is_some()
    }

    fn check(&self) -> Result<(), InputError> {
        let text = |value: &Option<Value>| Some(value.as_ref()?.as_str()?.to_owned());
        let (kind, version) = (text(&self.kind), text(&self.version));
        if kind.as_deref() != Some(KIND) {
            return Err(InputError::OtherKind(kind));
        }
        if version.as_deref() != Some(API_VERSION) {
            return Err(InputError::OtherVersion(version));
        }
        Ok(())
    }
}

/// One field of the document, into it.
struct Field<'a> {
    document: &'a mut Deployment,
    name: String,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        let document = self.document;
        match self.name.as_str() {
            "spec" => document.spec = Deserialize::deserialize(value)?,
            "stages" => document.stages = Deserialize::deserialize(value)?,
            "results" => document.results = Deserialize::deserialize(value)?,
            _ => {
                document.extra.insert(self.name, Value::deserialize(value)?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(rest: &str) -> String {
        format!(r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}"{rest}}}"#)
    }

    #[test]
    fn unknown_fields_survive_at_every_level() {
        let text = document(
            r#","x":{"deep":[1,{"y":null}]},
            "spec":{"project":"p","later":"é\u0000日本","aiPlatform":{"soon":true}},
            "stages":{"fetch":{"modelUri":"m","directory":"/d","digest":"d","new":1.0,
                "files":[{"path":"a","size":18446744073709551615,"sha256":"s","crc32c":"c","big":123456789012345678901234567890}],
                "lineage":{"runId":"r","z":[]}},"other":{"k":1e400}},
            "results":[{"stage":"s","severity":"fatal","message":"m","code":7}]"#,
        );
        let before: Value = serde_json::from_str(&text).unwrap();
        let document = Deployment::parse(text.as_bytes()).unwrap();
        let after = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), {
            let mut expected = before;
            // The one thing that is added: fields with a default value.
            expected["stages"]["fetch"]["flavors"] = serde_json::json!({});
            expected
        });
        assert!(after.contains("123456789012345678901234567890") && after.contains("1e+400"));
    }

    #[test]
    fn a_model_of_many_files_fits() {
        use crate::{Fetch, File, Object, Upload};

        let path = |n| format!("data/shards/of-a-long-name-{n:06}/part-00000.parquet");
        let (size, crc32c) = (u64::from(u32::MAX), "AAAAAA==".to_owned());
        let file = |n| {
            let (path, crc32c) = (path(n), crc32c.clone());
            File { path, size, sha256: "0".repeat(64), crc32c, ..File::default() }
        };
        let object = |n| {
            let uri = format!("gs://a-bucket-of-ours/production/route/v1/model/{}", path(n));
            let (crc32c, generation) = (crc32c.clone(), Some(1_700_000_000_000_000));
            Object { uri, size, crc32c, generation, ..Object::default() }
        };
        let mut document: Deployment = Deployment::parse(document("").as_bytes()).unwrap();
        let stages = &mut document.stages;
        stages.fetch = Some(Fetch { files: (0..100_000).map(file).collect(), ..Fetch::default() });
        let objects = (0..100_000).map(object).collect();
        stages.upload = Some(Upload { objects, ..Upload::default() });
        let text = serde_json::to_vec(&document).unwrap();
        assert!(text.len() < MAX_BYTES, "{}", text.len());
        assert!(Deployment::parse(&text).is_ok());
    }

    #[test]
    fn fields_may_come_in_any_order() {
        let first = document(r#","spec":{"project":"p"},"x":1.50,"results":[],"stages":{}"#);
        let last = format!(
            r#"{{"x":1.50,"spec":{{"project":"p"}},"kind":"{KIND}","stages":{{}},"apiVersion":"{API_VERSION}"}}"#
        );
        let [first, last] = [first, last].map(|text| Deployment::parse(text.as_bytes()).unwrap());
        assert_eq!(first, last);
        for (field, said) in [
            (r#""spec":{"target":"mars"}"#, "spec.target: unknown variant `mars`"),
            (r#""results":[{"stage":1}]"#, "results[0].stage: invalid type"),
            (r#""stages":1"#, "stages: invalid type"),
        ] {
            let early = format!("{{{field},{}", &document("")[1..]);
            for wrong in [early, document(&format!(",{field}"))] {
                let error = Deployment::parse(wrong.as_bytes()).unwrap_err();
                let source = std::error::Error::source(&error).unwrap().to_string();
                assert!(source.starts_with(said), "{source}");
            }
        }
    }

    #[test]
    fn what_breaks_off_is_no_document() {
        let whole = document(r#","spec":{"project":"p"},"results":[]"#);
        for length in 1..whole.len() {
            let error = Deployment::parse(&whole.as_bytes()[..length]).unwrap_err();
            assert!(matches!(error, InputError::NotJson(_)), "{length}: {error}");
        }
    }
}
