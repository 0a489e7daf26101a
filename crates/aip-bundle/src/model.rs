//! The model's files, as the fetch stage left them here.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use deployment::names::is_inner_path;
use deployment::{Fetch, File};

use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Model<'a> {
    pub(crate) directory: PathBuf,
    /// Sorted by path, as mlf-fetch does: then they are the document's own.
    pub(crate) files: Cow<'a, [File]>,
    /// In a dry run the files may not be here yet.
    pub(crate) is_here: bool,
}

impl<'a> Model<'a> {
    /// Checks what the document says against what is there. The files were
    /// hashed when they came; here their sizes tell whether they still are what
    /// came.
    pub(crate) fn open(fetched: &'a Fetch, dry_run: bool) -> Result<Self, Error> {
        let mut files = Cow::from(&fetched.files);
        if !files.is_sorted_by(|one, other| one.path <= other.path) {
            files.to_mut().sort_by(|one, other| one.path.cmp(&other.path));
        }
        if let Some(bad) = files.iter().find(|file| !is_inner_path(&file.path)) {
            return Err(Error::Escapes(bad.path.clone()));
        }
        // A dry fetch may not have looked into the model.
        if !(dry_run && files.is_empty()) {
            check_is_pyfunc(fetched)?;
        }
        let directory = PathBuf::from(&fetched.directory);
        let is_here = directory.is_dir();
        if !is_here && !dry_run {
            return Err(Error::NoDirectory(directory));
        }
        let model = Self { directory, files, is_here };
        if is_here && !dry_run {
            model.files.iter().try_for_each(|file| model.check(file))?;
        }
        Ok(model)
    }

    fn check(&self, file: &File) -> Result<(), Error> {
        if !file.is_here() {
            // aip-upload copies it from where it lies, if that is pinned.
            return match file.generation {
                Some(_) => Ok(()),
                None => Err(Error::NotHere { path: file.path.clone(), what: "the bundle" }),
            };
        }
        if file.sha256.is_empty() {
            return Err(Error::NoDigest(file.path.clone()));
        }
        let changed = |found: String| Error::Changed { path: file.path.clone(), found };
        match fs::metadata(self.directory.join(&file.path)) {
            Ok(found) if !found.is_file() => Err(changed("it is no file".into())),
            Ok(found) if found.len() != file.size => {
                Err(changed(format!("{} bytes instead of {}", found.len(), file.size)))
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(changed("it is gone".into()))
            }
            Err(source) => Err(Error::Read { path: file.path.clone(), source }),
        }
    }

    /// Makes sure that every file's bytes are here, for `what` needs them.
    pub(crate) fn is_here_for(&self, what: &'static str) -> Result<(), Error> {
        match self.files.iter().find(|file| !file.is_here()) {
            Some(file) => Err(Error::NotHere { path: file.path.clone(), what }),
            None => Ok(()),
        }
    }

    /// The same of one file.
    pub(crate) fn file_is_here_for(&self, path: &str, what: &'static str) -> Result<(), Error> {
        match self.files.iter().find(|file| file.path == path && !file.is_here()) {
            Some(file) => Err(Error::NotHere { path: file.path.clone(), what }),
            None => Ok(()),
        }
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    /// A text file of the model; nothing where the model has none of that name,
    /// or none is here yet.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, Error> {
        let here = self.files.iter().any(|file| file.path == path && file.is_here());
        if !self.is_here || !here {
            return Ok(None);
        }
        read_text(&self.directory.join(path)).map(Some)
    }

    pub(crate) fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    #[cfg(test)]
    pub(crate) fn for_test(directory: &Path, files: &[(&str, &str)]) -> Self {
        let write = |(path, text): &(&str, &str)| {
            let full = directory.join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
            let sha256 = checksum::Digest::of(text.as_bytes()).unwrap().sha256;
            File { path: (*path).into(), size: text.len() as u64, sha256, ..File::default() }
        };
        let files = files.iter().map(write).collect();
        Self { directory: directory.into(), files, is_here: true }
    }
}

fn check_is_pyfunc(fetched: &Fetch) -> Result<(), Error> {
    if !fetched.files.iter().any(|file| file.path == "MLmodel") {
        return Err(Error::NoMlmodel(fetched.model_uri.clone()));
    }
    if !fetched.flavors.contains_key("python_function") {
        let names: Vec<_> = fetched.flavors.keys().map(String::as_str).collect();
        let names = if names.is_empty() { "none at all".into() } else { names.join(", ") };
        return Err(Error::NoPyfunc(names));
    }
    Ok(())
}

/// Reads text that must be UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|source| Error::Read { path: name.clone(), source })?;
    String::from_utf8(bytes).map_err(|_| Error::NotText(name))
}

#[cfg(test)]
mod tests {
    use deployment::Extra;
    use serde_json::json;

    use super::*;

    fn fetched(directory: &Path) -> Fetch {
        let model = Model::for_test(directory, &[("data/m.pkl", "12345"), ("MLmodel", "x")]);
        let flavors: Extra = serde_json::from_value(json!({"python_function": {}})).unwrap();
        Fetch {
            directory: directory.display().to_string(),
            model_uri: "runs:/1/model".into(),
            files: model.files.into_owned(),
            flavors,
            ..Fetch::default()
        }
    }

    fn refused(fetched: &Fetch) -> String {
        Model::open(fetched, false).unwrap_err().to_string()
    }

    #[test]
    fn what_was_fetched_is_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let good = fetched(directory.path());
        let model = Model::open(&good, false).unwrap();
        assert_eq!((model.size(), model.files[0].path.as_str()), (6, "MLmodel"));

        fs::write(directory.path().join("data/m.pkl"), "123").unwrap();
        assert_eq!(
            refused(&good),
            "the model's file 'data/m.pkl' changed after it was fetched: 3 bytes instead of 5"
        );
        fs::remove_file(directory.path().join("data/m.pkl")).unwrap();
        assert!(refused(&good).ends_with("it is gone"));
        fs::create_dir(directory.path().join("data/m.pkl")).unwrap();
        assert!(refused(&good).ends_with("it is no file"));
    }

    #[test]
    fn what_lies_in_a_bucket_need_not_be_here() {
        let directory = tempfile::tempdir().unwrap();
        let mut left = fetched(directory.path());
        let file = left.files.iter_mut().find(|file| file.path == "data/m.pkl").unwrap();
        fs::remove_file(directory.path().join(&file.path)).unwrap();
        (file.uri, file.sha256) = (Some("gs://b/data/m.pkl".into()), String::new());
        assert!(refused(&left).ends_with("is not here, and the bundle needs it"));
        left.files.iter_mut().for_each(|file| file.generation = Some(7));
        let model = Model::open(&left, false).unwrap();
        let error = model.is_here_for("the image").unwrap_err().to_string();
        assert_eq!(error, "the model's file 'data/m.pkl' is not here, and the image needs it");
        assert!(model.text("data/m.pkl").unwrap().is_none());
    }

    #[test]
    fn unusable_documents() {
        let directory = tempfile::tempdir().unwrap();
        let good = fetched(directory.path());
        for path in ["../x", "/etc/passwd", "a//b", "a/./b", "", "a/", "a\0"] {
            let mut bad = good.clone();
            bad.files[0].path = path.into();
            assert!(refused(&bad).ends_with("is not a path below its directory"), "{path:?}");
        }
        let bad = Fetch { files: Vec::new(), ..good.clone() };
        assert_eq!(refused(&bad), "the model has no MLmodel file in 'runs:/1/model'");
        let bad = Fetch { flavors: Extra::new(), ..good.clone() };
        assert_eq!(refused(&bad), "the model has no python_function flavor, only none at all");
        let bad = Fetch { directory: "/nowhere".into(), ..good.clone() };
        assert_eq!(refused(&bad), "the model's directory '/nowhere' is not there");
        assert!(!Model::open(&bad, true).unwrap().is_here);
        let mut bad = good;
        bad.files[0].sha256.clear();
        assert!(refused(&bad).ends_with("has no digest in the document"));
    }
}
