//! What has failed for good is told at once, whatever the others are about.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Insert, Rewrite, Storage};
use crate::{Credentials, Error};

/// Far less than anybody below is asked to wait.
const SOON: Duration = Duration::from_secs(20);

/// A service with an answer for every request line.
pub(super) fn service(answer: fn(&str) -> &'static str) -> Arc<Storage> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(&stream, answer));
        }
    });
    Arc::new(Storage::new(root, Arc::new(Credentials::new(None))))
}

/// One request, whose body is no matter.
fn serve(mut stream: &TcpStream, answer: fn(&str) -> &'static str) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    lines.find(String::is_empty);
    let answer = answer(&request);
    let _ = write!(stream, "HTTP/1.1 {answer}");
}

#[test]
fn who_was_asked_to_wait_hears_that_another_has_failed() {
    let storage = service(|request| {
        if request.contains("name=slow") {
            "429 Slow\r\nretry-after: 60\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        } else {
            "403 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        }
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    let insert = |name| storage.insert(&Insert { name, ..Insert::of(file.path()) }, None, &|_| ());
    let begun = Instant::now();
    let failed = transport::for_each(vec!["slow", "refused"], 2, |name| {
        if name == "refused" {
            // The other one is to be asleep by then.
            thread::sleep(Duration::from_millis(500));
        }
        insert(name).inspect_err(|_| storage.stop())
    });
    assert_eq!(failed.unwrap_err().status(), Some(403));
    assert!(begun.elapsed() < SOON);
}

#[test]
fn a_copy_ends_between_its_steps() {
    let storage = service(|_| {
        "200 OK\r\ncontent-length: 63\r\nconnection: close\r\n\r\n\
         {\"done\":false,\"totalBytesRewritten\":\"1\",\"rewriteToken\":\"token\"}"
    });
    let rewrite = Rewrite {
        from: &"gs://from/file".parse().unwrap(),
        generation: None,
        bucket: "b",
        name: "n",
        size: 9,
        crc32c: "4waSgw==",
        replaces: 0,
    };
    let copied = storage.rewrite(&rewrite, &|_| storage.stop());
    assert!(matches!(copied, Err(Error::Stopped)), "{copied:?}");
}
