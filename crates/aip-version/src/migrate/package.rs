//! The source distribution that a predictor came in.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use aip::Options;
use flate2::read::GzDecoder;
use gcp::Credentials;
use gcp::storage::{GsUri, ObjectMeta, Storage};
use stage::Failure;

/// Code is small; what is larger is no package of a predictor.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

pub(super) struct Package {
    uri: String,
    /// Text files by their path below the package's directory.
    files: BTreeMap<String, String>,
}

impl Package {
    pub(super) fn open(options: &Options, uri: &str) -> Result<Self, Failure> {
        let context =
            |failure: Failure| failure.context(format!("cannot take the predictor from '{uri}'"));
        let place: GsUri = uri
            .parse()
            .map_err(|error| context(Failure::input("it cannot be read").cause(&error)))?;
        let credentials = Arc::new(Credentials::new(options.access_token_file.clone()));
        let storage = Storage::new(gcp::storage_endpoint(), credentials);
        let objects =
            storage.list(&place.bucket, &place.name).map_err(|error| context(error.into()))?;
        let object = objects.into_iter().find(|object| object.name == place.name);
        let object = object.ok_or_else(|| context(Failure::input("there is no such object")))?;
        let files = read(&storage, &place.bucket, &object).map_err(context)?;
        Ok(Self { uri: uri.to_owned(), files })
    }

    /// Writes the predictor's module to `directory`; its path. It is Python, not
    /// a template, and is taken as it is.
    pub(super) fn write(&self, module: &str, directory: &Path) -> Result<String, Failure> {
        let name = format!("{}.py", module.replace('.', "/"));
        let text = self.files.get(&name).ok_or_else(|| {
            Failure::input(format!("there is no '{name}' in '{}'", self.uri))
                .hint("give the predictor yourself: aip-bundle --prediction-script FILE")
        })?;
        let path = directory.join("predictor.py");
        let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, text));
        written.map_err(|error| {
            Failure::failed(format!("cannot write '{}'", path.display())).cause(&error)
        })?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Python files besides the predictor's module and what packaging needs.
    pub(super) fn others(&self, module: &str) -> Vec<&str> {
        let own = format!("{}.py", module.replace('.', "/"));
        let python = self.files.keys().map(String::as_str).filter(|name| is_python(name));
        python
            .filter(|name| *name != own && *name != "setup.py" && !name.ends_with("__init__.py"))
            .collect()
    }

    /// What it requires and the model does not.
    pub(super) fn requirements_beside(&self, model: &Path) -> Vec<String> {
        let own = std::fs::read_to_string(model.join("requirements.txt")).unwrap_or_default();
        let known: Vec<_> = own.lines().map(distribution).collect();
        let requires = self.files.iter().find(|(name, _)| name.ends_with(".egg-info/requires.txt"));
        let lines = requires.into_iter().flat_map(|(_, text)| text.lines());
        // What follows a line in brackets is required under a condition only.
        let lines = lines.map(str::trim).take_while(|line| !line.starts_with('['));
        let lines = lines.filter(|line| !line.is_empty() && !known.contains(&distribution(line)));
        lines.map(str::to_owned).collect()
    }
}

/// A requirement's name in the form that two spellings of it share.
fn distribution(requirement: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let name: String = requirement.trim().chars().take_while(plain).collect();
    name.to_lowercase().replace(['_', '.'], "-")
}

fn is_python(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "py")
}

fn read(
    storage: &Storage,
    bucket: &str,
    object: &ObjectMeta,
) -> Result<BTreeMap<String, String>, Failure> {
    let unreadable =
        |error: &std::io::Error| Failure::input("it is no source distribution").cause(error);
    let content = storage.open(bucket, object, ..)?;
    let mut archive = tar::Archive::new(GzDecoder::new(content).take(MAX_BYTES));
    let mut files = BTreeMap::new();
    for entry in archive.entries().map_err(|error| unreadable(&error))? {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        let path = entry.path().map_err(|error| unreadable(&error))?.to_string_lossy().into_owned();
        // All of it lies in one directory, named after the package.
        let Some((_, name)) = path.split_once('/') else { continue };
        if entry.header().entry_type().is_file()
            && (is_python(name) || name.ends_with("requires.txt"))
        {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(|error| unreadable(&error))?;
            files.insert(name.to_owned(), text);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_requires_is_not_required_twice() {
        let model = tempfile::tempdir().unwrap();
        std::fs::write(model.path().join("requirements.txt"), "scikit-learn==1.4\nMLflow==2.9\n")
            .unwrap();
        let files = [
            ("x.egg-info/requires.txt", "mlflow\nscikit_learn>=1\nshap==0.44\n\n[dev]\npytest\n"),
            ("predictor.py", "class P: pass"),
            ("helpers.py", ""),
            ("setup.py", ""),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let package = Package { uri: "gs://b/x".into(), files: files.into() };
        assert_eq!(package.requirements_beside(model.path()), ["shap==0.44"]);
        assert_eq!(package.others("predictor"), ["helpers.py"]);
        assert!(
            package
                .write("predictor", &model.path().join("new"))
                .unwrap()
                .ends_with("predictor.py")
        );
        assert!(package.write("other", model.path()).is_err());
    }
}
