//! Which file becomes which object.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deployment::names::{is_inner_path, is_object};
use deployment::{Deployment, File, Object, Upload};
use gcp::storage::{GsUri, GsUriError, Insert, ObjectMeta, Rewrite};
use stage::Failure;
use transport::Hasher;

use crate::there::There;

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

/// Files of one directory that go to one place.
#[derive(Debug)]
struct Folder<'a> {
    directory: &'a Path,
    bucket: String,
    /// What their names begin with.
    prefix: String,
}

/// One file and the object it becomes. There may be very many, so what follows
/// from the document is not said again, but worked out.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    file: &'a File,
    /// As the object's name ends.
    path: &'a str,
    folder: Arc<Folder<'a>>,
}

impl<'a> Item<'a> {
    /// The document may have been edited, so its paths are not trusted.
    fn new(file: &'a File, path: &'a str, folder: &Arc<Folder<'a>>) -> Result<Self, Failure> {
        let item = Self { file, path, folder: folder.clone() };
        is_below(&file.path)?;
        item.copied_from()?;
        let name = item.name();
        if !is_object(&name) {
            let message = format!("'{}' cannot be the name of an object", name.escape_debug());
            return Err(Failure::input(message).hint(
                "Cloud Storage takes up to 1,024 bytes without line breaks; rename the file, or \
                 choose a shorter --route",
            ));
        }
        Ok(item)
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.folder.bucket
    }

    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.folder.prefix, self.path)
    }

    pub(crate) fn size(&self) -> u64 {
        self.file.size
    }

    pub(crate) fn crc32c(&self) -> &'a str {
        &self.file.crc32c
    }

    pub(crate) fn uri(&self) -> String {
        format!("gs://{}/{}{}", self.folder.bucket, self.folder.prefix, self.path)
    }

    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let generation = self.file.generation;
        Ok(match self.copied_from()? {
            Some(uri) => Source::Object { uri, generation },
            None => Source::File(self.folder.directory.join(&self.file.path)),
        })
    }

    /// A file that was left where it lies has an address instead of a directory.
    fn copied_from(&self) -> Result<Option<GsUri>, Failure> {
        let Some(uri) = &self.file.uri else { return Ok(None) };
        let uri: Option<GsUri> = uri.parse().ok().filter(|_| !self.crc32c().is_empty());
        uri.map(Some).ok_or_else(|| {
            let path = &self.file.path;
            Failure::input(format!("the model's file '{path}' is not on this machine"))
                .hint("fetch the whole model: mlf-fetch without --metadata-only")
        })
    }

    /// Whether its bytes must go over the line.
    pub(crate) fn is_here(&self) -> bool {
        self.file.uri.is_none()
    }

    /// The object that is there, if it has this content.
    pub(crate) fn is_in<'t>(&self, there: &'t There) -> Option<&'t ObjectMeta> {
        there.get(&self.name()).filter(|object| self.is(object))
    }

    /// Whether this object has this content.
    pub(crate) fn is(&self, object: &ObjectMeta) -> bool {
        object.holds(self.size(), self.crc32c())
    }

    /// As objects are ordered in a listing.
    fn by_name(&self, name: &str) -> Ordering {
        self.name_bytes().cmp(name.bytes())
    }

    fn name_bytes(&self) -> impl Iterator<Item = u8> {
        self.folder.prefix.bytes().chain(self.path.bytes())
    }

    /// The request for a file; `replaces` is the generation that is there, or 0.
    pub(crate) fn insert<'i>(&'i self, name: &'i str, path: &'i Path, replaces: u64) -> Insert<'i> {
        Insert {
            bucket: self.bucket(),
            name,
            content: path,
            start: 0,
            size: self.size(),
            crc32c: self.crc32c(),
            replaces,
        }
    }

    /// The request for an object.
    pub(crate) fn rewrite<'i>(
        &'i self,
        name: &'i str,
        from: &'i GsUri,
        generation: Option<u64>,
        replaces: u64,
    ) -> Rewrite<'i> {
        Rewrite {
            from,
            generation,
            bucket: self.bucket(),
            name,
            size: self.size(),
            crc32c: self.crc32c(),
            replaces,
        }
    }

    pub(crate) fn object(&self, generation: Option<u64>) -> Object {
        Object {
            uri: self.uri(),
            size: self.size(),
            crc32c: self.crc32c().to_owned(),
            generation,
            ..Object::default()
        }
    }
}

#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) bucket: String,
    /// Everything lies below it; ends with a slash.
    pub(crate) prefix: String,
    /// The model's files lie below it; nothing else may.
    pub(crate) model_prefix: String,
    deployment_uri: String,
    package_uris: Vec<String>,
}

impl<'a> Plan<'a> {
    pub(crate) fn make(document: &'a Deployment) -> Result<Self, Failure> {
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

        let folder = |directory: &'a str, to: &GsUri| {
            let (bucket, prefix) = (to.bucket.clone(), to.name.clone());
            Arc::new(Folder { directory: Path::new(directory), bucket, prefix })
        };
        let mut items = Vec::with_capacity(fetch.files.len() + bundle.model_files.len() + 1);
        let sdist = &bundle.sdist;
        let name = sdist.path.rsplit_once('/').map_or(sdist.path.as_str(), |(_, name)| name);
        items.push(Item::new(sdist, name, &folder(&bundle.directory, &root))?);
        let of_model = folder(&bundle.model_directory, &model);
        for file in fetch.files.iter().chain(&bundle.model_files) {
            items.push(Item::new(file, &file.path, &of_model)?);
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
            let Source::File(path) = item.source()? else { continue };
            let shown = path.display();
            let found = std::fs::metadata(&path).map_err(|error| {
                Failure::failed(format!("cannot read '{shown}'"))
                    .cause(&error)
                    .hint("run mlf-fetch and aip-bundle again")
            })?;
            if found.len() != item.size() {
                let message = format!(
                    "'{shown}' has {} bytes, the document says {}",
                    found.len(),
                    item.size()
                );
                return Err(Failure::failed(message).hint("run mlf-fetch and aip-bundle again"));
            }
        }
        Ok(())
    }

    /// What all of it together is known by.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Hasher::default();
        for item in self.sorted() {
            let (name, size, crc32c) = (item.name(), item.size(), item.crc32c());
            hasher.update(format!("{name}\0{size}\0{crc32c}\n").as_bytes());
        }
        hasher.finish().sha256
    }

    /// By name.
    fn sorted(&self) -> Vec<&Item<'a>> {
        let mut items: Vec<_> = self.items.iter().collect();
        items.sort_unstable_by(|a, b| a.name_bytes().cmp(b.name_bytes()));
        items
    }

    /// Whether an upload to this place may have written it, as one of its files.
    pub(crate) fn is_content(&self, name: &str) -> bool {
        let is_package = |rest: &str| rest.ends_with(".tar.gz") && !rest.contains('/');
        name.starts_with(&self.model_prefix)
            || name.strip_prefix(&self.prefix).is_some_and(is_package)
    }

    /// Objects among the model's that are not the model's, by name: left from
    /// another upload under the same name, they would be served with it.
    pub(crate) fn extra<'t>(&self, there: &'t There) -> Vec<&'t ObjectMeta> {
        let planned = self.sorted();
        let is_planned = |name: &str| planned.binary_search_by(|item| item.by_name(name)).is_ok();
        let among = there.iter().filter(|object| object.name.starts_with(&self.model_prefix));
        among.filter(|object| !is_planned(&object.name)).collect()
    }

    /// Whether this is the content that one of the files is to have there.
    pub(crate) fn finder(&self) -> impl Fn(&ObjectMeta) -> bool {
        let planned = self.sorted();
        move |object| {
            let found = planned.binary_search_by(|item| item.by_name(&object.name));
            found.is_ok_and(|index| planned[index].is(object))
        }
    }

    /// As it is called below the version's place.
    pub(crate) fn relative<'n>(&self, name: &'n str) -> &'n str {
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

/// The document may have been edited, so its paths are not trusted.
pub(crate) fn below(directory: &str, path: &str) -> Result<PathBuf, Failure> {
    is_below(path)?;
    Ok(Path::new(directory).join(path))
}

/// Paths are compared as they are spelt: what a file system takes for one path are
/// several names of objects.
fn is_below(path: &str) -> Result<(), Failure> {
    if is_inner_path(path) {
        return Ok(());
    }
    let message = format!("the path '{}' leaves its directory", path.escape_debug());
    Err(Failure::input(message)
        .hint("paths in a document are relative, without '.', '..' and empty parts"))
}

#[cfg(test)]
impl<'a> Plan<'a> {
    /// Of files whose paths are names below the prefix.
    pub(crate) fn of(files: &'a [File], bucket: &str, prefix: &str) -> Self {
        let (directory, own) = (Path::new("/d"), (bucket.to_owned(), prefix.to_owned()));
        let folder = Arc::new(Folder { directory, bucket: own.0, prefix: own.1 });
        let items = files.iter().map(|file| Item::new(file, &file.path, &folder).unwrap());
        let items = items.collect();
        let model_prefix = format!("{prefix}model/");
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let (deployment_uri, package_uris) = (String::new(), Vec::new());
        Self { items, bucket, prefix, model_prefix, deployment_uri, package_uris }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(file: &File) -> Result<Item<'_>, Failure> {
        let (bucket, prefix) = ("b".into(), "r/".into());
        let folder = Folder { directory: Path::new("/d"), bucket, prefix };
        Item::new(file, &file.path, &Arc::new(folder))
    }

    #[test]
    fn paths_stay_below_their_directory() {
        let file = |path: &str| File { path: path.into(), ..File::default() };
        let made = |path: &str| item(&file(path)).map(drop);
        for bad in ["../x", "/etc/passwd", "a/../../b", "", ".", "a//b", "a/./b", "a/", "a\nb"] {
            assert!(made(bad).is_err(), "{bad:?}");
        }
        assert!(made(&"a/".repeat(600)).is_err() && made(&"é".repeat(512)).is_err());
        assert!(made("a/b c/é").is_ok());
    }

    proptest::proptest! {
        /// What is taken is one file below the directory and one name, each of
        /// which tells the other.
        #[test]
        fn a_path_is_a_name(path in "[a./\\\\\0\r\né ]{0,12}") {
            let file = File { path: path.clone(), ..File::default() };
            let Ok(item) = item(&file) else { return Ok(()) };
            let Ok(Source::File(found)) = item.source() else { unreachable!() };
            let again: PathBuf = found.components().collect();
            proptest::prop_assert_eq!(again.to_string_lossy(), format!("/d/{path}"));
            let steps = path.split('/').map(std::ffi::OsStr::new);
            proptest::prop_assert!(found.iter().skip(2).eq(steps), "{:?}", path);
            proptest::prop_assert!(!item.name().contains(['\0', '\r', '\n']));
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
        let file_there = file("gs://b/a/x", "AAAAAA==");
        let found = item(&file_there).unwrap().source().unwrap();
        assert!(matches!(found, Source::Object { uri, generation: Some(7) } if uri.name == "a/x"));
        for (uri, crc32c) in [("gs://b/a/x", ""), ("s3://b/x", "AAAAAA==")] {
            assert!(item(&file(uri, crc32c)).is_err(), "{uri}");
        }
    }
}
