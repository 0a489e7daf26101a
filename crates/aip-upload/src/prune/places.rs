//! Which objects belong together, by their names.
//!
//! ```text
//! ROUTE/VERSION/model/…           one version's folder
//! ROUTE/VERSION/NAME.tar.gz       its package
//! ROUTE/VERSION/.upload           the mark of an upload that is under way
//! ROUTE/VERSION/.parts/KEY/…      parts of an upload that broke off
//! ```

use std::collections::BTreeMap;
use std::time::SystemTime;

use gcp::storage::ObjectMeta;

use crate::claim::MARK;

/// Objects that go or stay together.
#[derive(Debug)]
pub(super) struct Folder {
    /// Within the bucket; ends with a slash.
    pub(super) prefix: String,
    /// Of an upload that broke off: no version uses it, whatever uses the rest.
    pub(super) is_leftover: bool,
    pub(super) objects: Vec<ObjectMeta>,
}

impl Folder {
    pub(super) fn size(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// Nothing where the age of one is not known.
    pub(super) fn youngest(&self) -> Option<SystemTime> {
        let created: Option<Vec<_>> = self.objects.iter().map(|object| object.created).collect();
        created?.into_iter().max()
    }
}

/// The folders below the route, and how many objects are in none: they are not
/// aip-upload's.
pub(super) fn folders(route: &str, objects: Vec<ObjectMeta>) -> (Vec<Folder>, usize) {
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    let mut others = 0;
    for object in objects {
        let Some((prefix, is_leftover)) = folder(route, &object.name) else {
            others += 1;
            continue;
        };
        let empty = || Folder { prefix: prefix.clone(), is_leftover, objects: Vec::new() };
        folders.entry(prefix.clone()).or_insert_with(empty).objects.push(object);
    }
    (folders.into_values().collect(), others)
}

fn folder(route: &str, name: &str) -> Option<(String, bool)> {
    let (version, rest) = name.strip_prefix(route)?.split_once('/')?;
    if version.is_empty() {
        return None;
    }
    if let Some((key, _)) = rest.strip_prefix(".parts/").and_then(|rest| rest.split_once('/')) {
        return Some((format!("{route}{version}/.parts/{key}/"), true));
    }
    let is_ours = rest == MARK
        || rest.starts_with("model/")
        || (rest.ends_with(".tar.gz") && !rest.contains('/'));
    is_ours.then(|| (format!("{route}{version}/"), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Option<String> {
        folder("a/iris/", name)
            .map(|(prefix, leftover)| format!("{prefix}{}", if leftover { "!" } else { "" }))
    }

    #[test]
    fn what_is_ours() {
        assert_eq!(place("a/iris/v1/model/MLmodel").unwrap(), "a/iris/v1/");
        assert_eq!(place("a/iris/v1/iris-0.1.tar.gz").unwrap(), "a/iris/v1/");
        assert_eq!(place("a/iris/v1/.upload").unwrap(), "a/iris/v1/");
        assert_eq!(place("a/iris/v1/.parts/k/00").unwrap(), "a/iris/v1/.parts/k/!");
        for other in [
            "a/iris/v1/notes.txt",
            "a/iris/v1/data/x.tar.gz",
            "a/iris/v1/models/x",
            "a/iris/x.tar.gz",
            "a/iris//model/x",
            "a/iris2/v1/model/x",
            "a/iris/v1/.parts/00",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
