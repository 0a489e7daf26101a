//! What a process that fills a directory writes down as it goes, so that the
//! next one can go on where it was killed: a line of JSON for each file that it
//! begins and each that is whole.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead as _, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::known::{ByPath, Identity, Known};

#[derive(Debug)]
pub(crate) struct Journal(Mutex<File>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// A process takes over.
    Process {
        place: String,
        mlmodel: String,
        boot: String,
    },
    /// What comes from here on into this file is the content that the store
    /// calls so; nothing that lies there can be gone on with if it is empty.
    Begun {
        path: String,
        validator: Option<String>,
    },
    Whole(Known),
}

/// What an earlier process left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) begun: HashMap<String, String>,
    pub(crate) whole: HashSet<ByPath>,
}

impl Journal {
    pub(crate) fn open(path: &Path, identity: &Identity) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        let journal = Self(Mutex::new(file));
        journal.write(&Line::Process {
            place: identity.place.clone(),
            mlmodel: identity.mlmodel.clone(),
            boot: boot(),
        })?;
        Ok(journal)
    }

    pub(crate) fn begun(&self, path: &str, validator: Option<&str>) -> io::Result<()> {
        self.write(&Line::Begun { path: path.into(), validator: validator.map(str::to_owned) })
    }

    pub(crate) fn whole(&self, known: &Known) -> io::Result<()> {
        self.write(&Line::Whole(known.clone()))
    }

    /// In one piece. The line before may be half a line of a killed process.
    fn write(&self, line: &Line) -> io::Result<()> {
        let mut bytes = vec![b'\n'];
        serde_json::to_writer(&mut bytes, line)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }
}

/// What is left of this very model. After a crash of the machine itself a file
/// may be longer than what reached the disk: what was begun then is not trusted,
/// and what was whole is hashed again anyway.
pub(crate) fn left(path: &Path, identity: &Identity) -> Option<Left> {
    let mut left = Left::default();
    let (mut ours, mut same_boot) = (false, false);
    for line in io::BufReader::new(File::open(path).ok()?).split(b'\n') {
        match serde_json::from_slice(&line.ok()?) {
            Ok(Line::Process { place, mlmodel, boot: then }) => {
                ours = place == identity.place && mlmodel == identity.mlmodel;
                same_boot = then == boot();
            }
            Ok(Line::Begun { path, validator: Some(validator) }) if same_boot => {
                left.begun.insert(path, validator);
            }
            Ok(Line::Begun { path, .. }) => {
                left.begun.remove(&path);
            }
            Ok(Line::Whole(known)) => {
                left.whole.replace(known.into());
            }
            Err(_) => {}
        }
    }
    ours.then_some(left)
}

/// Another one each time the machine starts, where it says so.
fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(path: &str) -> Known {
        let file = deployment::File { path: path.into(), size: 3, ..Default::default() };
        Known { file, ..Known::default() }
    }

    #[test]
    fn what_was_written_is_read_whatever_the_last_line() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("journal");
        let identity = Identity::new("s x".into(), b"m");
        let journal = Journal::open(&path, &identity).unwrap();
        journal.begun("a", Some("\"1\"")).unwrap();
        journal.begun("b", Some("\"1\"")).unwrap();
        journal.begun("b", None).unwrap();
        journal.whole(&known("c")).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n{\"whole").unwrap();
        Journal::open(&path, &identity).unwrap().begun("d", Some("\"2\"")).unwrap();

        let found = left(&path, &identity).unwrap();
        let whole: Vec<_> = found.whole.into_iter().map(|ByPath(known)| *known).collect();
        assert_eq!(whole, [known("c")]);
        let begun = [("a", "\"1\""), ("d", "\"2\"")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(found.begun, HashMap::from(begun));
        assert!(left(&path, &Identity::new("s y".into(), b"m")).is_none(), "another place");
        assert!(left(&path, &Identity::new("s x".into(), b"n")).is_none(), "another model");
    }

    #[test]
    fn what_was_begun_before_the_machine_started_anew_is_not_trusted() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("journal");
        let identity = Identity::new("s x".into(), b"m");
        let journal = Journal::open(&path, &identity).unwrap();
        journal.begun("a", Some("\"1\"")).unwrap();
        journal.whole(&known("c")).unwrap();
        let text = fs::read_to_string(&path).unwrap().replace(&boot(), "another");
        fs::write(&path, text).unwrap();
        let found = left(&path, &identity).unwrap();
        assert!(found.begun.is_empty() && found.whole.len() == 1);
    }
}
