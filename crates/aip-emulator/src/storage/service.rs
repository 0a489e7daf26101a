//! What the emulator's other services do with objects themselves.

use super::content::Writer;
use super::copy::share;
use super::object::Settings;
use super::precondition::Preconditions;
use super::store::Store;
use crate::error::ApiError;

impl Store {
    /// Copies every object below a prefix to below another.
    pub(crate) fn copy_all(
        &self,
        (bucket, prefix): (&str, &str),
        (to_bucket, to_prefix): (&str, &str),
    ) -> Result<(), ApiError> {
        let sources: Vec<_> = self.select(bucket, prefix, |objects| objects.cloned().collect())?;
        for source in sources {
            let name = format!("{to_prefix}{}", &source.name[prefix.len()..]);
            let settings = source.settings.clone();
            share(self, &source, to_bucket, &name, settings, &Preconditions::default())?;
        }
        Ok(())
    }

    /// Removes every object below a prefix. What is gone already is no error.
    pub(crate) fn remove_all(&self, bucket: &str, prefix: &str) {
        for object in self.list(bucket, prefix).unwrap_or_default() {
            let _ = self.delete(bucket, &object.name, None, &Preconditions::default());
        }
    }

    /// Begins an object, whose content comes in pieces.
    pub(crate) fn begin(&self, bucket: &str, name: &str) -> Result<NewObject, ApiError> {
        let (bucket, name) = (bucket.to_owned(), name.to_owned());
        Ok(NewObject { writer: Writer::new(self, false)?, store: self.clone(), bucket, name })
    }
}

/// An object that is seen once it is finished.
pub(crate) struct NewObject {
    writer: Writer,
    store: Store,
    bucket: String,
    name: String,
}

impl NewObject {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.writer.write(bytes)
    }

    pub(crate) fn finish(self, content_type: &str) -> Result<(), ApiError> {
        let content = self.writer.finish(&[])?;
        let settings =
            Settings { content_type: Some(content_type.to_owned()), ..Settings::default() };
        let conditions = Preconditions::default();
        self.store.put(&self.bucket, &self.name, settings, content, &conditions).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_written_copied_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for bucket in ["from", "to1"] {
            store.create_bucket(bucket).unwrap();
        }
        for name in ["m/a", "m/b/c", "mm"] {
            let mut object = store.begin("from", name).unwrap();
            object.write(name.as_bytes()).unwrap();
            object.finish("text/plain").unwrap();
        }
        store.copy_all(("from", "m/"), ("to1", "copy/")).unwrap();
        store.remove_all("from", "m/");
        let names = |bucket| {
            let all = store.list(bucket, "").unwrap();
            all.into_iter().map(|object| object.name).collect::<Vec<_>>()
        };
        assert_eq!(
            (names("from"), names("to1")),
            (vec!["mm".to_owned()], vec!["copy/a".to_owned(), "copy/b/c".to_owned()],)
        );
        let path = store.path("to1", "copy/b/c").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"m/b/c");
    }
}
