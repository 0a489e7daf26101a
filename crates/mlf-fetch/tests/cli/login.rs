//! Who is told who we are, and who is not.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::support::{
    MLMODEL, RUN, Reply, Request, Server, fetch_in, file, listing, run, whole, with_model,
};

fn serving() -> Server {
    with_model(listing(&[file("model/x", 1)]), |name, _| {
        let content = if name == "MLmodel" { MLMODEL } else { "x" };
        Reply::Raw(whole(200, "application/octet-stream", content.as_bytes()))
    })
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name).map(String::as_str)
}

#[test]
fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    // The first token lasts for two requests.
    let answered = Mutex::new(0);
    let inner = serving();
    let url = inner.url.clone();
    let server = Server::start(move |request| {
        let mut answered = answered.lock().unwrap();
        let good = if *answered < 2 { "Bearer s3cret-1" } else { "Bearer s3cret-2" };
        if header(request, "authorization") != Some(good) {
            return Reply::Text(401, "text/html", "<html>".into());
        }
        *answered += 1;
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n\r\n", request.target).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::Raw(bytes)
    });
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("runs"), "").unwrap();
    let command = "echo >>runs; echo s3cret-$(wc -l <runs)";
    let args = ["-vv", RUN, "--token-command", command, "--jobs", "4"];
    let outcome = fetch_in(directory, &server.url, &args, &[("PATH", "/usr/bin:/bin")]);
    outcome.fetch();
    let runs = fs::read_to_string(outcome.directory.path().join("runs")).unwrap();
    assert_eq!(runs.lines().count(), 2);
    assert!(!outcome.stderr.contains("s3cret-") && !outcome.stdout.contains("s3cret-"));

    let directory = tempfile::tempdir().unwrap();
    let args = [RUN, "--token-command", "echo wrong"];
    let outcome = fetch_in(directory, &server.url, &args, &[("PATH", "/usr/bin:/bin")]);
    outcome.failed(4, &["does not accept this login"]);
    let outcome =
        fetch_in(outcome.directory, &server.url, &[RUN, "--token-command", "exit 7"], &[]);
    outcome.failed(1, &["the token command failed: exit status: 7"]);
}

#[test]
fn headers_and_workspace_go_with_every_request() {
    let server = serving();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("headers"), "X-Second: s3cret-b\n").unwrap();
    let args = ["-vv", RUN, "--header", "X-First: s3cret-a", "--header", "@headers"];
    let env = [("MLFLOW_WORKSPACE", "team-a"), ("MLFLOW_TRACKING_TOKEN", "s3cret-t")];
    let outcome = fetch_in(directory, &server.url, &args, &env);
    outcome.fetch();
    let requests = server.requests();
    assert!(requests.len() >= 4, "{requests:?}");
    for request in &requests {
        assert_eq!(header(request, "x-first"), Some("s3cret-a"), "{request:?}");
        assert_eq!(header(request, "x-second"), Some("s3cret-b"));
        assert_eq!(header(request, "authorization"), Some("Bearer s3cret-t"));
        assert_eq!(header(request, "x-mlflow-workspace"), Some("team-a"));
    }
    assert!(!outcome.stderr.contains("s3cret") && !outcome.stdout.contains("s3cret"));
}

#[test]
fn another_host_is_told_nothing() {
    let other = Server::start(|request| {
        if request.target.contains("?path=") {
            return Reply::Json(200, json!({"files": [file("MLmodel", MLMODEL.len())]}));
        }
        Reply::Raw(whole(200, "text/plain", MLMODEL.as_bytes()))
    });
    let host = other.url.trim_start_matches("http://").to_owned();
    let tracking = Server::start(move |request| {
        let mut run = run(&json!([{"artifact_path": "model"}]));
        run["run"]["info"]["artifact_uri"] = json!(format!("mlflow-artifacts://{host}/1/x"));
        if request.target.starts_with("/api/2.0/mlflow/runs/get") {
            return Reply::Json(200, run);
        }
        Reply::Json(200, json!({"files": [file("model/MLmodel", MLMODEL.len())]}))
    });
    let args = [RUN, "--header", "X-Key: s3cret"];
    let env = [("MLFLOW_TRACKING_TOKEN", "s3cret-t"), ("MLFLOW_WORKSPACE", "team-a")];
    fetch_in(tempfile::tempdir().unwrap(), &tracking.url, &args, &env).fetch();
    let asked = other.requests();
    assert!(!asked.is_empty());
    for request in &asked {
        assert_eq!(header(request, "authorization"), None);
        assert_eq!(header(request, "x-key"), None);
        assert_eq!(header(request, "x-mlflow-workspace"), Some("team-a"));
    }
    assert!(tracking.requests().iter().all(|it| header(it, "x-key") == Some("s3cret")));

    let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/1/y", other.url);
    fetch_in(tempfile::tempdir().unwrap(), "", &[&url], &env).fetch();
    assert_eq!(header(other.requests().last().unwrap(), "authorization"), None);
}

#[test]
fn files_in_the_home_directory_hold_logins() {
    let server = serving();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    let said = |env: &[(&str, &str)]| {
        let mut env = env.to_vec();
        env.push(("HOME", path));
        fetch_in(tempfile::tempdir().unwrap(), &server.url, &[RUN], &env).fetch();
        server.requests().last().unwrap().headers.get("authorization").cloned()
    };
    assert_eq!(said(&[]), None);
    fs::write(home.path().join(".netrc"), "machine 127.0.0.1 login ana password pw").unwrap();
    assert_eq!(said(&[]).unwrap(), "Basic YW5hOnB3");
    fs::create_dir(home.path().join(".mlflow")).unwrap();
    let file = "[mlflow]\nmlflow_tracking_username = bob\nmlflow_tracking_password = pw\n";
    fs::write(home.path().join(".mlflow/credentials"), file).unwrap();
    assert_eq!(said(&[]).unwrap(), "Basic Ym9iOnB3");
    assert_eq!(said(&[("MLFLOW_TRACKING_USERNAME", "ana")]).unwrap(), "Basic YW5hOnB3");
}

#[test]
fn a_pod_says_who_it_is() {
    let server = serving();
    let account = tempfile::tempdir().unwrap();
    let directory = ("AIP_SERVICE_ACCOUNT_DIR", account.path().to_str().unwrap());
    let env = [directory, ("MLFLOW_TRACKING_AUTH", "kubernetes-namespaced")];
    let outcome = fetch_in(tempfile::tempdir().unwrap(), &server.url, &[RUN], &env);
    outcome.failed(2, &["there is no '", "--token-command"]);
    fs::write(account.path().join("token"), "pod-token\n").unwrap();
    fs::write(account.path().join("namespace"), "team-b\n").unwrap();
    fetch_in(outcome.directory, &server.url, &[RUN], &env).fetch();
    let request = server.requests().pop().unwrap();
    assert_eq!(header(&request, "authorization"), Some("Bearer pod-token"));
    assert_eq!(header(&request, "x-mlflow-workspace"), Some("team-b"));
}

/// A proxy that connects whoever asks to one address. What it was asked for.
fn proxy(to: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:s3cret@{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    thread::spawn(move || {
        for mut near in listener.incoming().flatten() {
            let mut head = String::new();
            let mut reader = BufReader::new(near.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            seen.lock().unwrap().push(head);
            near.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            connect(near, &to);
        }
    });
    (url, asked)
}

/// The same by SOCKS 5, where hosts are given by name.
fn socks_proxy(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("socks5h://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut near in listener.incoming().flatten() {
            let mut greeting = [0; 2];
            near.read_exact(&mut greeting).unwrap();
            near.read_exact(&mut vec![0; greeting[1].into()]).unwrap();
            near.write_all(&[5, 0]).unwrap();
            let mut request = [0; 5];
            near.read_exact(&mut request).unwrap();
            assert_eq!(request[..4], [5, 1, 0, 3], "connect to a name");
            let mut name = vec![0; usize::from(request[4]) + 2];
            near.read_exact(&mut name).unwrap();
            assert_eq!(name, b"mlflow.test\x13\x88");
            near.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            connect(near, &to);
        }
    });
    url
}

fn connect(near: TcpStream, to: &str) {
    let far = TcpStream::connect(to).unwrap();
    for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}

#[test]
fn a_proxy_stands_before_all_but_what_is_excepted() {
    let server = serving();
    let (url, asked) = proxy(server.url.trim_start_matches("http://").to_owned());
    let through = |tracking: &str, env: &[(&str, &str)]| {
        let mut env = env.to_vec();
        env.push(("http_proxy", &url));
        fetch_in(tempfile::tempdir().unwrap(), tracking, &["-vv", RUN], &env)
    };
    let outcome = through("http://mlflow.test:5000", &[]);
    outcome.fetch();
    assert!(!outcome.stderr.contains("s3cret"), "{}", outcome.stderr);
    let heads = asked.lock().unwrap().clone();
    assert!(heads[0].starts_with("CONNECT mlflow.test:5000 HTTP/1.1\r\n"), "{heads:?}");
    let basic = "proxy-authorization: basic dxnlcjpzm2nyzxq=";
    assert!(heads[0].to_lowercase().contains(basic), "{heads:?}");
    let count = heads.len();
    through(&server.url, &[]).fetch();
    through("http://mlflow.test:5000", &[("NO_PROXY", ".test")]).failed(5, &["mlflow.test"]);
    assert_eq!(asked.lock().unwrap().len(), count, "neither went through the proxy");
}

#[test]
fn what_a_proxy_refuses_is_not_tried_again() {
    for (status, code, hint) in [
        (403, 4, "hint: the proxy must allow CONNECT to the server's port"),
        (407, 4, "hint: the proxy wants a login: http_proxy=http://USER:PASSWORD@HOST:PORT"),
        (503, 5, "hint: the proxy must allow CONNECT"),
    ] {
        let proxy = Server::start(move |_| Reply::Text(status, "text/html", "<html>".into()));
        let env = [("http_proxy", proxy.url.as_str())];
        let far = "http://mlflow.test:5000";
        let outcome = fetch_in(tempfile::tempdir().unwrap(), far, &[RUN], &env);
        let said = format!("the proxy in http_proxy answered CONNECT with {status}");
        outcome.failed(code, &[&said, hint]);
        assert_eq!(proxy.requests().len(), if code == 4 { 1 } else { 2 });
    }
}

#[test]
fn a_proxy_may_be_of_another_kind_or_not_there() {
    let server = serving();
    let through = |proxy: &str| {
        let args = ["--tracking-uri", "http://mlflow.test:5000", RUN];
        fetch_in(tempfile::tempdir().unwrap(), &server.url, &args, &[("ALL_PROXY", proxy)])
    };
    through(&socks_proxy(server.url.trim_start_matches("http://").to_owned())).fetch();
    // Nobody listens any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "socks5h"] {
        let said = ["(by way of the proxy in ALL_PROXY)", "hint: look at HTTP_PROXY"];
        through(&format!("{scheme}://{gone}")).failed(5, &said);
    }
}
