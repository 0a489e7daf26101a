//! A model's directory is whole, known again, and nobody else's.

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::download::{Download, Told};
use crate::source::{Local, checked};

struct Case {
    temp: TempDir,
    store: Store,
    entries: Vec<Entry>,
}

fn identity() -> Identity {
    Identity::new("here".into(), b"flavors: {}")
}

fn fetched() -> Case {
    let temp = tempfile::tempdir().unwrap();
    let origin = temp.path().join("origin");
    fs::create_dir_all(origin.join("data")).unwrap();
    fs::write(origin.join("MLmodel"), "flavors: {}").unwrap();
    fs::write(origin.join("data/x"), "abc").unwrap();
    let store = Store::new(&temp.path().join("out/model")).unwrap();
    let mut case = Case { temp, store, entries: Vec::new() };
    case.fetch();
    case
}

impl Case {
    fn source(&self) -> Local {
        Local::new(&self.temp.path().join("origin")).unwrap()
    }

    fn fetch(&mut self) {
        self.entries = self.fetch_once();
    }

    fn fetch_once(&self) -> Vec<Entry> {
        let source = self.source();
        let entries = checked(source.list().unwrap()).unwrap();
        let staging = self.store.stage(&identity()).unwrap();
        let told = Told { bytes: &|_| (), came: &|_| (), file: &|| () };
        let (source, staging) = (&source, &staging);
        let download = Download { source, staging, cached: None, jobs: 2, told };
        let files = download.run(entries.clone(), &identity()).unwrap();
        self.store.keep(staging, "models:/x/1", files).unwrap();
        entries
    }

    fn current_as(&self, entries: &[Entry], identity: &Identity) -> Option<Vec<File>> {
        self.store.current(&self.source(), entries, identity, 2)
    }

    fn current(&self) -> Option<Vec<File>> {
        self.current_as(&self.entries, &identity())
    }

    fn beside(&self) -> Vec<String> {
        let names = fs::read_dir(self.temp.path().join("out")).unwrap();
        let mut names: Vec<_> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn what_was_fetched_is_known_again() {
    let mut case = fetched();
    let files = case.current().unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(files[1].sha256, transport::Digest::of_bytes(b"abc").sha256);
    assert_eq!(case.beside(), [".model.fetched.json", "model"]);
    case.fetch();
    assert_eq!(case.beside(), [".model.fetched.json", "model"]);
}

#[test]
fn any_difference_is_found() {
    let mut case = fetched();
    let another = Identity::new("here".into(), b"other");
    assert!(case.current_as(&case.entries, &another).is_none());
    assert!(case.current_as(&case.entries[..1], &identity()).is_none());
    let mut other = case.entries.clone();
    other[1].revision = Some("later".into());
    assert!(case.current_as(&other, &identity()).is_none());
    fs::write(case.store.directory().join("data/x"), "abd").unwrap();
    assert!(case.current().is_none());
    case.fetch();
    assert!(case.current().is_some());
    fs::remove_file(case.store.directory().join("data/x")).unwrap();
    fs::write(case.temp.path().join("abc"), "abc").unwrap();
    symlink(case.temp.path().join("abc"), case.store.directory().join("data/x")).unwrap();
    assert!(case.current().is_none());
}

#[test]
fn nobody_elses_directory_is_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let mine = temp.path().join("mine");
    fs::create_dir(&mine).unwrap();
    assert!(Store::new(&mine).unwrap().claim().is_ok(), "an empty one may be filled");
    fs::write(mine.join("thesis.tex"), "").unwrap();
    assert!(Store::new(&mine).unwrap().claim().is_err());
    symlink(&mine, temp.path().join("link")).unwrap();
    assert!(Store::new(&temp.path().join("link")).unwrap().claim().is_err());
    assert!(Store::new(Path::new("/")).is_err());
}

#[test]
fn a_part_does_not_take_the_place_of_the_whole() {
    let mut case = fetched();
    let directory = case.store.directory().to_owned();
    let part = || Store::new(&directory).unwrap().of_part(true);
    let error = part().claim().unwrap_err();
    assert!(error.to_string().contains("holds the whole of 'models:/x/1'"), "{error}");
    assert!(case.current().is_some(), "nothing is lost");
    fs::remove_dir_all(case.store.directory()).unwrap();
    assert!(part().claim().is_ok(), "what is gone is in nobody's way");
    case.store = part();
    case.fetch();
    assert!(part().claim().is_ok(), "a part may take the place of a part");
    assert!(Store::new(&directory).unwrap().claim().is_ok(), "and so may a whole");
}

#[test]
fn many_may_fetch_the_same_at_the_same_time() {
    let case = fetched();
    let kept = case.store.directory().join("data/x");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|_| drop(case.fetch_once())));
        }
    });
    assert_eq!(fs::read_to_string(kept).unwrap(), "abc");
    assert!(case.current().is_some());
    assert_eq!(case.beside(), [".model.fetched.json", "model"]);
}

#[test]
fn an_abandoned_stage_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::new(&temp.path().join("model")).unwrap();
    let staging = store.stage(&identity()).unwrap();
    fs::write(staging.path().join("x"), "x").unwrap();
    drop(staging);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn what_a_killed_process_left_is_gone_on_with_by_the_same_model_alone() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::new(&temp.path().join("model")).unwrap();
    let left = |identity: &Identity| {
        let staging = store.stage(identity).unwrap();
        fs::write(staging.path().join("x"), "x").unwrap();
        staging.stay();
        staging.path()
    };
    let path = left(&identity());
    let mine = store.stage(&identity()).unwrap();
    assert_eq!(mine.path(), path, "the same is gone on with");
    let another = store.stage(&identity()).unwrap();
    assert_ne!(another.path(), path, "a living one is its process's");
    drop((mine, another));

    let path = left(&Identity::new("there".into(), b"flavors: {}"));
    let mine = store.stage(&identity()).unwrap();
    assert!(!path.exists() && mine.path().exists(), "another model's goes");
}
