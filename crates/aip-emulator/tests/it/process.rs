//! The program: what it prints, how it ends, and what it leaves behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const EMULATOR: &str = env!("CARGO_BIN_EXE_aip-emulator");

fn emulator(args: &[&str]) -> Output {
    Command::new(EMULATOR).args(args).stdin(Stdio::null()).output().unwrap()
}

fn run(script: &str) -> Output {
    emulator(&["run", "--bucket", "bkt", "--", "sh", "-c", script])
}

/// Starts `serve`, and reads its line.
fn serve(args: &[&str]) -> (Child, Value) {
    let mut child = Command::new(EMULATOR)
        .arg("serve")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

/// Fails rather than waits for ever.
fn exit_code(mut child: Child) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("still running");
}

#[test]
fn serve_until_a_signal() {
    for ending in [Signal::TERM, Signal::INT] {
        let (child, line) = serve(&[]);
        assert_eq!(line["pid"], child.id());
        let url = line["url"].as_str().unwrap();
        assert!(url.starts_with("http://127.0.0.1:"));
        assert_eq!(format!("http://{}", line["registry"].as_str().unwrap()), url);
        let answer = ureq::get(format!("{url}/storage/v1/b?project=p")).call().unwrap();
        assert_eq!(answer.status(), 200);
        let data_dir = Path::new(line["dataDir"].as_str().unwrap());
        assert!(data_dir.is_dir());
        signal(&child, ending);
        assert_eq!(exit_code(child), Some(0));
        assert!(!data_dir.exists());
    }
}

#[test]
fn serve_says_what_leads_to_it() {
    let (child, line) = serve(&["--bucket", "one", "--bucket", "two"]);
    let (url, variables) = (line["url"].as_str().unwrap(), &line["environment"]);
    assert_eq!(variables["STORAGE_EMULATOR_HOST"], url);
    assert_eq!(variables["CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"], format!("{url}/"));
    for bucket in ["one", "two"] {
        let answer = ureq::get(format!("{url}/storage/v1/b/{bucket}")).call().unwrap();
        assert_eq!(answer.status(), 200);
    }
    signal(&child, Signal::TERM);
    assert_eq!(exit_code(child), Some(0));
    let refused = emulator(&["serve", "--bucket", "B"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(stderr.contains("cannot create the bucket 'B'"), "{stderr}");
}

#[test]
fn a_directory_has_one_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--data-dir", dir.path().to_str().unwrap()];
    let (child, _) = serve(&args);
    let second = emulator(&[&["serve"], &args[..]].concat());
    assert_eq!(second.status.code(), Some(1));
    let stderr = String::from_utf8(second.stderr).unwrap();
    assert!(stderr.contains("is in use by another emulator"), "{stderr}");
    signal(&child, Signal::KILL);
    assert_eq!(exit_code(child), None);
    let (child, _) = serve(&args);
    signal(&child, Signal::TERM);
    assert_eq!(exit_code(child), Some(0));
}

#[test]
fn serve_until_stdin_closes() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--until-stdin-closes", "--data-dir", dir.path().to_str().unwrap()];
    let (mut child, line) = serve(&args);
    assert_eq!(Path::new(line["dataDir"].as_str().unwrap()), dir.path().canonicalize().unwrap());
    drop(child.stdin.take());
    assert_eq!(exit_code(child), Some(0));
    assert!(dir.path().join("storage").is_dir());
}

#[test]
fn run_ends_as_its_command() {
    let output = run("exit 7");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(7), 0));
    assert_eq!(run("kill -TERM $$").status.code(), Some(143));
    for (program, code) in [("/nonexistent/program", 127), ("/etc/passwd", 126)] {
        let output = emulator(&["run", "--", program]);
        assert_eq!(output.status.code(), Some(code));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with(&format!("aip-emulator: error: cannot run '{program}'")));
    }
}

#[test]
fn run_sets_the_environment() {
    let output = run("env");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let value = |name: &str| {
        let line = stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name} is not set")).to_owned()
    };
    let url = value("AIP_EMULATOR_URL");
    assert_eq!(value("STORAGE_EMULATOR_HOST"), url);
    assert_eq!(value("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"), format!("{url}/storage/v1/"));
    assert_eq!(value("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML"), format!("{url}/"));
    assert_eq!(value("CLOUDSDK_AI_PLATFORM_REGION"), "global");
    for service in ["AIPLATFORM", "ARTIFACTREGISTRY", "CLOUDBUILD"] {
        let name = format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}");
        assert_eq!(value(&name), format!("{url}/"));
    }
    let registry = url.strip_prefix("http://").unwrap();
    assert_eq!(value("AIP_IMAGE_REPOSITORY"), format!("{registry}/emulator/models"));
    assert_eq!(value("AIP_BASE_IMAGE"), format!("{registry}/library/python:{{python}}-slim"));
    assert!(!value("CLOUDSDK_CORE_PROJECT").is_empty());
}

#[test]
fn run_passes_signals_on() {
    let script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = Command::new(EMULATOR)
        .args(["run", "--", "sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    signal(&child, Signal::TERM);
    stdout.read_to_string(&mut line).unwrap();
    assert_eq!((exit_code(child), line.as_str()), (Some(5), "ready\ncaught\n"));
}

#[test]
fn only_loopback() {
    let output = emulator(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "aip-emulator: error: refusing to listen on '0.0.0.0:0': it is not a loopback address\n"
    );
}

#[test]
fn usage() {
    for args in [&["serve", "--listen", "nowhere"][..], &["run"], &[], &["run", "--python", "3=x"]]
    {
        let output = emulator(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.lines().all(|line| line.starts_with("aip-emulator: ")), "{stderr}");
    }
    for verb in ["serve", "run"] {
        let help = String::from_utf8(emulator(&[verb, "--help"]).stdout).unwrap();
        for part in [&format!("Examples:\n  aip-emulator {verb}"), "Exit status:", "  2  "] {
            assert!(help.contains(part), "{verb}: {help}");
        }
    }
    let output = emulator(&["run", "--bucket", "No", "--", "true"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_traffic_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("traffic.jsonl");
    let (child, line) = serve(&["--traffic-log", log.to_str().unwrap()]);
    let url = line["url"].as_str().unwrap();
    let create = format!("{url}/storage/v1/b?project=p");
    ureq::post(create)
        .header("authorization", "Bearer secret")
        .send_json(serde_json::json!({"name": "bkt"}))
        .unwrap();
    let upload = format!("{url}/upload/storage/v1/b/bkt/o?uploadType=media&name=x");
    ureq::post(upload).send(&[0xff; 10][..]).unwrap();
    let multipart = |metadata: &str, media: &str| {
        let upload = format!("{url}/upload/storage/v1/b/bkt/o?uploadType=multipart");
        let body = format!("--B\r\n\r\n{metadata}\r\n--B\r\n\r\n{media}\r\n--B--");
        let related = "multipart/related; boundary=B";
        ureq::post(upload).header("content-type", related).send(body).unwrap();
    };
    multipart(r#"{"name":"y"}"#, r#"{"content":"secret"}"#);
    multipart(r#"{"name":"z"}"#, &"secret".repeat(1 << 20));
    let media = format!("{url}/upload/storage/v1/b/bkt/o?uploadType=media&name=j");
    ureq::post(media).send(r#"{"content":"secret"}"#).unwrap();
    let start = format!("{url}/upload/storage/v1/b/bkt/o?uploadType=resumable");
    let session = ureq::post(start).send(r#"{"name":"r"}"#).unwrap();
    let session = session.headers()["location"].to_str().unwrap().to_owned();
    ureq::put(session).send(r#"{"content":"secret"}"#).unwrap();
    signal(&child, Signal::TERM);
    exit_code(child);
    let text = std::fs::read_to_string(log).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bodies: Vec<_> = lines[2..].iter().map(|line| line["requestBody"].to_string()).collect();
    let expected = [r#"{"name":"y"}"#, r#"{"name":"z"}"#, "null", r#"{"name":"r"}"#, "null"];
    assert_eq!(bodies, expected);
    assert_eq!((&lines[0]["method"], &lines[0]["path"]), (&"POST".into(), &"/storage/v1/b".into()));
    assert_eq!((&lines[0]["query"], &lines[0]["status"]), (&"project=p".into(), &200.into()));
    assert_eq!(lines[0]["requestBody"]["name"], "bkt");
    assert_eq!(lines[0]["requestHeaders"]["authorization"], "REDACTED");
    assert_eq!(lines[0]["responseBody"]["kind"], "storage#bucket");
    assert_eq!(
        (&lines[1]["requestBody"], &lines[1]["responseBody"]["size"]),
        (&Value::Null, &"10".into())
    );
}
