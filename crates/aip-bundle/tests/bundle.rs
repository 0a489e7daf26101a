//! The tool as a process: a document in, a bundle on disk, a document out.

mod scratch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scratch::{Scratch, content};
use serde_json::{Value, json};

#[test]
fn the_document_says_what_is_on_disk() {
    let scratch = Scratch::new();
    let outcome = scratch.run(&["--bucket", "acme"], &[]);
    assert_eq!(
        outcome.stderr,
        "aip-bundle: wrote '[ROOT]/kept/bundles/iris-v3'\n\
         aip-bundle: warning: requirements.txt: the constraints 'constraints.txt' is left out of \
         the package's requirements\n\
         aip-bundle: the model wants Python 3.11; the service ended with 3.7\n\
         aip-bundle: hint: the emulator serves any Python that its machine has\n"
    );
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let spec = &document["spec"];
    assert_eq!((&spec["model"], &spec["version"]), (&json!("iris"), &json!("v3")));
    assert!(outcome.stdout.contains(r#""later":{"é":[null]}"#), "what is unknown stays");
    let bundle = &document["stages"]["bundle"];
    assert_eq!(bundle["package"], json!({"name": "deploy_from_script", "version": "3"}));
    assert_eq!(bundle["requirements"], json!(["mlflow==3.17.2", "scikit-learn==1.9.1"]));
    assert_eq!(bundle["pythonVersion"], "3.11");

    let directory = PathBuf::from(bundle["directory"].as_str().unwrap());
    let manifest = fs::read(directory.join("bundle.json")).unwrap();
    assert_eq!(bundle["digest"], checksum::Digest::of_bytes(&manifest).sha256);
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len(), 4);
    for file in files {
        let bytes = fs::read(directory.join(file["path"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256"], checksum::Digest::of_bytes(&bytes).sha256, "{file}");
    }
    assert_eq!(files[0]["sha256"], bundle["sdist"]["sha256"]);
    assert_eq!(files[0]["path"], bundle["sdist"]["path"]);
}

#[test]
fn equal_input_gives_equal_bytes() {
    let (one, other) = (Scratch::new(), Scratch::new());
    let first = one.bundle(&["--output", "a"], &[("TZ", "Asia/Tokyo")]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let again = one.bundle(&["--output", "a"], &[]);
    assert_eq!(first, again, "a second run replaces the first and says the same");

    // Another place, another umask.
    let command = format!("umask 077; exec {} -q --output b/c", env!("CARGO_BIN_EXE_aip-bundle"));
    fs::write(other.path("in.json"), other.document.to_string()).unwrap();
    let status = Command::new("sh")
        .args(["-c", &command])
        .env("AIP_TARGET", "ai-platform")
        .current_dir(other.root.path())
        .stdin(fs::File::open(other.path("in.json")).unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(content(&one.path("a")), content(&other.path("b/c")));

    let dated = one.bundle(&["--output", "a"], &[("SOURCE_DATE_EPOCH", "1700000000")]);
    assert_ne!(dated["stages"]["bundle"]["digest"], first["stages"]["bundle"]["digest"]);
}

#[test]
fn templates_of_the_user() {
    let scratch = Scratch::new();
    let predictor = "class Mine(object):\n    def predict(self, instances, **kwargs):\n        \
                     return f\"{{MODEL_ARTIFACT_URI}}\"\n    from_path = classmethod(lambda c, d: c())\n";
    fs::write(scratch.path("mine.py"), predictor).unwrap();
    let args = ["--prediction-script", "mine.py", "--prediction-class", "predictor.Mine"];
    scratch.refused(&args, 2, "hint: give --bucket\n");
    let env = [("production_bucket", "acme"), ("production_route", "flowers")];
    let document = scratch.bundle(&args, &env);
    let bundle = &document["stages"]["bundle"];
    assert_eq!(bundle["predictionClass"], "predictor.Mine");
    let sdist = Path::new(bundle["directory"].as_str().unwrap())
        .join(bundle["sdist"]["path"].as_str().unwrap());
    let mut archive =
        tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(sdist).unwrap()));
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let mut entry = entries.find(|entry| entry.path().unwrap().ends_with("predictor.py")).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
    assert_eq!(text, predictor.replace("MODEL_ARTIFACT_URI", "gs://acme/flowers/v3/model/"));
}

#[test]
fn templates_that_are_no_good() {
    let scratch = Scratch::new();
    for (name, text, message) in [
        ("broken.tera", "x = 1\n{{ y", "cannot render 'broken.tera' at line 2, column "),
        ("undefined.tera", "{{ nothing | py }}", "cannot render 'undefined.tera' at line 1"),
    ] {
        fs::write(scratch.path(name), text).unwrap();
        scratch.refused(&["--prediction-script", name], 1, message);
    }
    fs::write(scratch.path("setup.py"), "install_requires = ['mlflow']").unwrap();
    let outcome = scratch.run(&["--setup-file", "setup.py", "--dry-run"], &[]);
    let message = "'setup.py' does not install what the model requires: scikit-learn\n";
    assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    fs::write(scratch.path("latin1.py"), b"# \xe9").unwrap();
    scratch.refused(&["--setup-file", "latin1.py"], 1, "'latin1.py' is not UTF-8 text");
    scratch.refused(&["--setup-file", "none.py"], 1, "cannot read 'none.py'");
    scratch.refused(&["--setup-file", "."], 1, "cannot read '.'");
    assert!(!scratch.path("kept").exists(), "nothing is written before all is rendered");
}

#[test]
fn hostile_names_stay_data() {
    let scratch = Scratch::new();
    let name = "\"; import os; os.abort() #\n'''{{ 7 * 7 }}/../..";
    let document = scratch.bundle(&["--model", name, "--version-name", name], &[]);
    let bundle = &document["stages"]["bundle"];
    let directory = Path::new(bundle["directory"].as_str().unwrap());
    assert_eq!(directory.parent().unwrap(), scratch.path("kept/bundles"));
    assert_eq!(bundle["package"]["version"], "0.1+import.os.os.abort.7.7");
}

#[test]
fn what_cannot_be_used_is_said() {
    let mut scratch = Scratch::new();
    scratch.refused(&["--python-version", "three"], 2, "'three' is not a version of Python");
    scratch.refused(&["--requirement", "a b"], 3, "--requirement names no requirement: 'a b'");
    scratch.refused(&["--prediction-class", "X"], 2, "'X' is no class of the module predictor");
    fs::create_dir(scratch.path("full")).unwrap();
    fs::write(scratch.path("full/thesis.tex"), "").unwrap();
    scratch.refused(&["--output", "full"], 1, "'[ROOT]/full' is there and is no bundle");
    fs::write(scratch.path("full/bundle.json"), r#"{"package":{"name":"deploy_from_script"}}"#)
        .unwrap();
    scratch.refused(&["--output", "full"], 1, "'[ROOT]/full' is there and is no bundle");
    assert!(scratch.path("full/thesis.tex").exists());
    fs::create_dir(scratch.path("other")).unwrap();
    fs::write(scratch.path("other/bundle.json"), "{}").unwrap();
    scratch.refused(&["--output", "other"], 1, "'[ROOT]/other' is there and is no bundle");
    scratch.refused(&["--output", "full/thesis.tex/b"], 1, "/full/thesis.tex/b'");

    fs::write(scratch.path("model/data/model.pkl"), "longer than before").unwrap();
    scratch.refused(&[], 1, "changed after it was fetched: 18 bytes instead of 6\n");
    scratch.document["stages"]["fetch"]["files"][0]["path"] = json!("../MLmodel");
    scratch.refused(&[], 3, "'../MLmodel' is not a path below its directory");
    scratch.document["stages"]["fetch"]["directory"] = json!("/nowhere");
    scratch.document["stages"]["fetch"]["files"] = json!([]);
    scratch.refused(&[], 3, "the model has no MLmodel file in 'models:/iris/3'");
    scratch.document["stages"] = json!({});
    scratch.refused(&[], 3, "hint: run mlf-fetch first\n");
}

#[test]
fn a_dry_run_writes_nothing() {
    let mut scratch = Scratch::new();
    let document = scratch.bundle(&["--dry-run"], &[]);
    assert!(!scratch.path("kept").exists());
    assert_eq!(document["stages"]["bundle"]["package"]["version"], "3");
    // After a dry fetch not even the model is here.
    scratch.document["stages"]["fetch"]["directory"] = json!("/nowhere");
    scratch.document["spec"]["dryRun"] = json!(true);
    let document = scratch.bundle(&[], &[]);
    assert_eq!(document["stages"]["bundle"]["digest"], "");
    assert_eq!(document["stages"]["bundle"]["sdist"]["path"], "dist/deploy_from_script-3.tar.gz");
}
