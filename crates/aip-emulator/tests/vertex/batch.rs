//! Batch prediction from a bucket to a bucket.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Vertex;

fn job(input: &str, fields: &Value) -> Value {
    let mut job = json!({
        "displayName": "j", "model": "projects/acme/locations/us-central1/models/iris@1",
        "inputConfig": { "instancesFormat": "jsonl", "gcsSource": { "uris": [input] } },
        "outputConfig": {
            "predictionsFormat": "jsonl", "gcsDestination": { "outputUriPrefix": "gs://bucket/out/" },
        },
        "dedicatedResources": { "machineSpec": { "machineType": "n1-standard-2" } },
    });
    job.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
    job
}

fn run(vertex: &Vertex, job: &Value) -> Value {
    let (status, made) = vertex.post("batchPredictionJobs", job);
    assert_eq!((status, &made["state"]), (200, &json!("JOB_STATE_PENDING")), "{made}");
    let id = made["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let start = Instant::now();
    loop {
        let job = vertex.get(&format!("batchPredictionJobs/{id}"));
        if !matches!(job["state"].as_str(), Some("JOB_STATE_PENDING" | "JOB_STATE_RUNNING")) {
            return job;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{job}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The content of one of the job's files.
fn output(vertex: &Vertex, job: &Value, file: &str) -> String {
    let directory = job["outputInfo"]["gcsOutputDirectory"].as_str().unwrap();
    let name = directory.strip_prefix("gs://bucket/").unwrap();
    let name = format!("{name}/{file}-00000-of-00001").replace('/', "%2F").replace(':', "%3A");
    let answer = vertex.server.get(&format!("/storage/v1/b/bucket/o/{name}?alt=media"));
    assert_eq!(answer.status, 200, "{name}");
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn every_line_is_predicted_in_batches() {
    let vertex = Vertex::start();
    vertex.model("iris", &[("WEIGHTS", "2")]);
    let lines: Vec<String> = (0..150).map(|n| n.to_string()).collect();
    vertex.put("bucket", "in/a.jsonl", &lines.join("\n"));
    let done = run(&vertex, &job("gs://bucket/in/*.jsonl", &json!({})));
    assert_eq!(done["state"], "JOB_STATE_SUCCEEDED", "{done}");
    let stats = json!({ "successfulCount": "150", "failedCount": "0", "incompleteCount": "0" });
    assert_eq!(done["completionStats"], stats);
    let directory = done["outputInfo"]["gcsOutputDirectory"].as_str().unwrap();
    assert!(directory.starts_with("gs://bucket/out/prediction-iris-20"), "{directory}");
    let text = output(&vertex, &done, "prediction.results");
    assert_eq!(text.lines().count(), 150);
    assert_eq!(text.lines().nth(149), Some(r#"{"instance":149,"prediction":298.0}"#));
    assert_eq!(output(&vertex, &done, "prediction.errors_stats"), "");

    let listed = vertex.get("batchPredictionJobs?filter=state%3D%22JOB_STATE_SUCCEEDED%22");
    assert_eq!(listed["batchPredictionJobs"][0], done);
    let path = format!("/v1/{}", done["name"].as_str().unwrap());
    vertex.done(vertex.send("DELETE", &path, &Value::Null));
    assert_eq!(vertex.send("GET", &path, &Value::Null).0, 404);
}

#[test]
fn what_fails_is_counted_and_told() {
    let vertex = Vertex::start();
    vertex.model("iris", &[]);
    vertex.put("bucket", "some.jsonl", "1\n\"poison\"\n3\n");
    vertex.put("bucket", "bad.jsonl", "1\n{\n");
    let one = json!({ "manualBatchTuningParameters": { "batchSize": 1 } });
    let done = run(&vertex, &job("gs://bucket/some.jsonl", &one));
    assert_eq!(
        (&done["state"], &done["completionStats"]["failedCount"]),
        (&json!("JOB_STATE_SUCCEEDED"), &json!("1")),
        "{done}"
    );
    let errors = output(&vertex, &done, "prediction.errors_stats");
    let start = "('Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK \
                 result 500 ({\"error\": \"poisoned\"}) from server, retry=3, ";
    assert!(errors.starts_with(start) && errors.ends_with("', 1)\n"), "{errors}");

    for (input, part) in [
        ("gs://bucket/bad.jsonl", "Line 2 of 'gs://bucket/bad.jsonl' is not JSON"),
        ("gs://bucket/none.jsonl", "was not found"),
    ] {
        let done = run(&vertex, &job(input, &json!({})));
        assert_eq!(done["state"], "JOB_STATE_FAILED");
        let text = done["error"]["message"].as_str().unwrap();
        assert!(text.contains(part), "{text}");
    }
    vertex.model("broken", &[("CRASH", "1")]);
    let model = json!({ "model": "projects/acme/locations/us-central1/models/broken" });
    let done = run(&vertex, &job("gs://bucket/some.jsonl", &model));
    assert_eq!(done["error"]["code"], 9, "{done}");
}

#[test]
fn jobs_that_the_service_refuses_and_one_that_is_cancelled() {
    let vertex = Vertex::start();
    vertex.model("iris", &[("SLOW", "60")]);
    vertex.put("bucket", "a.jsonl", "1\n");
    for (fields, status) in [
        (json!({ "displayName": "" }), 400),
        (json!({ "model": "projects/acme/locations/us-central1/models/none" }), 404),
        (json!({ "dedicatedResources": { "machineSpec": {} } }), 400),
        (json!({ "inputConfig": { "instancesFormat": "xml" } }), 400),
        (json!({ "inputConfig": { "instancesFormat": "bigquery" } }), 501),
        (json!({ "generateExplanation": true }), 501),
        (json!({ "instanceConfig": { "includedFields": ["a"], "excludedFields": ["b"] } }), 400),
    ] {
        let body = job("gs://bucket/a.jsonl", &fields);
        assert_eq!(vertex.refused("POST", "batchPredictionJobs", &body).0, status, "{fields}");
    }
    let (_, made) = vertex.post("batchPredictionJobs", &job("gs://bucket/a.jsonl", &json!({})));
    let name = made["name"].as_str().unwrap().rsplit('/').next().unwrap();
    let path = format!("batchPredictionJobs/{name}");
    assert_eq!(vertex.refused("DELETE", &path, &Value::Null).0, 400);
    assert_eq!(vertex.post(&format!("{path}:cancel"), &json!({})), (200, json!({})));
    let cancelled = vertex.get(&path);
    assert_eq!(
        (&cancelled["state"], &cancelled["error"]["code"]),
        (&json!("JOB_STATE_CANCELLED"), &json!(1))
    );
}
