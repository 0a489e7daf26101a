//! Where predictions go: files named as the service names them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::artifacts::Directory;
use super::instance::Instance;
use crate::error::ApiError;
use crate::storage::{NewObject, Store};

pub(super) struct Output {
    store: Store,
    directory: Directory,
    results: NewObject,
    /// How many instances each error was the end of
    errors: BTreeMap<String, u64>,
}

impl Output {
    /// A new directory below the prefix: `prediction-MODEL-TIME`.
    pub(super) fn create(
        store: &Store,
        prefix: &str,
        model: &str,
        time: &str,
    ) -> Result<Self, ApiError> {
        let parent = Directory::parse("output_uri_prefix", prefix)?;
        let model = model.replace('/', "_");
        let directory =
            Directory { prefix: format!("{}prediction-{model}-{time}/", parent.prefix), ..parent };
        let name = format!("{}prediction.results-00000-of-00001", directory.prefix);
        let results = store.begin(&directory.bucket, &name)?;
        Ok(Self { store: store.clone(), directory, results, errors: BTreeMap::new() })
    }

    pub(super) fn uri(&self) -> String {
        self.directory.uri()
    }

    pub(super) fn predicted(&mut self, instance: Instance, value: Value) -> Result<(), ApiError> {
        let mut line = Map::from_iter(instance.named);
        line.insert("prediction".to_owned(), value);
        self.results.write(format!("{}\n", Value::Object(line)).as_bytes())
    }

    pub(super) fn failed(&mut self, error: String, count: u64) {
        *self.errors.entry(error).or_default() += count;
    }

    /// Errors are counted by their text, in the form of a Python tuple.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        self.results.finish("application/octet-stream")?;
        let name = format!("{}prediction.errors_stats-00000-of-00001", self.directory.prefix);
        let mut errors = self.store.begin(&self.directory.bucket, &name)?;
        for (text, count) in &self.errors {
            let text = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n");
            errors.write(format!("('{text}', {count})\n").as_bytes())?;
        }
        errors.finish("application/octet-stream")
    }
}
