//! Paths of an image, found below its root as if that was `/`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// Where `path` is, whatever links lead there; none leads out of the root. It
/// need not exist.
pub(super) fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut rest: VecDeque<OsString> = components(path).collect();
    let mut found = PathBuf::new();
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            found.pop();
            continue;
        }
        let here = found.join(&name);
        let Ok(target) = root.join(&here).read_link() else {
            found = here;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            let message = format!("'{}' has too many symbolic links", path.display());
            return Err(io::Error::other(message));
        }
        if target.is_absolute() {
            found.clear();
        }
        for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
            rest.push_front(name);
        }
    }
    Ok(root.join(found))
}

fn components(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        for (link, target) in [
            ("lib", "usr/lib"),
            ("abs", "/usr"),
            ("up", "../../../../usr"),
            ("usr/lib/back", "../../abs"),
            ("loop", "loop"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        for (path, expected) in [
            ("/usr/lib", "usr/lib"),
            ("lib/x", "usr/lib/x"),
            ("abs/lib", "usr/lib"),
            ("up/y", "usr/y"),
            ("/lib/back/lib/z", "usr/lib/z"),
            ("../../etc/passwd", "etc/passwd"),
            ("/nowhere/at/all", "nowhere/at/all"),
        ] {
            let found = resolve(root, Path::new(path)).unwrap();
            assert_eq!(found, root.join(expected), "{path}");
        }
        assert!(resolve(root, Path::new("loop/x")).is_err());
    }
}
