//! The token dance.

use aip_emulator::Options;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::Server;

fn strict() -> Server {
    Server::start_with(None, Options { require_token: true, ..Options::default() })
}

#[test]
fn who_comes_without_a_token_is_told_where_they_are() {
    let server = strict();
    let host = server.host();
    let answer = server.send("POST", "/v2/a/b/blobs/uploads/", &[], b"");
    assert_eq!(answer.refusal(), (401, "UNAUTHORIZED".to_owned()));
    let challenge = answer.header("www-authenticate").unwrap();
    let expected = format!(
        "Bearer realm=\"http://{host}/v2/token\",service=\"{host}\",\
         scope=\"repository:a/b:push,pull\""
    );
    assert_eq!(challenge, expected);
    let base = server.get("/v2/");
    assert_eq!(base.status, 401);
    assert!(!base.header("www-authenticate").unwrap().contains("scope"));
}

#[test]
fn a_token_for_a_google_access_token() {
    let server = strict();
    let path = "/v2/token?service=x&scope=repository:a/b:pull";
    assert_eq!(server.get(path).status, 401);
    let basic = format!("Basic {}", STANDARD.encode("oauth2accesstoken:ya29.x"));
    let answer = server.send("GET", path, &[("authorization", &basic)], b"").json();
    assert_eq!(answer["token"], answer["access_token"]);
    let bearer = format!("Bearer {}", answer["token"].as_str().unwrap());
    assert_eq!(server.send("GET", "/v2/", &[("authorization", &bearer)], b"").status, 200);
    // As containerd and docker ask
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let post = |body: &str| server.send("POST", "/v2/token", &form, body.as_bytes()).status;
    assert_eq!(post("grant_type=password&username=oauth2accesstoken&password=x&service=s"), 200);
    assert_eq!(post("grant_type=password&username=someone&password=x"), 401);
    // The access token itself will do
    assert_eq!(server.send("GET", "/v2/", &[("authorization", "Bearer ya29.x")], b"").status, 200);
    assert_eq!(server.send("GET", "/v2/", &[("authorization", &basic)], b"").status, 200);
}
