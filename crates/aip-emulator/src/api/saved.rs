//! Something in memory and its file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::say::say;

#[derive(Debug)]
pub(crate) struct Saved<T> {
    file: PathBuf,
    content: Mutex<T>,
}

impl<T: Default + Serialize + DeserializeOwned> Saved<T> {
    /// Takes up what an earlier run left, after `prepare` has seen it. A file
    /// that cannot be read is put aside, not overwritten.
    pub(crate) fn open(file: PathBuf, prepare: impl FnOnce(&mut T)) -> Self {
        let read = std::fs::read(&file).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        let mut content: T = read.unwrap_or_else(|err| {
            if err.kind() != io::ErrorKind::NotFound {
                say(&format!("cannot read '{}', starting without it: {err}", file.display()));
                let _ = std::fs::rename(&file, file.with_extension("unreadable.json"));
            }
            T::default()
        });
        prepare(&mut content);
        Self { file, content: Mutex::new(content) }
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// For what need not survive a restart.
    pub(crate) fn touch<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock())
    }

    /// Changes the content and saves it. `change` must leave it as it was
    /// when it refuses.
    pub(crate) fn change<R>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, ApiError>,
    ) -> Result<R, ApiError> {
        let mut content = self.lock();
        let done = change(&mut content)?;
        self.save(&content).map_err(|err| {
            say(&format!("cannot write '{}': {err}", self.file.display()));
            ApiError::new(500, "INTERNAL", "The emulator cannot write its data directory.")
        })?;
        Ok(done)
    }

    fn save(&self, content: &T) -> io::Result<()> {
        let dir = self.file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)?;
        let mut new = tempfile::NamedTempFile::new_in(dir)?;
        serde_json::to_writer_pretty(&mut new, content)?;
        new.persist(&self.file).map_err(|err| err.error)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_a_broken_file_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Saved::<Vec<String>>::open(dir.path().join("list.json"), |_| {});
        open().change(|list| Ok(std::mem::replace(list, vec!["ä".to_owned()]))).unwrap();
        assert_eq!(open().read(Clone::clone), ["ä"]);

        std::fs::write(dir.path().join("list.json"), "[").unwrap();
        assert!(open().read(Vec::is_empty));
        assert!(dir.path().join("list.unreadable.json").exists());
    }
}
