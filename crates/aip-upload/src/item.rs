//! A file that becomes an object.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deployment::names::{is_inner_path, is_object};
use deployment::{File, Object};
use gcp::storage::{GsUri, Insert, ObjectMeta, Rewrite};
use stage::Failure;

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
pub(crate) struct Folder<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) bucket: String,
    /// What their names begin with.
    pub(crate) prefix: String,
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
    pub(crate) fn new(
        file: &'a File,
        path: &'a str,
        folder: &Arc<Folder<'a>>,
    ) -> Result<Self, Failure> {
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
    pub(crate) fn by_name(&self, name: &str) -> Ordering {
        self.name_bytes().cmp(name.bytes())
    }

    pub(crate) fn name_bytes(&self) -> impl Iterator<Item = u8> {
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
