//! requirements.lock: what the image installs, each with its version and hashes.

use std::fmt::{Display, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use checksum::Digest;

use super::cache::Cache;
use super::error::Error;
use super::runtime::{Runtime, TABLES};
use super::uv::Uv;
use crate::requirements::Requirement;

pub(crate) const LOCK: &str = "requirements.lock";

/// The tag of Vertex AI's machines: Debian 10 and all that is younger.
pub(super) const PLATFORM: &str = "x86_64-manylinux_2_28";

/// What is resolved, and for what.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) runtime: &'a Runtime,
    /// `X.Y`.
    pub(super) python_version: &'a str,
    /// Sources may be built, elsewhere.
    pub(super) allow_sources: bool,
}

/// Where a lock comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Given,
    Kept,
    New,
}

impl Wanted<'_> {
    /// The line that tells which requirements a lock is for.
    fn mark(&self) -> String {
        let input = format!(
            "{PLATFORM} {} {}\n{}",
            self.python_version,
            self.allow_sources,
            text_of(&self.runtime.list)
        );
        format!("# input sha256:{}", Digest::of_bytes(input.as_bytes()).sha256)
    }

    /// The one that is given; else, so that digests repeat, the one that these
    /// requirements were resolved to before; else a new one.
    pub(super) fn lock(
        &self,
        given: Option<&str>,
        upgrade: bool,
        older: &Path,
        cache: &Cache,
    ) -> Result<(String, Origin), Error> {
        if let Some(path) = given {
            let text = read(Path::new(path))?;
            self.check(path, &text)?;
            return Ok((text, Origin::Given));
        }
        let mark = self.mark();
        let cached = cache.lock_path(mark.rsplit(':').next().unwrap_or_default());
        if !upgrade {
            let places = [older.join(LOCK), cached.clone()];
            let texts = places.iter().filter_map(|place| fs::read_to_string(place).ok());
            let mut texts = texts.filter(|text| text.lines().any(|line| line == mark));
            if let Some(text) = texts.next() {
                return Ok((text, Origin::Kept));
            }
        }
        let text = format!("{}{mark}\n{}", self.header(), self.resolve(cache)?);
        cache.write(&cached, text.as_bytes())?;
        Ok((text, Origin::New))
    }

    fn header(&self) -> String {
        format!(
            "# What the image installs: Python {}, linux/amd64. Written by aip-bundle.\n",
            self.python_version
        )
    }

    fn resolve(&self, cache: &Cache) -> Result<String, Error> {
        let uv = Uv::find()?;
        let mut list = self.runtime.list.clone();
        if let Some(unbounded) = self.runtime.unbounded() {
            match self.compile(&uv, cache, &unbounded) {
                Ok(text) => bound(&mut list, &text),
                // mlflow has more requirements than mlflow-skinny; one may not be met.
                Err(error) => log::debug!("mlflow itself cannot be resolved: {error}"),
            }
        }
        self.compile(&uv, cache, &list)
    }

    fn compile(&self, uv: &Uv, cache: &Cache, list: &[Requirement]) -> Result<String, Error> {
        let scratch = cache.scratch()?;
        let input = scratch.path().join("requirements.in");
        fs::write(&input, text_of(list)).map_err(|source| Error::Write { path: input, source })?;
        let mut args = vec!["pip", "compile", "requirements.in", "--generate-hashes"];
        args.extend(["--python-platform", PLATFORM, "--python-version", self.python_version]);
        // Nothing of this machine's: no paths, and no addresses of indexes.
        args.extend(["--no-header", "--no-annotate", "--no-emit-index-url"]);
        args.extend(["--no-emit-find-links", "--quiet"]);
        if !self.allow_sources {
            args.extend(["--only-binary", ":all:"]);
        }
        let text = uv.run(scratch.path(), args)?;
        // uv's own settings may ask for more than that.
        let lines = text.lines().filter(|line| !line.starts_with(['-', '#']) && !line.is_empty());
        Ok(text_of(lines))
    }

    /// A lock from elsewhere may be of other requirements.
    fn check(&self, path: &str, text: &str) -> Result<(), Error> {
        let locked = packages(text);
        if let Some((name, _)) = locked.iter().find(|(_, has_hash)| !has_hash) {
            let (path, name) = (path.to_owned(), format!("'{name}'"));
            return Err(Error::LockWithoutHash { path, name });
        }
        // One with a marker may not be for this platform.
        let wanted = self.runtime.list.iter().filter(|one| one.marker.is_none());
        let missing = wanted.filter(|one| !locked.iter().any(|(name, _)| *name == one.key()));
        let missing: Vec<_> = missing.map(|one| format!("'{}'", one.name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::LockLacks { path: path.into(), names: missing.join(", ") })
    }
}

/// Each on a line of its own.
pub(super) fn text_of<T: Display>(lines: impl IntoIterator<Item = T>) -> String {
    lines.into_iter().fold(String::new(), |mut text, line| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
        text
    })
}

/// What is installed, whatever stands around it.
pub(super) fn essence(lock: &str) -> String {
    let lines = lock.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
    text_of(lines)
}

/// Names in their normal form, and whether they come with a hash.
fn packages(lock: &str) -> Vec<(String, bool)> {
    let joined = lock.replace("\r\n", "\n").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '-']));
    let named = lines.filter_map(|line| {
        let text = line.split(" --hash").next()?;
        Some((Requirement::parse(text)?.key(), line.contains("--hash=")))
    });
    named.collect()
}

/// Takes over the versions that are left open.
fn bound(list: &mut [Requirement], lock: &str) {
    let joined = lock.replace("\\\n", " ");
    for line in joined.lines() {
        let pinned = line.split(" --hash").next().and_then(Requirement::parse);
        let Some(pinned) = pinned.filter(|one| TABLES.contains(&one.key().as_str())) else {
            continue;
        };
        let open = |one: &&mut Requirement| one.key() == pinned.key() && !one.is_pinned();
        list.iter_mut().filter(open).for_each(|one| *one = pinned.clone());
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: PathBuf::from(path), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKED: &str = "# for people\n\nMy_Pkg==1 \\\n    --hash=sha256:00 \\\n    \
                          --hash=sha256:11\nnumpy==2.0 --hash=sha256:22\n";

    fn runtime(texts: &[&str]) -> Runtime {
        let list = texts.iter().map(|text| Requirement::parse(text).unwrap()).collect();
        Runtime { list, replaced: None }
    }

    fn wanted(runtime: &Runtime) -> Wanted<'_> {
        Wanted { runtime, python_version: "3.11", allow_sources: false }
    }

    #[test]
    fn a_lock_of_earlier_is_kept_for_the_same_requirements() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::new(scratch.path());
        let (one, other) = (runtime(&["a==1"]), runtime(&["a==2"]));
        let kept = format!("{}\na==1 --hash=sha256:00\n", wanted(&one).mark());
        fs::write(scratch.path().join(LOCK), &kept).unwrap();
        let found = wanted(&one).lock(None, false, scratch.path(), &cache).unwrap();
        assert_eq!(found, (kept, Origin::Kept));
        assert_ne!(wanted(&one).mark(), wanted(&other).mark());
        let sources = Wanted { allow_sources: true, ..wanted(&one) };
        assert_ne!(sources.mark(), wanted(&one).mark());
    }

    #[test]
    fn a_lock_from_elsewhere_is_looked_at() {
        let check = |names: &[&str], text| {
            let runtime = runtime(names);
            wanted(&runtime).check("x.lock", text).map_err(|error| error.to_string())
        };
        check(&["my-pkg", "numpy<3", "other; sys_platform == 'win32'"], LOCKED).unwrap();
        assert_eq!(
            check(&["a", "b", "numpy"], LOCKED).unwrap_err(),
            "'x.lock' does not install 'a', 'b'"
        );
        assert_eq!(check(&[], "a==1\n").unwrap_err(), "'x.lock' has no hash for 'a'");
    }

    #[test]
    fn comments_and_spaces_install_nothing() {
        assert_eq!(
            essence("# x\na==1 \\\n  --hash=y\n\n"),
            essence("a==1 \\\n    --hash=y\n# z\n")
        );
    }

    #[test]
    fn open_versions_are_bound() {
        let mut list = runtime(&["numpy", "pandas==1", "my-pkg"]).list;
        bound(&mut list, &format!("{LOCKED}pandas==3 --hash=sha256:1\n"));
        let list: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(list, ["numpy==2.0", "pandas==1", "my-pkg"]);
    }
}
