//! The file systems of images, unpacked once and shared by their containers.
//!
//! ```text
//! KEY/root/    the layers up to one of them
//! KEY/used     touched at each use, locked while in use
//! ```
//!
//! KEY is the chain id of the image specification: it names a layer and all
//! those below it. What a layer does not change is the same file as below, by
//! a hard link; a layer that many images have costs its space once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::content::hex;
use super::layer::apply;
use super::scoped::resolve;
use crate::registry::Layer;

/// So many are kept that nobody uses: directories cost space too.
const KEPT: usize = 24;

/// No root takes as long to make.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What every container finds, if only to mount something there.
const DIRECTORIES: &[&str] = &["dev", "etc", "proc", "run", "tmp", "var/tmp"];
const FILES: &[&str] = &["etc/hosts", "etc/resolv.conf"];

#[derive(Debug)]
pub(super) struct Roots {
    dir: PathBuf,
    /// One at a time: images share their lower layers
    making: Arc<Mutex<()>>,
}

/// An image's file system; not taken away while this is there.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    _used: File,
}

impl Roots {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, making: Arc::default() }
    }

    pub(super) async fn ensure(&self, layers: &[Layer]) -> io::Result<Root> {
        let turn = Arc::clone(&self.making).lock_owned().await;
        let (dir, layers) = (self.dir.clone(), layers.to_vec());
        let made = tokio::task::spawn_blocking(move || {
            let root = ensure(&dir, &layers);
            drop(turn);
            root
        });
        made.await.map_err(io::Error::other)?
    }
}

fn ensure(dir: &Path, layers: &[Layer]) -> io::Result<Root> {
    fs::create_dir_all(dir)?;
    let dir = &dir.canonicalize()?;
    let keys = chain_ids(layers);
    let there = keys.iter().rposition(|key| dir.join(key).is_dir());
    let mut root = there.map(|at| take(dir, &keys[at])).transpose()?;
    let first_missing = there.map_or(0, |at| at + 1);
    for (key, layer) in keys.iter().zip(layers).skip(first_missing) {
        make(dir, key, root.as_ref(), layer)?;
        root = Some(take(dir, key)?);
    }
    if first_missing < layers.len() {
        prune(dir)?;
    }
    root.ok_or_else(|| io::Error::other("the image has no layers"))
}

/// The chain id of each layer; that of the first is its diff id.
fn chain_ids(layers: &[Layer]) -> Vec<String> {
    let mut chain: Option<String> = None;
    let ids = layers.iter().map(|layer| {
        let id = match &chain {
            Some(below) => hex(&Sha256::digest(format!("sha256:{below} {}", layer.diff_id))),
            None => layer.diff_id.trim_start_matches("sha256:").to_owned(),
        };
        chain = Some(id.clone());
        id
    });
    ids.collect()
}

/// Marks a root as used.
fn take(dir: &Path, key: &str) -> io::Result<Root> {
    let used = File::options().append(true).open(dir.join(key).join("used"))?;
    used.lock_shared()?;
    used.set_modified(SystemTime::now())?;
    Ok(Root { path: dir.join(key).join("root"), _used: used })
}

/// Appears whole or not at all; another emulator may be quicker.
fn make(dir: &Path, key: &str, lower: Option<&Root>, layer: &Layer) -> io::Result<()> {
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(dir)?;
    let root = making.path().join("root");
    match lower {
        Some(lower) => link_tree(&lower.path, &root)?,
        None => fs::create_dir(&root)?,
    }
    apply(layer, &root)?;
    for path in DIRECTORIES {
        fs::create_dir_all(resolve(&root, Path::new(path))?)?;
    }
    for path in FILES {
        File::options().create(true).append(true).open(resolve(&root, Path::new(path))?)?;
    }
    File::create(making.path().join("used"))?;
    let (making, kept) = (making.keep(), dir.join(key));
    match fs::rename(&making, &kept) {
        Err(_) if kept.is_dir() => fs::remove_dir_all(making),
        renamed => renamed,
    }
}

fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_tree(&entry.path(), &to)?;
        } else {
            fs::hard_link(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Takes away the roots that were not used for longest, and what somebody who
/// was killed left half made.
fn prune(dir: &Path) -> io::Result<()> {
    let mut unused = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if age > ABANDONED {
                fs::remove_dir_all(path)?;
            }
            continue;
        }
        let Ok(used) = File::options().append(true).open(path.join("used")) else { continue };
        if used.try_lock().is_ok() {
            unused.push((used.metadata()?.modified()?, path, used));
        }
    }
    unused.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
    for (_, path, _locked) in unused.into_iter().skip(KEPT) {
        // Out of sight first: half a root must not be found
        let going = path.with_file_name(format!(".going-{}", std::process::id()));
        fs::rename(&path, &going)?;
        fs::remove_dir_all(going)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::super::layer::tests::{file, layer};
    use super::*;

    #[test]
    fn layers_are_unpacked_once_and_shared_above() {
        let dir = tempfile::tempdir().unwrap();
        let lower = layer(dir.path(), |tar| file(tar, "opt/site.py", "site"));
        let one = layer(dir.path(), |tar| file(tar, "opt/model", "one"));
        let two = layer(dir.path(), |tar| {
            file(tar, "opt/model", "two");
            file(tar, "opt/.wh.gone", "");
        });
        let roots = dir.path().join("roots");
        let all = [lower, one, two];
        let first = ensure(&roots, &all[..2]).unwrap().path;
        let second = ensure(&roots, &[all[0].clone(), all[2].clone()]).unwrap().path;
        let content = |root: &Path| fs::read_to_string(root.join("opt/model")).unwrap();
        assert_eq!((content(&first), content(&second)), ("one".to_owned(), "two".to_owned()));
        let inode = |root: &Path| fs::metadata(root.join("opt/site.py")).unwrap().ino();
        assert_eq!(inode(&first), inode(&second));
        assert!(first.join("proc").is_dir() && first.join("etc/hosts").is_file());
        fs::remove_file(&all[0].path).unwrap();
        assert_eq!(ensure(&roots, &all[..2]).unwrap().path, first);
        assert!(ensure(&roots, &[]).is_err());
    }

    #[test]
    fn a_broken_layer_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut broken = layer(dir.path(), |tar| file(tar, "a", "a"));
        broken.diff_id = format!("sha256:{}", hex(&[0; 32]));
        let roots = dir.path().join("roots");
        let err = ensure(&roots, &[broken]).unwrap_err().to_string();
        assert!(err.starts_with("a layer's content is sha256:"), "{err}");
        assert_eq!(fs::read_dir(&roots).unwrap().count(), 0);
    }

    #[test]
    fn what_is_in_use_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let roots = dir.path().join("roots");
        let make = |n: usize| {
            let one = layer(dir.path(), |tar| file(tar, "n", &n.to_string()));
            ensure(&roots, &[one]).unwrap()
        };
        let used = make(0);
        let unused = make(1).path;
        for n in 2..=KEPT + 2 {
            make(n);
        }
        assert!(used.path.is_dir() && !unused.exists());
        // Those that are in use, as the last was when it was made, do not count
        assert_eq!(fs::read_dir(&roots).unwrap().count(), KEPT + 2);
    }
}
