//! Ways of bringing an object's content, and of getting it wrong.

use crate::support::{Answer, Server, noise};
use aip_emulator::Options;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

const QUANTUM: usize = 256 * 1024;

fn multipart(server: &Server, body: &str) -> Answer {
    let path = "/upload/storage/v1/b/bkt/o?uploadType=multipart";
    server.call(
        "POST",
        path,
        &[("content-type", "multipart/related; boundary='B'")],
        body.as_bytes(),
    )
}

#[test]
fn multipart_with_checksums() {
    let server = Server::start();
    let body = |metadata: &str, trailer: &str| {
        format!("--B\r\n\r\n{metadata}\r\n--B\r\ncontent-type: a/b\r\n\r\nhello\r\n{trailer}--B--")
    };
    let good = r#"{"name":"x","crc32c":"mnG7TA==","md5Hash":"XUFAKrxLKna5cZ2REBfFkg=="}"#;
    let object = multipart(&server, &body(good, "")).json();
    assert_eq!((&object["contentType"], &object["size"]), (&json!("a/b"), &json!("5")));
    let trailer = |sum| format!("--B\r\n\r\n{{\"crc32c\":\"{sum}\"}}\r\n");
    assert_eq!(multipart(&server, &body(r#"{"name":"y"}"#, &trailer("mnG7TA=="))).status, 200);
    let refused = [
        (body(r#"{"name":"bad","crc32c":"AAAAAA=="}"#, ""), "CRC32C \"AAAAAA==\""),
        (body(r#"{"name":"bad","md5Hash":"AAAAAA=="}"#, ""), "MD5 hash \"AAAAAA==\""),
        (body(r#"{"name":"bad"}"#, &trailer("AAAAAA==")), "CRC32C \"AAAAAA==\""),
        (body(r#"{"name":"bad"}"#, &trailer("mnG7TA==").repeat(2)), "three parts"),
        (body(r#"{"name":"bad","bucket":"other"}"#, ""), "bucket"),
        (body(r#"{"name":7}"#, ""), "Required"),
        (body("{", ""), "Parse Error"),
        ("--B\r\n\r\n{\"name\":\"bad\"}\r\n--B--".to_owned(), "media part"),
        ("--B\r\n\r\n{\"name\":\"bad\"}\r\n--B\r\n\r\nhel".to_owned(), "closing delimiter"),
    ];
    for (body, message) in refused {
        let answer = multipart(&server, &body);
        let found = answer.json()["error"]["message"].to_string().replace('\\', "");
        assert!(answer.status == 400 && found.contains(message), "{body}: {found}");
    }
    assert_eq!(server.get("/storage/v1/b/bkt/o/bad").status, 404);
}

#[test]
fn simple_upload_checks_the_header() {
    let server = Server::start();
    let path = "/upload/storage/v1/b/bkt/o?uploadType=media&name=x";
    let with = |hash| server.call("POST", path, &[("x-goog-hash", hash)], b"hello");
    assert_eq!(with("crc32c=AAAAAA==").reason(), "invalid");
    assert_eq!(server.media("x").status, 404);
    assert_eq!(with("crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg==").status, 200);
    for hash in ["crc32c=mnG7TA", "crc32c=AAAA", "md5=mnG7TA==", "sha256=mnG7TA=="] {
        assert_eq!(with(hash).reason(), "invalid", "{hash}");
    }
    let unknown = "/upload/storage/v1/b/bkt/o?uploadType=carrier-pigeon&name=x";
    assert_eq!(server.post(unknown, "").reason(), "invalid");
}

struct Session<'a> {
    server: &'a Server,
    url: String,
}

impl<'a> Session<'a> {
    fn start(server: &'a Server, query: &str, headers: &[(&str, &str)], metadata: &str) -> Self {
        let path = format!("/resumable/upload/storage/v1/b/bkt/o?uploadType=resumable&{query}");
        let answer = server.call("POST", &path, headers, metadata.as_bytes());
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        Self { server, url: answer.header("location").unwrap().to_owned() }
    }

    fn put(&self, range: &str, body: &[u8]) -> Answer {
        self.server.call("PUT", &self.url, &[("content-range", range)], body)
    }

    /// What the session says it has.
    fn has(&self) -> Option<String> {
        let answer = self.put("bytes */*", b"");
        assert_eq!(answer.status, 308);
        answer.header("range").map(str::to_owned)
    }
}

#[test]
fn resumable_in_chunks() {
    let server = Server::start();
    let data = noise(2 * QUANTUM + 5);
    let metadata = r#"{"name":"a/b","contentType":"x/y"}"#;
    let session = Session::start(&server, "", &[], metadata);
    assert_eq!(session.has(), None);
    let first = session.put(&format!("bytes 0-{}/*", QUANTUM - 1), &data[..QUANTUM]);
    assert_eq!((first.status, first.header("range")), (308, Some("bytes=0-262143")));
    // A client that lost the answer sends the chunk again, and more
    let range = format!("bytes 0-{}/{}", 2 * QUANTUM - 1, data.len());
    assert_eq!(session.put(&range, &data[..2 * QUANTUM]).header("range"), Some("bytes=0-524287"));
    assert_eq!(server.media("a%2Fb").status, 404);
    let range = format!("bytes {}-{}/{}", 2 * QUANTUM, data.len() - 1, data.len());
    let last = session.put(&range, &data[2 * QUANTUM..]);
    assert_eq!((last.status, &last.json()["contentType"]), (200, &json!("x/y")));
    assert_eq!(server.media("a%2Fb").body, data);
    // And one that lost the last answer asks
    assert_eq!(session.put(&format!("bytes */{}", data.len()), b"").json(), last.json());
}

#[test]
fn resumable_other_ways() {
    let server = Server::start();
    let post = |session: &Session, headers: &[_], body: &[u8]| {
        server.call("POST", &session.url, headers, body)
    };
    let session = Session::start(&server, "name=whole", &[("x-upload-content-type", "t/u")], "{}");
    assert_eq!(post(&session, &[], b"in one").json()["contentType"], "t/u");
    let session = Session::start(&server, "name=empty", &[], "");
    assert_eq!(session.put("bytes */0", b"").json()["size"], "0");
    let session = Session::start(&server, "name=go", &[], "");
    let range = format!("bytes 0-{}/*", QUANTUM - 1);
    let headers = [("content-range", range.as_str()), ("x-guploader-no-308", "yes")];
    let answer = post(&session, &headers, &noise(QUANTUM));
    assert_eq!((answer.status, answer.header("x-http-status-code-override")), (200, Some("308")));
    assert_eq!(answer.header("range"), Some("bytes=0-262143"));
    let done = session.put(&format!("bytes */{QUANTUM}"), b"");
    assert_eq!(done.json()["size"], QUANTUM.to_string());
}

#[test]
fn resumable_refuses_what_hides_mistakes() {
    let server = Server::start();
    let data = noise(3 * QUANTUM);
    let length = [("x-upload-content-length", "786432")];
    let session = Session::start(&server, "name=x", &length, "");
    session.put("bytes 0-262143/*", &data[..QUANTUM]);
    let refused = [
        ("a gap", "bytes 524288-786431/786432", QUANTUM, 503),
        ("a ragged chunk", "bytes 262144-262243/786432", 100, 400),
        ("more than it brings", "bytes 262144-786431/786432", QUANTUM, 400),
        ("less than it brings", "bytes 262144-524287/786432", 2 * QUANTUM, 400),
        ("another size", "bytes 262144-524287/524288", QUANTUM, 400),
        ("a size below", "bytes */100", 0, 400),
        ("a question with content", "bytes */*", 10, 400),
        ("nonsense", "bytes x-y/z", 10, 400),
    ];
    for (what, range, size, status) in refused {
        assert_eq!(session.put(range, &data[..size]).status, status, "{what}");
        assert_eq!(session.has().as_deref(), Some("bytes=0-262143"), "{what}");
    }
    let rest = session.put("bytes 262144-786431/786432", &data[QUANTUM..]);
    assert_eq!(rest.status, 200);
    assert_eq!(server.media("x").body, data);
}

#[test]
fn resumable_keeps_to_the_size_it_was_told() {
    let server = Server::start();
    let data = noise(2 * QUANTUM + 5);
    let session = Session::start(&server, "name=x", &[], "");
    // What is refused tells nothing
    assert_eq!(session.put("bytes 0-99/524293", &data[..100]).status, 400);
    let first = session.put(&format!("bytes 0-262143/{}", data.len()), &data[..QUANTUM]);
    assert_eq!(first.status, 308);
    for (range, size) in [
        ("bytes 262144-524287/524288", QUANTUM),
        ("bytes 262144-524287/524294", QUANTUM),
        ("bytes */262144", 0),
        ("bytes 262144-786431/*", 2 * QUANTUM),
    ] {
        let sent = noise(size);
        assert_eq!(session.put(range, &sent).status, 400, "{range}");
        assert_eq!(session.has().as_deref(), Some("bytes=0-262143"), "{range}");
    }
    let bad = [("content-range", "bytes */524293"), ("x-goog-hash", "crc32c=AAAA")];
    assert_eq!(server.call("PUT", &session.url, &bad, b"").status, 400);
    let rest = session.put("bytes 262144-524292/524293", &data[QUANTUM..]);
    assert_eq!((rest.status, server.media("x").body), (200, data));
}

#[test]
fn sessions_are_forgotten_a_thousand_later() {
    let server = Server::start();
    let done = Session::start(&server, "name=first", &[], "");
    assert_eq!(done.put("bytes */0", b"").status, 200);
    let open = Session::start(&server, "name=open", &[], "");
    for number in 0..1000 {
        assert_eq!(done.put("bytes */0", b"").status, 200, "{number}");
        let session = Session::start(&server, "name=x", &[], "");
        assert_eq!(server.delete(&session.url).status, 499);
    }
    assert_eq!(done.put("bytes */0", b"").reason(), "notFound");
    assert_eq!(open.put("bytes */0", b"").status, 200);
}

#[test]
fn resumable_checks_at_the_end() {
    let server = Server::start();
    let put = |session: &Session, hash: &str| {
        let headers = [("content-range", "bytes 0-4/5"), ("x-goog-hash", hash)];
        server.call("PUT", &session.url, &headers, b"hello")
    };
    let session = Session::start(&server, "name=x", &[], "");
    assert_eq!(put(&session, "crc32c=AAAAAA==").reason(), "invalid");
    assert_eq!(put(&session, "crc32c=mnG7TA==").status, 410);
    let session = Session::start(&server, "name=x", &[], r#"{"md5Hash":"AAAA"}"#);
    assert_eq!(put(&session, "").reason(), "invalid");
    let session = Session::start(&server, "name=x&ifGenerationMatch=0", &[], "");
    server.put_object("x", b"someone else's");
    assert_eq!(put(&session, "").reason(), "conditionNotMet");
    assert_eq!(server.media("x").body, b"someone else's");
    let late = "/upload/storage/v1/b/bkt/o?uploadType=resumable&name=x&ifGenerationMatch=0";
    assert_eq!(server.post(late, "").reason(), "conditionNotMet");
}

#[test]
fn a_client_that_goes_away_can_come_back() {
    let server = Server::start();
    let data = noise(600 * 1024);
    let session = Session::start(&server, "name=x", &[], "");
    let path = session.url.strip_prefix(&server.url).unwrap();
    let address = server.url.strip_prefix("http://").unwrap();
    let range = format!("bytes 0-{}/{}", data.len() - 1, data.len());
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\ncontent-range: {range}\r\n");
    // Asking ends what is still being received, so each attempt waits longer
    let attempts = (0..12).map(|attempt| Duration::from_millis(5 << attempt));
    let mut persisted = attempts.map(|patience| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{head}content-length: {}\r\n\r\n", data.len()).unwrap();
        stream.write_all(&data[..300 * 1024]).unwrap();
        drop(stream);
        std::thread::sleep(patience);
        session.has()
    });
    let persisted = persisted.find_map(|has| has).expect("nothing was kept");
    assert_eq!(persisted, "bytes=0-262143");
    let rest = format!("bytes {QUANTUM}-{}/{}", data.len() - 1, data.len());
    assert_eq!(session.put(&rest, &data[QUANTUM..]).status, 200);
    assert_eq!(server.media("x").body, data);
}

#[test]
fn a_session_can_be_cancelled() {
    let server = Server::start();
    let session = Session::start(&server, "name=x", &[], "");
    assert_eq!(server.delete(&session.url).status, 499);
    assert_eq!(session.put("bytes 0-4/5", b"hello").status, 410);
    let unknown = "/upload/storage/v1/b/bkt/o?uploadType=resumable&upload_id=nope";
    assert_eq!(server.call("PUT", unknown, &[], b"").reason(), "notFound");
    assert_eq!(server.call("PUT", "/upload/storage/v1/b/bkt/o", &[], b"").reason(), "required");
}

#[test]
fn a_large_refused_body_does_not_hide_the_answer() {
    let server = Server::start();
    server.put_object("x", b"");
    let path = "/upload/storage/v1/b/bkt/o?uploadType=media&name=x&ifGenerationMatch=0";
    let answer = server.call("POST", path, &[], &noise(20 * 1024 * 1024));
    assert_eq!(answer.status, 412);
    let error: Value = answer.json();
    assert_eq!(error["error"]["code"], 412);
}

#[test]
fn a_session_needs_no_token_and_nothing_else_is_a_session() {
    let options = Options { require_token: true, ..Options::default() };
    let server = Server::start_with(None, options);
    let token = [("authorization", "Bearer t")];
    let bucket = "/storage/v1/b?project=p";
    assert_eq!(server.call("POST", bucket, &token, br#"{"name":"bkt"}"#).status, 200);
    let upload = "/upload/storage/v1/b/bkt/o?uploadType=resumable&name=x";
    let session = server.call("POST", upload, &token, b"").header("location").unwrap().to_owned();
    for (method, path) in [
        ("GET", bucket),
        ("GET", "/storage/v1/b?project=p&upload_id=x"),
        ("POST", "/storage/v1/b?project=p&upload_id=x"),
        ("GET", "/v1/projects/p/models?upload_id=x"),
        ("POST", upload),
        ("POST", "/upload/storage/v1/b/bkt/o?uploadType=media&name=upload_id=x"),
        ("POST", "/upload/storage/v1/b/bkt/o?uploadType=media&name=y&my_upload_id=x"),
    ] {
        assert_eq!(server.call(method, path, &[], b"{}").status, 401, "{method} {path}");
    }
    assert_eq!(server.call("PUT", &session, &[], b"content").status, 200);
}
