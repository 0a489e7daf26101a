//! What came before does not come again, and is never believed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::{
    MLMODEL, Outcome, RUN, Reply, Request, Server, fetch_in, file, listing, with_model,
};

const SIZE: usize = 1 << 20;

const LOGGED: &str = "m-11111111111111111111111111111111";

/// A file that changes when it is told to, and a server that sends no more of
/// it than it is told to.
struct Origin {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy)]
struct State {
    version: u8,
    /// Of each answer.
    most: usize,
    sent: usize,
    /// Cuts answers at random, and changes the file now and then.
    seed: Option<u64>,
}

impl State {
    fn random(&mut self) -> Option<usize> {
        let seed = self.seed?.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.seed = Some(seed);
        usize::try_from(seed >> 40).ok()
    }

    fn trouble(&mut self) {
        if let Some(number) = self.random() {
            self.most = number % SIZE;
        }
        if self.random().is_some_and(|number| number % 12 == 0) {
            self.version = self.version % 7 + 1;
        }
    }
}

fn content(version: u8) -> Vec<u8> {
    let byte = |at: usize| u8::try_from(at * usize::from(version) % 251).unwrap();
    (0..SIZE).map(byte).collect()
}

fn answer(request: &Request, state: &mut State) -> Reply {
    state.trouble();
    let etag = format!("\"{}\"", state.version);
    if request.headers.get("if-none-match") == Some(&etag) {
        return Reply::Raw(b"HTTP/1.1 304 X\r\nConnection: close\r\n\r\n".to_vec());
    }
    let asked = request
        .headers
        .get("range")
        .filter(|_| request.headers.get("if-range").is_none_or(|wanted| *wanted == etag));
    let (first, end) = asked.map_or(("0", ""), |range| range[6..].split_once('-').unwrap());
    let first: usize = first.parse().unwrap();
    let end = end.parse().map_or(SIZE, |last: usize| last + 1);
    let status = if asked.is_some() { "206 X" } else { "200 X" };
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nServer: uvicorn\r\nETag: {etag}\r\nContent-Length: {}\r\n\
         Content-Range: bytes {first}-{}/{SIZE}\r\nConnection: close\r\n\r\n",
        end - first,
        end - 1
    )
    .into_bytes();
    let last = end.min(first + state.most);
    bytes.extend_from_slice(&content(state.version)[first..last]);
    state.sent += last - first;
    Reply::Raw(bytes)
}

impl Origin {
    fn start() -> Self {
        let state = Arc::new(Mutex::new(State { version: 1, most: SIZE, sent: 0, seed: None }));
        let shared = state.clone();
        let server = with_model(listing(&[file("model/x", SIZE)]), move |name, request| {
            if name == "MLmodel" {
                return Reply::Text(200, "text/plain", MLMODEL.into());
            }
            answer(request, &mut shared.lock().unwrap())
        });
        Self { server, state }
    }

    fn fetch(&self, directory: tempfile::TempDir, args: &[&str]) -> Outcome {
        let cache = directory.path().join("cache");
        let env = [("XDG_CACHE_HOME", cache.to_str().unwrap()), ("AIP_MAX_RETRIES", "0")];
        fetch_in(directory, &self.server.url, &[&[RUN], args].concat(), &env)
    }

    fn set(&self, set: impl FnOnce(&mut State)) {
        set(&mut self.state.lock().unwrap());
    }

    /// Bytes of the file since the last time.
    fn sent(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().sent)
    }
}

fn here() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
fn holds(outcome: &Outcome, version: u8) {
    let directory = outcome.fetch()["directory"].as_str().unwrap().to_owned();
    assert!(fs::read(Path::new(&directory).join("x")).unwrap() == content(version));
}

fn blobs(outcome: &Outcome) -> Vec<PathBuf> {
    let blobs = outcome.directory.path().join("cache/mlflow-aip/content/blobs");
    let directories = fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path());
    directories.flat_map(|path| fs::read_dir(path).unwrap()).map(|it| it.unwrap().path()).collect()
}

#[test]
fn a_fetch_that_was_cut_off_goes_on_in_the_next_run() {
    let origin = Origin::start();
    origin.set(|state| state.most = 400_000);
    let first = origin.fetch(here(), &[]);
    first.failed(5, &["broke off", "hint: run it again: it goes on"]);
    let second = origin.fetch(first.directory, &[]);
    second.failed(5, &["broke off"]);
    let third = origin.fetch(second.directory, &[]);
    holds(&third, 1);
    assert_eq!(origin.sent(), SIZE, "each byte once");
    let names = fs::read_dir(third.directory.path().join("work/models")).unwrap();
    assert_eq!(names.count(), 2, "the model and its record");
}

#[test]
fn what_changed_in_between_is_never_mixed() {
    let origin = Origin::start();
    origin.set(|state| state.most = 400_000);
    let first = origin.fetch(here(), &[]);
    first.failed(5, &["broke off"]);
    origin.set(|state| (state.version, state.most) = (2, SIZE));
    holds(&origin.fetch(first.directory, &[]), 2);
    assert_eq!(origin.sent(), 400_000 + SIZE);
}

/// Whatever the network does, what comes out is one version, whole.
#[test]
fn random_cuts_and_changes() {
    for seed in 0..30 {
        let origin = Origin::start();
        origin.set(|state| state.seed = Some(seed * 7919 + 1));
        let mut outcome = origin.fetch(here(), &[]);
        for _ in 0..200 {
            if outcome.status == 0 {
                break;
            }
            outcome.failed(5, &["broke off"]);
            outcome = origin.fetch(outcome.directory, &[]);
        }
        let directory = outcome.fetch()["directory"].as_str().unwrap().to_owned();
        let came = fs::read(Path::new(&directory).join("x")).unwrap();
        assert!((1..=7).any(|version| came == content(version)), "seed {seed}");
    }
}

#[test]
fn a_second_directory_costs_nothing() {
    let origin = Origin::start();
    let first = origin.fetch(here(), &["--output", "a"]);
    assert_eq!(origin.sent(), SIZE);
    let second = origin.fetch(first.directory, &["--output", "b"]);
    assert_eq!(second.fetch()["notes"]["bytesFetched"], 0);
    assert_eq!(blobs(&second).len(), 2, "no name is left of what was there before");
    assert!(second.stderr.contains(" bytes were here, in the cache or from an earlier run"));
    holds(&second, 1);
    assert_eq!(origin.sent(), 0);
    let third = origin.fetch(second.directory, &["--output", "c", "--no-cache"]);
    holds(&third, 1);
    assert_eq!(origin.sent(), SIZE);
    origin.set(|state| state.version = 2);
    holds(&origin.fetch(third.directory, &["--output", "d"]), 2);
    assert_eq!(origin.sent(), 1 + SIZE, "a look, then the other bytes");
}

/// A logged model is written once, as a rule: where nothing is to be taken from
/// the cache, the rule is not relied on either.
#[test]
fn a_logged_model_that_was_written_again_is_not_mixed_without_the_cache() {
    let is_first = Arc::new(AtomicBool::new(true));
    let first = is_first.clone();
    let server = Server::start(move |request| {
        let is_first = first.load(Ordering::SeqCst);
        let sent = |text: &str, length: usize| {
            let etag = if is_first { "1" } else { "2" };
            Reply::Raw(
                format!(
                    "HTTP/1.1 200 X\r\nServer: uvicorn\r\nETag: \"{etag}\"\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{text}"
                )
                .into_bytes(),
            )
        };
        match request.target.split('?').next().unwrap().rsplit('/').next().unwrap() {
            LOGGED => Reply::Json(
                200,
                json!({"model": {"info": {
                "model_id": LOGGED, "experiment_id": "1", "name": "model",
                "status": "LOGGED_MODEL_READY",
                "artifact_uri": format!("mlflow-artifacts:/1/models/{LOGGED}/artifacts")}}}),
            ),
            "directories" | "artifacts" => Reply::Json(
                200,
                json!({"files": [
                file("MLmodel", MLMODEL.len()), file("a", 3), file("b", 3)]}),
            ),
            "MLmodel" => sent(MLMODEL, MLMODEL.len()),
            "b" if is_first => sent("", 3),
            _ => sent(if is_first { "old" } else { "new" }, 3),
        }
    });
    let uri = format!("models:/{LOGGED}");
    let args = [&uri, "--no-cache", "--jobs", "1"];
    let env = [("AIP_MAX_RETRIES", "0")];
    let outcome = fetch_in(here(), &server.url, &args, &env);
    outcome.failed(5, &["broke off"]);
    is_first.store(false, Ordering::SeqCst);
    let outcome = fetch_in(outcome.directory, &server.url, &args, &env);
    let directory = outcome.fetch()["directory"].as_str().unwrap().to_owned();
    for name in ["a", "b"] {
        assert_eq!(fs::read_to_string(Path::new(&directory).join(name)).unwrap(), "new");
    }
}

#[test]
fn whoever_writes_into_a_model_does_not_poison_the_next() {
    let origin = Origin::start();
    let first = origin.fetch(here(), &["--output", "a"]);
    let mine = first.directory.path().join("a/x");
    if fs::metadata(&mine).unwrap().nlink() > 1 {
        assert!(fs::metadata(&mine).unwrap().permissions().readonly());
    }
    for blob in blobs(&first) {
        let changed = fs::read(&blob).unwrap().into_iter().rev().collect::<Vec<_>>();
        // As root, who may write whatever is read-only.
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, changed).unwrap();
    }
    origin.sent();
    let second = origin.fetch(first.directory, &["--output", "b"]);
    holds(&second, 1);
    assert_eq!(origin.sent(), SIZE, "what was changed came anew");
    holds(&origin.fetch(second.directory, &["--output", "c"]), 1);
    assert_eq!(origin.sent(), 0, "and the cache is whole again");
}

#[test]
fn the_cache_lists_what_it_has_and_lets_go_of_it() {
    let origin = Origin::start();
    let first = origin.fetch(here(), &["--output", "a"]);
    let url = origin.server.url.clone();
    let cache = |before: Outcome, args: &[&str]| {
        let home = before.directory.path().join("cache");
        let env = [("XDG_CACHE_HOME", home.to_str().unwrap())];
        let outcome = fetch_in(before.directory, &url, &[&["cache"], args].concat(), &env);
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        (serde_json::from_str::<Value>(&outcome.stdout).unwrap(), outcome)
    };
    let (listed, outcome) = cache(first, &["list"]);
    let model = &listed["models"][0];
    assert_eq!(model["modelUri"], json!(format!("runs:/{RUN}/model")));
    assert_eq!(model["bytes"], json!(SIZE + MLMODEL.len()));
    let (kept, outcome) = cache(outcome, &["prune", "--older-than", "1h", "--max-size", "2M"]);
    assert_eq!(kept["models"], 0);
    fs::remove_dir_all(outcome.directory.path().join("a")).unwrap();
    // What is old enough to be swept is counted once all the same.
    let old = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    for blob in blobs(&outcome) {
        File::open(blob).unwrap().set_modified(old).unwrap();
    }
    let gone = json!({"dryRun": true, "models": 1, "files": 2, "bytes": SIZE + MLMODEL.len()});
    let (dry, outcome) = cache(outcome, &["prune", "--max-size", "1M", "--dry-run"]);
    assert_eq!(dry, gone);
    assert_eq!(blobs(&outcome).len(), 2);
    let (pruned, outcome) = cache(outcome, &["prune", "--older-than", "0s"]);
    assert_eq!((&pruned["files"], &pruned["bytes"]), (&gone["files"], &gone["bytes"]));
    assert_eq!(blobs(&outcome).len(), 0);
    holds(&origin.fetch(outcome.directory, &["--output", "b"]), 1);
}

#[test]
fn metadata_alone_says_what_is_missing() {
    let origin = Origin::start();
    let part = origin.fetch(here(), &["--metadata-only"]);
    let record = part.fetch();
    assert_eq!(origin.sent(), 0);
    let place = format!("mlflow-artifacts:/1/{RUN}/artifacts/model/x");
    let left = json!({"path": "x", "size": SIZE, "sha256": "", "crc32c": "", "uri": place});
    assert_eq!(record["files"][1], left);
    assert_eq!(record["digest"], "", "nobody knows what is in x");
    let directory = record["directory"].as_str().unwrap();
    assert!(directory.ends_with("-metadata") && Path::new(directory).join("MLmodel").is_file());
    holds(&origin.fetch(part.directory, &[]), 1);
}
