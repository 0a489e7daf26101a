//! The source distribution, in the form that setuptools gives it.

use std::collections::BTreeMap;
use std::io;

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::requirements::Requirement;

/// What goes into the package.
#[derive(Debug)]
pub(crate) struct Sdist<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) predictor: &'a str,
    pub(crate) setup: &'a str,
    pub(crate) requirements: &'a [Requirement],
}

impl Sdist<'_> {
    pub(crate) fn file_name(&self) -> String {
        format!("{}.tar.gz", self.root())
    }

    fn root(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// The same bytes for the same content: no clock, user or file system in it.
    pub(crate) fn build(&self, mtime: u64) -> io::Result<Vec<u8>> {
        let encoder =
            GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(6));
        let mut archive = Builder::new(encoder);
        for (path, content) in self.entries() {
            let mut header = Header::new_gnu();
            let is_directory = path.ends_with('/');
            header.set_entry_type(if is_directory {
                EntryType::Directory
            } else {
                EntryType::Regular
            });
            header.set_mode(if is_directory { 0o755 } else { 0o644 });
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(mtime);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, &path, content.as_bytes())?;
        }
        archive.into_inner()?.finish()
    }

    /// Sorted by path, as setuptools' archives are; a directory ends in a slash.
    fn entries(&self) -> BTreeMap<String, String> {
        let root = self.root();
        let egg_info = format!("{}.egg-info", self.name);
        let files = [
            ("", String::new()),
            ("PKG-INFO", self.metadata()),
            (&format!("{egg_info}/"), String::new()),
            (&format!("{egg_info}/PKG-INFO"), self.metadata()),
            (&format!("{egg_info}/SOURCES.txt"), self.sources(&egg_info)),
            (&format!("{egg_info}/dependency_links.txt"), "\n".into()),
            (&format!("{egg_info}/requires.txt"), self.requires()),
            (&format!("{egg_info}/top_level.txt"), "predictor\n".into()),
            ("predictor.py", self.predictor.into()),
            ("setup.cfg", "[egg_info]\ntag_build = \ntag_date = 0\n\n".into()),
            ("setup.py", self.setup.into()),
        ];
        let files = files.into_iter();
        // setuptools writes requires.txt only where something is required.
        let files =
            files.filter(|(path, text)| !path.ends_with("requires.txt") || !text.is_empty());
        files.map(|(path, content)| (format!("{root}/{path}"), content)).collect()
    }

    /// Version 2.1: what installers of today read in 2.2 and later they believe
    /// without running setup.py, which is the user's to adapt.
    fn metadata(&self) -> String {
        let mut lines = vec![
            "Metadata-Version: 2.1".into(),
            format!("Name: {}", self.name),
            format!("Version: {}", self.version),
            "Summary: Prediction routine of an MLflow model".into(),
        ];
        lines.extend(self.requirements.iter().map(|one| format!("Requires-Dist: {one}")));
        lines.join("\n") + "\n"
    }

    fn sources(&self, egg_info: &str) -> String {
        let mut files = vec!["PKG-INFO", "SOURCES.txt", "dependency_links.txt"];
        if !self.requirements.is_empty() {
            files.push("requires.txt");
        }
        files.push("top_level.txt");
        let files = files.iter().map(|file| format!("{egg_info}/{file}"));
        let sources = ["predictor.py".to_owned(), "setup.py".to_owned()].into_iter().chain(files);
        // The one file of setuptools' that ends without a newline.
        sources.collect::<Vec<_>>().join("\n")
    }

    /// Requirements without a marker, then one section for each marker.
    fn requires(&self) -> String {
        let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for requirement in self.requirements {
            // The empty marker sorts first.
            let section = sections.entry(requirement.marker.as_deref().unwrap_or_default());
            section.or_default().push(requirement.unmarked() + "\n");
        }
        let sections = sections.into_iter().map(|(marker, lines)| match marker {
            "" => lines.concat(),
            marker => format!("\n[:{marker}]\n{}", lines.concat()),
        });
        sections.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Read as _;

    use super::*;

    const GOLDEN: &str = include_str!("../tests/sdist.golden");

    fn requirements() -> Vec<Requirement> {
        ["mlflow==3.17.2", "numpy<3 ; python_version < '3.8'", "a @ https://h/x.zip"]
            .map(|text| Requirement::parse(text).unwrap())
            .into()
    }

    fn sdist(requirements: &[Requirement]) -> Sdist<'_> {
        Sdist {
            name: "deploy_from_script",
            version: "0.1+iris.v1",
            predictor: "x = 1\n",
            setup: "from setuptools import setup\n",
            requirements,
        }
    }

    fn listing(archive: &[u8]) -> String {
        let mut listing = String::new();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            writeln!(
                listing,
                "== {:?} {:o} {}:{} {} {}\n{content}",
                header.entry_type(),
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap(),
                entry.path().unwrap().display(),
            )
            .unwrap();
        }
        listing
    }

    #[test]
    fn the_files_of_setuptools() {
        let requirements = requirements();
        let archive = sdist(&requirements).build(315_619_200).unwrap();
        assert_eq!(listing(&archive), GOLDEN);
        assert_eq!(archive[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        assert_eq!(sdist(&requirements).file_name(), "deploy_from_script-0.1+iris.v1.tar.gz");
    }

    #[test]
    fn the_same_twice() {
        let requirements = requirements();
        let build = || sdist(&requirements).build(1).unwrap();
        assert_eq!(build(), build());
        assert!(!listing(&sdist(&[]).build(1).unwrap()).contains("requires.txt"));
    }
}
