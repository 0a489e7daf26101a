//! A file that becomes an object.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deployment::names::is_object;
use deployment::{File, Object};
use gcp::storage::{Body, GsUri, Insert, ObjectMeta, Rewrite};
use stage::Failure;

use crate::inner;
use crate::there::There;

/// Where an object's content comes from.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    File(PathBuf),
    /// An object that the service copies; no byte comes here.
    Object {
        uri: &'a GsUri,
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
    /// A file that was left where it lies has an address instead of a directory.
    left_at: Option<Box<GsUri>>,
}

impl<'a> Item<'a> {
    /// The document may have been edited, so its paths are not trusted.
    pub(crate) fn new(
        file: &'a File,
        path: &'a str,
        folder: &Arc<Folder<'a>>,
    ) -> Result<Self, Failure> {
        inner::check(&file.path)?;
        let left_at = file.uri.as_deref().map(|uri| left_at(file, uri)).transpose()?;
        let item = Self { file, path, folder: folder.clone(), left_at: left_at.map(Box::new) };
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

    pub(crate) fn source(&self) -> Source<'_> {
        match &self.left_at {
            Some(uri) => Source::Object { uri, generation: self.file.generation },
            None => Source::File(self.folder.directory.join(&self.file.path)),
        }
    }

    /// Whether its bytes must go over the line.
    pub(crate) fn is_here(&self) -> bool {
        self.left_at.is_none()
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

    pub(crate) fn by_name_of(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.folder, &other.folder) {
            self.path.cmp(other.path)
        } else {
            self.name_bytes().cmp(other.name_bytes())
        }
    }

    fn name_bytes(&self) -> impl Iterator<Item = u8> {
        self.folder.prefix.bytes().chain(self.path.bytes())
    }

    /// The request for a file; `replaces` is the generation that is there, or 0.
    pub(crate) fn insert<'i>(&'i self, name: &'i str, path: &'i Path, replaces: u64) -> Insert<'i> {
        Insert {
            bucket: self.bucket(),
            name,
            content: Body::File(path, 0),
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

fn left_at(file: &File, uri: &str) -> Result<GsUri, Failure> {
    uri.parse().ok().filter(|_| !file.crc32c.is_empty()).ok_or_else(|| {
        Failure::input(format!("the model's file '{}' is not on this machine", file.path))
            .hint("fetch the whole model: mlf-fetch without --metadata-only")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(prefix: &str) -> Arc<Folder<'static>> {
        let (bucket, prefix) = ("b".into(), prefix.into());
        Arc::new(Folder { directory: Path::new("/d"), bucket, prefix })
    }

    fn item(file: &File) -> Result<Item<'_>, Failure> {
        Item::new(file, &file.path, &folder("r/"))
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
            let Source::File(found) = item.source() else { unreachable!() };
            let again: PathBuf = found.components().collect();
            proptest::prop_assert_eq!(again.to_string_lossy(), format!("/d/{path}"));
            let steps = path.split('/').map(std::ffi::OsStr::new);
            proptest::prop_assert!(found.iter().skip(2).eq(steps), "{:?}", path);
            proptest::prop_assert!(!item.name().contains(['\0', '\r', '\n']));
        }

        /// Of both folders, the names are in one order: that of their bytes.
        #[test]
        fn names_are_compared_without_being_made(
            [one, other] in proptest::array::uniform2(("[a.-]{1,3}(/[a.-]{1,3}){0,2}", 0..2_usize)),
            name in "[ar./-]{0,6}",
        ) {
            let folders = ["r/", "r/a/"].map(folder);
            let file = |path: &str| File { path: path.into(), ..File::default() };
            let files = [file(&one.0), file(&other.0)];
            let of = |file, at: usize| Item::new(file, &file.path, &folders[at]);
            let (Ok(one), Ok(other)) = (of(&files[0], one.1), of(&files[1], other.1)) else {
                return Ok(());
            };
            proptest::prop_assert_eq!(one.by_name(&name), one.name().cmp(&name));
            proptest::prop_assert_eq!(one.by_name_of(&other), one.name().cmp(&other.name()));
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
        let item_there = item(&file_there).unwrap();
        let found = item_there.source();
        assert!(matches!(found, Source::Object { uri, generation: Some(7) } if uri.name == "a/x"));
        for (uri, crc32c) in [("gs://b/a/x", ""), ("s3://b/x", "AAAAAA==")] {
            assert!(item(&file(uri, crc32c)).is_err(), "{uri}");
        }
    }
}
