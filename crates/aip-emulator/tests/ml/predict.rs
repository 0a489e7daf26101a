//! Predictions, and code that does its worst.

use serde_json::json;

use crate::harness::{Emulator, message};

const FORMAT: &str = "The service expects the request to be a valid JSON object with a list-valued \
                      attribute called `instances`, i.e. `{\"instances\": [...]}`.";

#[test]
fn a_request_is_answered_as_the_service_answered_it() {
    let (emulator, _dir) = Emulator::with_model();
    emulator.deploy(&emulator.version("v1"));
    let path = "/v1/projects/p/models/iris:predict";
    let ask = |body: &str| {
        let (status, answer) = emulator.raw("POST", path, body.as_bytes());
        assert_eq!(status, 200, "{answer}");
        answer
    };
    assert_eq!(ask(r#"{"instances": [[1, 2], [0.5]]}"#), r#"{"predictions": [9, 1.5]}"#);

    // Numbers reach the code as they were written, other keys as arguments.
    let body = r#"{"instances": [123456789012345678901234567890, 0.1, {"b64": "/w=="}], "mode": "show", "x": 1}"#;
    let shown =
        r#"{"predictions": ["123456789012345678901234567890", "0.1", "b'\\xff'", ["mode", "x"]]}"#;
    assert_eq!(ask(body), shown);

    let error = |text: &str| json!({ "error": text }).to_string().replacen(':', ": ", 1);
    for (body, text) in [
        (r#"{"instances": [1], "mode": "raise"}"#, "Prediction failed: unknown error.".to_owned()),
        (r#"{"instances": [1], "self": 1}"#, "Prediction failed: unknown error.".to_owned()),
        (r#"{"instances": [{"b64": "x"}]}"#, "Base64 decode failed.".to_owned()),
        ("", format!("Empty request body. {FORMAT}")),
        (
            "{",
            format!(
                "The request did not contain valid JSON. {FORMAT} The received request was:\n{{"
            ),
        ),
        ("[]", format!("Invalid request. {FORMAT} The received request was:\n[]")),
    ] {
        assert_eq!(ask(body), error(&text));
    }
    let answer = ask(r#"{"instances": [], "mode": "object"}"#);
    assert!(answer.contains("Failed to json encode the prediction response: "), "{answer}");

    let large = format!("{{\"instances\": [\"{}\"]}}", "x".repeat(1_572_864));
    let (status, answer) = emulator.send("POST", path, large.as_bytes());
    let text = "Request payload size exceeds the limit: 1572864 bytes.";
    assert_eq!((status, message(&answer)), (400, text));

    let (status, answer) = emulator.post("/v1/projects/p/models/iris:explain", &json!({}));
    assert_eq!((status, &answer["error"]["status"]), (501, &json!("UNIMPLEMENTED")));
    let (_, version) = emulator.get("/v1/projects/p/models/iris/versions/v1");
    assert!(version["lastUseTime"].is_string());
}

#[test]
fn a_worker_that_ends_is_replaced() {
    let (emulator, _dir) = Emulator::with_model();
    emulator.deploy(&emulator.version("v1"));
    let (status, answer) = emulator.predict("v1", &json!({"instances": [], "mode": "exit"}));
    assert_eq!((status, &answer["error"]["status"]), (503, &json!("UNAVAILABLE")));
    assert_eq!(emulator.predict("v1", &json!({"instances": [[1]]})).1["predictions"], json!([3]));

    // One that ends between two requests costs nobody an answer.
    let (_, answer) = emulator.predict("v1", &json!({"instances": [], "mode": "pid"}));
    let pid = answer["predictions"][0].to_string();
    assert_eq!(answer["predictions"][1], "", "stdin is not the user's");
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    assert_eq!(emulator.predict("v1", &json!({"instances": [[1]]})).1["predictions"], json!([3]));
}

#[test]
fn concurrent_requests_get_their_own_answers() {
    let (emulator, _dir) = Emulator::with_model();
    emulator.deploy(&emulator.version("v1"));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let emulator = &emulator;
            scope.spawn(move || {
                for number in 0..25 {
                    let n = thread * 100 + number;
                    let (_, answer) = emulator.predict("v1", &json!({"instances": [[n]]}));
                    assert_eq!(answer["predictions"], json!([3 * n]));
                }
            });
        }
    });
}

#[test]
fn a_predictor_reads_from_where_the_emulator_listens() {
    let dir = tempfile::tempdir().unwrap();
    let mut emulator = Emulator::start(dir.path(), &[]);
    let address = std::mem::take(&mut emulator.url);
    // Whatever the first client calls it
    emulator.url = address.replace("127.0.0.1", "localhost");
    emulator.prepare();
    emulator.deploy(&emulator.version("v1"));
    let (_, answer) = emulator.predict("v1", &json!({"instances": [], "mode": "storage"}));
    assert_eq!(answer["predictions"], json!([address]));
}
