//! What one repository holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::digest::Digest;

/// No component of a repository's name begins with an underscore, so that
/// repositories can lie below one another.
const INDEX: &str = "_repository.json";

/// The content is among the blobs; a repository knows what is its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Repository {
    pub(super) blobs: BTreeSet<Digest>,
    /// With their media types
    pub(super) manifests: BTreeMap<Digest, String>,
    pub(super) tags: BTreeMap<String, Digest>,
}

impl Repository {
    /// The manifest that a digest or a tag names.
    pub(super) fn find(&self, wanted: &str) -> Option<(&Digest, &String)> {
        match Digest::parse(wanted) {
            Some(digest) => self.manifests.get_key_value(&digest),
            None => self.manifests.get_key_value(self.tags.get(wanted)?),
        }
    }

    /// Takes a manifest away, and with it its tags; or one tag alone.
    pub(super) fn remove(&mut self, wanted: &str) -> bool {
        match Digest::parse(wanted) {
            Some(digest) => {
                self.tags.retain(|_, tagged| *tagged != digest);
                self.manifests.remove(&digest).is_some()
            }
            None => self.tags.remove(wanted).is_some(),
        }
    }

    pub(super) fn save(&self, root: &Path, name: &str) -> io::Result<()> {
        let dir = root.join(name);
        fs::create_dir_all(&dir)?;
        let file = NamedTempFile::new_in(&dir)?;
        serde_json::to_writer(&file, self)?;
        file.persist(dir.join(INDEX))?;
        Ok(())
    }
}

/// All repositories below a directory, by name.
pub(super) fn load(root: &Path) -> io::Result<BTreeMap<String, Repository>> {
    fs::create_dir_all(root)?;
    let mut all = BTreeMap::new();
    let mut dirs = vec![(root.to_owned(), String::new())];
    while let Some((dir, name)) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let Ok(below) = entry.file_name().into_string() else { continue };
            if below == INDEX {
                all.insert(name.clone(), read(&entry.path())?);
            } else if entry.file_type()?.is_dir() {
                let below = if name.is_empty() { below } else { format!("{name}/{below}") };
                dirs.push((entry.path(), below));
            }
        }
    }
    Ok(all)
}

fn read(path: &PathBuf) -> io::Result<Repository> {
    serde_json::from_slice(&fs::read(path)?)
        .map_err(|err| io::Error::other(format!("cannot read '{}': {err}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"x");
        let mut one = Repository::default();
        one.blobs.insert(digest.clone());
        one.manifests.insert(digest.clone(), "type".to_owned());
        one.tags.insert("v1".to_owned(), digest.clone());
        one.save(dir.path(), "a/b").unwrap();
        Repository::default().save(dir.path(), "a").unwrap();
        let all = load(dir.path()).unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(all["a/b"].find("v1"), Some((&digest, &"type".to_owned())));
        assert_eq!(all["a/b"].find(&digest.to_string()), all["a/b"].find("v1"));
    }

    #[test]
    fn a_manifest_goes_with_its_tags_and_a_tag_alone() {
        let digest = Digest::of(b"x");
        let mut one = Repository::default();
        one.manifests.insert(digest.clone(), "type".to_owned());
        for tag in ["v1", "v2"] {
            one.tags.insert(tag.to_owned(), digest.clone());
        }
        assert!(one.remove("v1") && !one.remove("v1"));
        assert!(one.find("v2").is_some());
        assert!(one.remove(&digest.to_string()) && one.tags.is_empty());
    }
}
