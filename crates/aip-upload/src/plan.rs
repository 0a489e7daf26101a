//! Which file becomes which object.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use deployment::names::{is_inner_path, is_object};
use deployment::{Deployment, File, Object, Upload};
use gcp::storage::{GsUri, GsUriError, Insert, ObjectMeta, Rewrite};
use stage::Failure;
use transport::Hasher;

use crate::send::There;

/// Where an object's content comes from.
#[derive(Debug)]
pub(crate) enum Source {
    File(PathBuf),
    /// An object that the service copies; no byte comes here.
    Object {
        uri: GsUri,
        generation: Option<u64>,
    },
}

/// One file and the object it becomes.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) source: Source,
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) crc32c: String,
}

impl Item {
    pub(crate) fn uri(&self) -> String {
        format!("gs://{}/{}", self.bucket, self.name)
    }

    /// The object that is there, if it has this content.
    pub(crate) fn is_in<'a>(&self, there: &'a There) -> Option<&'a ObjectMeta> {
        there.get(&self.name).filter(|object| object.holds(self.size, &self.crc32c))
    }

    /// The bytes that must go over the line for it.
    pub(crate) fn bytes_here(&self) -> u64 {
        if matches!(self.source, Source::File(_)) { self.size } else { 0 }
    }

    /// The request for a file; `replaces` is the generation that is there, or 0.
    pub(crate) fn insert<'a>(&'a self, path: &'a Path, replaces: u64) -> Insert<'a> {
        Insert {
            bucket: &self.bucket,
            name: &self.name,
            content: path,
            start: 0,
            size: self.size,
            crc32c: &self.crc32c,
            replaces,
        }
    }

    /// The request for an object.
    pub(crate) fn rewrite<'a>(
        &'a self,
        from: &'a GsUri,
        generation: Option<u64>,
        replaces: u64,
    ) -> Rewrite<'a> {
        Rewrite {
            from,
            generation,
            bucket: &self.bucket,
            name: &self.name,
            size: self.size,
            crc32c: &self.crc32c,
            replaces,
        }
    }

    pub(crate) fn object(&self, generation: Option<u64>) -> Object {
        Object {
            uri: self.uri(),
            size: self.size,
            crc32c: self.crc32c.clone(),
            generation,
            ..Object::default()
        }
    }
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) items: Vec<Item>,
    pub(crate) bucket: String,
    /// Everything lies below it; ends with a slash.
    pub(crate) prefix: String,
    /// The model's files lie below it; nothing else may.
    pub(crate) model_prefix: String,
    deployment_uri: String,
    package_uris: Vec<String>,
}

impl Plan {
    pub(crate) fn make(document: &Deployment) -> Result<Self, Failure> {
        let fetch = document.fetched()?;
        let bundle = document.bundled()?;
        let (root, model) =
            document.spec.production_uri().zip(document.spec.model_artifact_uri()).ok_or_else(
                || {
                    Failure::input("the document lacks spec.model or spec.version")
                        .hint("aip-bundle sets both; run it again")
                },
            )?;
        let [root, model]: [GsUri; 2] = [parse(&root)?, parse(&model)?];

        let mut items = Vec::with_capacity(fetch.files.len() + 1);
        let sdist = Path::new(&bundle.sdist.path);
        let sdist_name = sdist.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{}{sdist_name}", root.name);
        items.push(item(&bundle.directory, &bundle.sdist, &root.bucket, name)?);
        for file in fetch.files.iter().chain(&bundle.model_files) {
            let name = format!("{}{}", model.name, file.path);
            items.push(item(&bundle.model_directory, file, &root.bucket, name)?);
        }
        Ok(Self {
            package_uris: vec![items[0].uri()],
            deployment_uri: model.to_string(),
            items,
            bucket: root.bucket,
            prefix: root.name,
            model_prefix: model.name,
        })
    }

    /// Whether the files are still what the document says. A look at the size
    /// costs nothing; the service compares every byte.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for item in &self.items {
            let Source::File(path) = &item.source else { continue };
            let shown = path.display();
            let found = std::fs::metadata(path).map_err(|error| {
                Failure::failed(format!("cannot read '{shown}'"))
                    .cause(&error)
                    .hint("run mlf-fetch and aip-bundle again")
            })?;
            if found.len() != item.size {
                let message =
                    format!("'{shown}' has {} bytes, the document says {}", found.len(), item.size);
                return Err(Failure::failed(message).hint("run mlf-fetch and aip-bundle again"));
            }
        }
        Ok(())
    }

    /// What all of it together is known by.
    pub(crate) fn digest(&self) -> String {
        let mut items: Vec<_> = self.items.iter().collect();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hasher = Hasher::default();
        for Item { name, size, crc32c, .. } in items {
            hasher.update(format!("{name}\0{size}\0{crc32c}\n").as_bytes());
        }
        hasher.finish().sha256
    }

    /// Whether an upload to this place may have written it, as one of its files.
    pub(crate) fn is_content(&self, name: &str) -> bool {
        let is_package = |rest: &str| rest.ends_with(".tar.gz") && !rest.contains('/');
        name.starts_with(&self.model_prefix)
            || name.strip_prefix(&self.prefix).is_some_and(is_package)
    }

    /// Objects among the model's that are not the model's, by name: left from
    /// another upload under the same name, they would be served with it.
    pub(crate) fn extra<'a>(&self, there: &'a There) -> Vec<&'a ObjectMeta> {
        let planned: HashSet<_> = self.items.iter().map(|item| item.name.as_str()).collect();
        let among = there.values().filter(|object| object.name.starts_with(&self.model_prefix));
        let mut extra: Vec<_> =
            among.filter(|object| !planned.contains(object.name.as_str())).collect();
        extra.sort_by(|a, b| a.name.cmp(&b.name));
        extra
    }

    /// As it is called below the version's place.
    pub(crate) fn relative<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }

    pub(crate) fn prefix(&self) -> String {
        format!("gs://{}/{}", self.bucket, self.prefix)
    }

    pub(crate) fn record(&self) -> Upload {
        Upload {
            deployment_uri: self.deployment_uri.clone(),
            package_uris: self.package_uris.clone(),
            ..Upload::default()
        }
    }
}

fn parse(uri: &str) -> Result<GsUri, Failure> {
    uri.parse().map_err(|error: GsUriError| Failure::usage(error.to_string()))
}

/// The document may have been edited, so its paths are not trusted. They are
/// compared as they are spelt: what a file system takes for one path are several
/// names of objects.
pub(crate) fn below(directory: &str, path: &str) -> Result<PathBuf, Failure> {
    if !is_inner_path(path) {
        let message = format!("the path '{}' leaves its directory", path.escape_debug());
        return Err(Failure::input(message)
            .hint("paths in a document are relative, without '.', '..' and empty parts"));
    }
    Ok(Path::new(directory).join(path))
}

fn item(directory: &str, file: &File, bucket: &str, name: String) -> Result<Item, Failure> {
    let source = source(below(directory, &file.path)?, file)?;
    if !is_object(&name) {
        let message = format!("'{}' cannot be the name of an object", name.escape_debug());
        return Err(Failure::input(message).hint(
            "Cloud Storage takes up to 1,024 bytes without line breaks; rename the file, or \
             choose a shorter --route",
        ));
    }
    Ok(Item { source, bucket: bucket.into(), name, size: file.size, crc32c: file.crc32c.clone() })
}

/// A file that was left where it lies has an address instead of a directory.
fn source(path: PathBuf, file: &File) -> Result<Source, Failure> {
    let Some(uri) = &file.uri else { return Ok(Source::File(path)) };
    let uri: Option<GsUri> = uri.parse().ok().filter(|_| !file.crc32c.is_empty());
    let uri = uri.ok_or_else(|| {
        Failure::input(format!("the model's file '{}' is not on this machine", file.path))
            .hint("fetch the whole model: mlf-fetch without --metadata-only")
    })?;
    Ok(Source::Object { uri, generation: file.generation })
}

#[cfg(test)]
impl Plan {
    pub(crate) fn of(items: Vec<Item>, bucket: &str, prefix: &str) -> Self {
        let model_prefix = format!("{prefix}model/");
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let (deployment_uri, package_uris) = (String::new(), Vec::new());
        Self { items, bucket, prefix, model_prefix, deployment_uri, package_uris }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_directory() {
        let file = |path: &str| File { path: path.into(), ..File::default() };
        let made = |path: &str| item("/d", &file(path), "b", format!("r/v1/model/{path}"));
        for bad in ["../x", "/etc/passwd", "a/../../b", "", ".", "a//b", "a/./b", "a/", "a\nb"] {
            assert!(made(bad).is_err(), "{bad:?}");
        }
        assert!(made(&"a/".repeat(600)).is_err() && made(&"é".repeat(510)).is_err());
        assert!(made("a/b c/é").is_ok());
    }

    proptest::proptest! {
        /// What is taken is one file below the directory and one name, each of
        /// which tells the other.
        #[test]
        fn a_path_is_a_name(path in "[a./\\\\\0\r\né ]{0,12}") {
            let file = File { path: path.clone(), ..File::default() };
            let Ok(item) = item("/d", &file, "b", format!("r/{path}")) else { return Ok(()) };
            let Source::File(found) = &item.source else { unreachable!() };
            let again: PathBuf = found.components().collect();
            proptest::prop_assert_eq!(again.to_string_lossy(), format!("/d/{path}"));
            let steps = path.split('/').map(std::ffi::OsStr::new);
            proptest::prop_assert!(found.iter().skip(2).eq(steps), "{:?}", path);
            proptest::prop_assert!(!item.name.contains(['\0', '\r', '\n']));
        }
    }

    #[test]
    fn what_was_left_in_the_cloud_is_copied_there() {
        let file = |uri: &str, crc32c: &str| File {
            path: "x".into(),
            crc32c: crc32c.into(),
            uri: Some(uri.into()),
            generation: Some(7),
            ..File::default()
        };
        let found = source("/d/x".into(), &file("gs://b/a/x", "AAAAAA==")).unwrap();
        assert!(matches!(found, Source::Object { uri, generation: Some(7) } if uri.name == "a/x"));
        for (uri, crc32c) in [("gs://b/a/x", ""), ("s3://b/x", "AAAAAA==")] {
            assert!(source("/d/x".into(), &file(uri, crc32c)).is_err(), "{uri}");
        }
    }
}
