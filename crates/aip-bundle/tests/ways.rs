//! Other ways to an image than making one, and what stands in the way.

mod scratch;
mod vertex;

use std::fs;

use serde_json::{Value, json};
use vertex::{Vertex, base, directory};

#[test]
fn uv_that_is_missing_old_or_in_trouble() {
    let vertex = Vertex::new();
    fs::remove_file(vertex.scratch.path("uv")).unwrap();
    vertex.refused(&[], 1, "hint: install it (pip install uv), or name it in $UV\n");
    vertex.fake_uv("#!/bin/sh\necho 'uv 0.1.5 (old)'\n");
    vertex.refused(&[], 1, "is uv 0.1.5 (old); 0.5.0 or later is needed\n");
    vertex.fake_uv("#!/bin/sh\necho nonsense\n");
    vertex.refused(&[], 1, "does not say that it is uv: 'nonsense'\n");
    let said = "error: No solution found\n  cause: Because a==1 has no usable wheels and you \
                require a==1, it is over.\n\nhint: Wheels are required for `a` because";
    vertex.fake_uv(&format!(
        "#!/bin/sh\n[ $1 = --version ] && {{ echo uv 0.13.9; exit; }}\n\
         cat >&2 <<'E'\n{said} https://u:secret@h/\nE\nexit 1\n"
    ));
    let outcome = vertex.run(&[]);
    assert_eq!(outcome.status, 3);
    assert!(outcome.stderr.contains("error: no wheel for 'a' that runs on linux/amd64\n"));
    assert!(outcome.stderr.contains("hint: give --builder cloud-build"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
    assert!(!vertex.scratch.path("kept/bundles").exists(), "nothing half is there");
}

/// As in a virtual environment that is not on PATH.
#[test]
fn uv_beside_the_program() {
    let vertex = Vertex::new();
    let place = vertex.scratch.path("bin");
    fs::create_dir(&place).unwrap();
    fs::rename(vertex.scratch.path("uv"), place.join("uv")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_aip-bundle"), place.join("aip-bundle")).unwrap();
    let args = ["--target", "vertex", "--base-image", "oci:base"];
    let outcome = vertex.scratch.run_as(&place.join("aip-bundle"), &args, &[]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert!(!vertex.asked().is_empty());
}

#[test]
fn bases_that_will_not_do() {
    let vertex = Vertex::new();
    base(&vertex.scratch.path("arm"), "arm64", "3.11.9");
    base(&vertex.scratch.path("other"), "amd64", "3.12.1");
    let message = "the base image 'oci:arm' is for linux/arm64, not for linux/amd64\n";
    vertex.scratch.refused(&["--target", "vertex", "--base-image", "oci:arm"], 2, message);
    let message = "the base image './other' has Python 3.12.1, and the model wants 3.11\n";
    let message = &message.replace("./other", "oci:./other");
    vertex.scratch.refused(&["--target", "vertex", "--base-image", "./other"], 2, message);
    let args = ["--target", "vertex", "--base-image", "./nowhere"];
    vertex.scratch.refused(&args, 1, "'./nowhere' holds no image layout\n");
    let args = ["--target", "vertex", "--base-image", "UPPER CASE"];
    vertex.scratch.refused(&args, 2, "'UPPER CASE' is not the name of an image");
    vertex.refused(&["--builder", "cloud-build"], 2, "which Cloud Build cannot build on\n");
    vertex.refused(&["--python-version", "3.6"], 2, "needs Python 3.7 or later");
    assert!(vertex.asked().is_empty());
}

#[test]
fn images_that_exist() {
    let vertex = Vertex::new();
    let run = |args: &[&str]| {
        let all = [&["--target", "vertex"], args].concat();
        let document = vertex.scratch.bundle(&all, &[]);
        document["stages"]["bundle"].clone()
    };
    let image = ["--image", "ghcr.io/acme/server:1", "--predict-route", "/invocations"];
    assert_eq!(run(&image)["image"]["embedsModel"], true, "else it would have none");
    let bundle = run(&[&image[..], &["--bucket", "acme"]].concat());
    assert_eq!(
        bundle["image"],
        json!({
            "builder": "existing", "uri": "ghcr.io/acme/server:1", "embedsModel": false,
            "predictRoute": "/invocations"
        })
    );
    assert_eq!(bundle.get("lock"), None);
    assert!(vertex.asked().is_empty(), "uv has no part in it");
    let args = ["--target", "vertex", "--image", "x", "--predict-route", "predict"];
    vertex.scratch.refused(&args, 2, "'predict' is no path of a route");
    let args = ["--target", "vertex", "--image", "x", "--builder", "cloud-build"];
    vertex.scratch.refused(&args, 2, "cannot be used with");
    let outcome = vertex.scratch.run(&["--target", "vertex", "--prebuilt"], &[]);
    assert_eq!(outcome.status, 2);
    assert!(outcome.stderr.contains("no prebuilt container can serve this model"));
    vertex.scratch.refused(
        &["--target", "ai-platform", "--prebuilt"],
        2,
        "--prebuilt is for images",
    );
}

#[test]
fn a_prebuilt_container_finds_the_model_by_its_own_name() {
    let mut vertex = Vertex::new();
    vertex.scratch.document["stages"]["fetch"]["flavors"] = json!({
        "python_function": {"loader_module": "mlflow.xgboost"},
        "xgboost": {"xgb_version": "2.1.0", "data": "data/model.pkl"}
    });
    let args = ["--target", "vertex", "--prebuilt", "--region", "asia-east1"];
    let document = vertex.scratch.bundle(&args, &[]);
    let bundle = &document["stages"]["bundle"];
    let uri = "asia-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest";
    assert_eq!(bundle["image"]["uri"], uri);
    assert_eq!(bundle["modelFiles"][0]["path"], "model.bst");
    let renamed = directory(bundle).join("model/model.bst");
    assert_eq!(fs::read_to_string(renamed).unwrap(), "pickle");
    assert!(directory(bundle).join("model/data/model.pkl").exists());
}

#[test]
fn names_that_vertex_refuses() {
    let vertex = Vertex::new();
    vertex.refused(&["--version-name", "v_3"], 2, "'v_3' cannot be the alias of a version");
    vertex.refused(&["--version-name", "default"], 2, "'default' cannot be the alias");
    vertex.refused(&["--model", "2024"], 2, "no id of the model name '2024'");
    let outcome = vertex.run(&["--model", "Iris flowers"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("the service ended"), "{}", outcome.stderr);
}

#[test]
fn a_dry_run_asks_nobody() {
    let vertex = Vertex::new();
    let outcome = vertex.run(&["--dry-run"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert!(vertex.asked().is_empty() && !vertex.scratch.path("kept").exists());
    assert!(outcome.stderr.contains("make an image with the model in it on 'oci:base'"));
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let bundle = &document["stages"]["bundle"];
    assert_eq!((&bundle["digest"], &bundle["image"]["layout"]), (&json!(""), &json!("image")));
    assert_eq!(document["spec"]["target"], "vertex");
}
