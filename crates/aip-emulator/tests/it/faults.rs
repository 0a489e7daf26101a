//! Faults on demand.

use std::time::{Duration, Instant};

use aip_emulator::Options;
use serde_json::{Value, json};

use crate::support::{Answer, Server, noise};

const KIB: usize = 1024;

fn arm(server: &Server, everyone: bool, method: &str, instructions: &[&str]) -> String {
    let body = json!({"instructions": {method: instructions}, "everyone": everyone});
    let answer = server.post("/retry_test", &body.to_string());
    assert_eq!(answer.status, 200);
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn completed(server: &Server, id: &str) -> Value {
    server.get(&format!("/retry_test/{id}")).json()["completed"].clone()
}

fn session(server: &Server) -> String {
    let start = server.post("/upload/storage/v1/b/bkt/o?uploadType=resumable&name=x", "");
    start.header("location").unwrap().to_owned()
}

fn put(server: &Server, id: &str, url: &str, range: &str, body: &[u8]) -> Answer {
    server.call("PUT", url, &[("content-range", range), ("x-retry-test-id", id)], body)
}

#[test]
fn only_requests_with_the_id_run_into_it() {
    let server = Server::start();
    let id = arm(&server, false, "storage.objects.list", &["return-503", "return-429"]);
    let list = || {
        let headers = [("x-retry-test-id", id.as_str())];
        server.call("GET", "/storage/v1/b/bkt/o", &headers, b"")
    };
    assert_eq!(server.get("/storage/v1/b/bkt/o").status, 200);
    assert_eq!(list().reason(), "backendError");
    assert_eq!(completed(&server, &id), false);
    assert_eq!(list().reason(), "rateLimitExceeded");
    assert_eq!(completed(&server, &id), true);
    assert_eq!(list().status, 200);
    assert_eq!(server.get("/retry_tests").json()["retry_test"].as_array().unwrap().len(), 1);
    assert_eq!(server.delete(&format!("/retry_test/{id}")).status, 204);
    assert_eq!(server.delete(&format!("/retry_test/{id}")).status, 404);
}

#[test]
fn the_vocabulary_is_checked() {
    let server = Server::start();
    let arm = |method: &str, instruction: &str| {
        let body = json!({"instructions": {method: [instruction]}});
        server.post("/retry_test", &body.to_string()).status
    };
    assert_eq!(arm("storage.objects.get", "return-503"), 200);
    assert_eq!(arm("storage.objects.get", "return-pizza"), 400);
    assert_eq!(arm("storage.objects.eat", "return-503"), 400);
}

#[test]
fn everyone() {
    let server = Server::start();
    let id = arm(&server, true, "ml.projects.models.create", &["return-403", "return-404"]);
    let refused = server.post("/v1/projects/p/models", r#"{"name":"m"}"#);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["status"], "PERMISSION_DENIED");
    let refused = server.post("/v1/projects/p/models", r#"{"name":"m"}"#);
    assert_eq!(refused.json()["error"]["status"], "NOT_FOUND");
    assert_eq!(completed(&server, &id), true);
}

#[test]
fn a_reset_is_a_reset() {
    let server = Server::start();
    arm(&server, true, "storage.objects.list", &["return-reset-connection"]);
    let failed = server.try_call("GET", "/storage/v1/b/bkt/o", &[], b"");
    let error = failed.err().expect("no answer").to_string().to_lowercase();
    assert!(error.contains("reset"), "{error}");
    assert_eq!(server.get("/storage/v1/b/bkt/o").status, 200);
}

#[test]
fn an_answer_breaks_off() {
    let server = Server::start();
    server.put_object("x", &noise(600 * KIB));
    let instructions = ["return-broken-stream-after-256K", "return-broken-stream"];
    let id = arm(&server, true, "storage.objects.get", &instructions);
    for _ in instructions {
        assert!(server.try_call("GET", "/storage/v1/b/bkt/o/x?alt=media", &[], b"").is_err());
    }
    assert_eq!(completed(&server, &id), true);
    assert_eq!(server.media("x").body, noise(600 * KIB));
}

#[test]
fn the_last_chunks_answer_is_short() {
    let server = Server::start();
    let data = noise(600 * KIB);
    let instructions = ["return-broken-stream-final-chunk-after-9B"];
    let id = arm(&server, false, "storage.objects.insert", &instructions);
    let url = session(&server);
    let first = format!("bytes 0-{}/{}", 256 * KIB - 1, data.len());
    assert_eq!(put(&server, &id, &url, &first, &data[..256 * KIB]).status, 308);
    assert_eq!(completed(&server, &id), false);
    let rest = format!("bytes {}-{}/{}", 256 * KIB, data.len() - 1, data.len());
    let short = put(&server, &id, &url, &rest, &data[256 * KIB..]);
    assert_eq!((short.status, short.body.len()), (200, 9));
    assert_eq!(completed(&server, &id), true);
    assert_eq!(put(&server, &id, &url, "bytes */*", b"").json()["name"], "x");
}

#[test]
fn a_request_may_ask_for_its_own_fault() {
    let server = Server::start();
    server.put_object("x", b"ABC");
    let get = |instruction: &str| {
        let headers = [("x-goog-emulator-instructions", instruction)];
        server.call("GET", "/storage/v1/b/bkt/o/x?alt=media", &headers, b"")
    };
    assert_eq!(get("return-corrupted-data").body, b"BBC");
    assert_eq!(get("return-503").status, 503);
    assert_eq!(get("return-503").status, 503, "it is not used up");
    assert_eq!(get("return-503/retry-3").status, 200);
    assert_eq!(server.media("x").body, b"ABC");
}

#[test]
fn a_broken_upload_keeps_whole_quanta() {
    let server = Server::start();
    let data = noise(1000 * KIB);
    let instructions = ["return-503-after-300K", "return-408-after-800K"];
    let id = arm(&server, false, "storage.objects.insert", &instructions);
    let url = session(&server);
    let whole = format!("bytes 0-{}/{}", data.len() - 1, data.len());
    assert_eq!(put(&server, &id, &url, &whole, &data).status, 503);
    let state = put(&server, &id, &url, "bytes */*", b"");
    assert_eq!((state.status, state.header("range")), (308, Some("bytes=0-262143")));
    let rest = format!("bytes {}-{}/{}", 256 * KIB, data.len() - 1, data.len());
    assert_eq!(put(&server, &id, &url, &rest, &data[256 * KIB..]).status, 408);
    let state = put(&server, &id, &url, "bytes */*", b"");
    assert_eq!(state.header("range"), Some("bytes=0-786431"));
    let rest = format!("bytes {}-{}/{}", 768 * KIB, data.len() - 1, data.len());
    assert_eq!(put(&server, &id, &url, &rest, &data[768 * KIB..]).status, 200);
    assert_eq!(server.media("x").body, data);
    assert_eq!(completed(&server, &id), true);
}

#[test]
fn a_fault_that_is_not_reached_stays_armed() {
    let server = Server::start();
    let id = arm(&server, true, "storage.objects.insert", &["return-503-after-256K"]);
    assert_eq!(server.put_object("x", b"small").status, 200);
    assert_eq!(completed(&server, &id), false);
    assert_eq!(server.put_object("x", &noise(300 * KIB)).status, 503);
    assert_eq!(server.media("x").body, b"small");
}

#[test]
fn stalls_pass_and_a_newer_request_need_not_wait() {
    let server = Server::start();
    let id = arm(&server, true, "storage.objects.list", &["stall-for-1s"]);
    let started = Instant::now();
    assert_eq!(server.get("/storage/v1/b/bkt/o").status, 200);
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(completed(&server, &id), true);

    let stall = arm(&server, false, "storage.objects.insert", &["stall-for-3600s-after-256K"]);
    let url = session(&server);
    let data = noise(512 * KIB);
    std::thread::scope(|scope| {
        let stalled = scope.spawn(|| put(&server, &stall, &url, "bytes 0-524287/524288", &data));
        let deadline = Instant::now() + Duration::from_secs(15);
        while completed(&server, &stall) == false && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let state = put(&server, "", &url, "bytes */*", b"");
        assert_eq!((state.status, state.header("range")), (308, Some("bytes=0-262143")));
        assert_eq!(stalled.join().unwrap().status, 503);
    });
    let rest = put(&server, "", &url, "bytes 262144-524287/524288", &data[256 * KIB..]);
    assert_eq!(rest.status, 200);
    assert_eq!(server.media("x").body, data);
}

#[test]
fn web_pages_are_kept_out() {
    let server = Server::start();
    let status =
        |name, value| server.call("GET", "/storage/v1/b/bkt", &[(name, value)], b"").status;
    assert_eq!(status("origin", "http://localhost:3000"), 200);
    assert_eq!(status("origin", "https://evil.example"), 403);
    assert_eq!(status("host", "evil.example"), 403);
}

#[test]
fn a_token_can_be_required() {
    let server = Server::start_with(None, Options { require_token: true, ..Options::default() });
    for (path, headers) in [
        ("/storage/v1/b?project=p", vec![]),
        ("/v1/projects/p/models", vec![("authorization", "Bearer ")]),
        ("/v1/projects/p/models", vec![("authorization", "Basic abc")]),
    ] {
        let refused = server.call("GET", path, &headers, b"");
        assert_eq!((refused.status, refused.reason().as_str()), (401, "required"));
        assert_eq!(refused.json()["error"]["status"], "UNAUTHENTICATED");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let refresh = b"grant_type=refresh_token&refresh_token=r&client_id=i&client_secret=s";
    let granted = server.call("POST", "/token", &form, refresh).json();
    assert_eq!(granted["token_type"], "Bearer");
    let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(server.call("GET", "/storage/v1/b?project=p", &headers, b"").status, 200);
    let refused = server.call("POST", "/token", &form, b"grant_type=password");
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("unsupported_grant_type")));
}
