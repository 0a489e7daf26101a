//! What the document is told.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use checksum::Hasher;
use deployment::{Deployment, Fetch, File};
use mlflow::source::Entry;
use mlflow::{Location, MlModel, Resolved};
use serde_json::json;

pub(crate) const STAGE: &str = "fetch";

/// Everything but the files, which [`Fetch::files`] gets when they are here.
pub(crate) fn describe(resolved: &Resolved, model: MlModel, directory: &Path) -> Fetch {
    let python_version = model.python_version().map(str::to_owned);
    let mut lineage = resolved.lineage.clone();
    lineage.run_id = lineage.run_id.or(model.run_id);
    lineage.model_id = lineage.model_id.or(model.model_id);
    let local = matches!(resolved.location, Location::Local(_));
    let named = resolved.served.run.is_some() || resolved.served.logged.is_some();
    Fetch {
        model_uri: resolved.uri.to_string(),
        artifact_uri: (!local || named).then(|| resolved.location.to_string()),
        directory: directory.to_string_lossy().into_owned(),
        lineage,
        flavors: model.flavors,
        python_version,
        mlflow_version: model.mlflow_version,
        signature: model.signature,
        input_example: model.input_example,
        environment_variables: model.environment_variables,
        ..Fetch::default()
    }
}

/// The files of a dry run: names and sizes.
pub(crate) fn undownloaded(entries: &[Entry]) -> Vec<File> {
    let file = |entry: &Entry| File {
        path: entry.path.clone(),
        size: entry.size.unwrap_or_default(),
        ..File::default()
    };
    entries.iter().map(file).collect()
}

/// The model's digest, over all of its files; empty where nobody knows what is
/// in one of them. An object's generation stands for its content.
pub(crate) fn digest(files: &[File]) -> String {
    let Some(mut lines) = files.iter().map(content).collect::<Option<Vec<_>>>() else {
        return String::new();
    };
    // As whole lines, of which there may be a hundred thousand.
    lines.sort_by(|(one, path), (other, another)| {
        let one = one.bytes().chain("  ".bytes()).chain(path.bytes());
        one.cmp(other.bytes().chain("  ".bytes()).chain(another.bytes()))
    });
    let mut hasher = Hasher::default();
    for (content, path) in &lines {
        for part in [content, "  ", path, "\n"] {
            hasher.update(part.as_bytes());
        }
    }
    hasher.finish().sha256
}

/// What stands for a file's content, beside its path.
fn content(file: &File) -> Option<(Cow<'_, str>, &str)> {
    let content = match (&file.uri, file.generation) {
        (None, _) => Cow::from(&file.sha256),
        (Some(uri), Some(generation)) => format!("{uri}#{generation}").into(),
        (Some(_), None) => return None,
    };
    Some((content, &file.path))
}

pub(crate) fn note(fetch: &mut Fetch, way: &str, came: u64) {
    let bytes: u64 = fetch.files.iter().map(|file| file.size).sum();
    fetch.notes.insert("readFrom".into(), json!(way));
    fetch.notes.insert("bytesFetched".into(), json!(came));
    fetch.notes.insert("bytes".into(), json!(bytes));
}

/// What a person should know before the model is deployed.
pub(crate) fn warn(document: &mut Deployment, resolved: &Resolved, fetch: &Fetch) {
    let mut remarks = resolved.remarks.clone();
    if !fetch.environment_variables.is_empty() {
        let mut message = String::from("the model was logged with environment variables set:");
        for name in &fetch.environment_variables {
            // Writing to a String cannot fail.
            let _ = write!(message, " {name}");
        }
        remarks.push((message, Some("set them where it is served, if it needs them".into())));
    }
    if fetch.signature.is_none() {
        remarks.push((
            "the model has no signature, so instances reach it as they come".into(),
            Some("log it with one: mlflow.models.infer_signature(inputs, outputs)".into()),
        ));
    }
    for file in ["requirements.txt", "python_env.yaml"] {
        if !fetch.files.iter().any(|listed| listed.path == file) {
            remarks.push((
                format!("the model has no '{file}'"),
                Some("log it again with MLflow, which writes one".into()),
            ));
        }
    }
    for (message, hint) in remarks {
        stage::warn(document, STAGE, message, hint);
    }
}

#[cfg(test)]
mod tests {
    use checksum::Digest;

    use super::*;

    #[test]
    fn the_digest_does_not_depend_on_the_order() {
        let file = |path: &str, sha256: &str| File {
            path: path.into(),
            sha256: sha256.into(),
            ..File::default()
        };
        let one = [file("MLmodel", "aa"), file("x", "bb")];
        let other = [file("x", "bb"), file("MLmodel", "aa")];
        assert_eq!(digest(&one), digest(&other));
        let expected = Digest::of(&b"aa  MLmodel\nbb  x\n"[..]).unwrap().sha256;
        assert_eq!(digest(&one), expected);
    }

    #[test]
    fn what_was_left_counts_if_it_is_pinned() {
        let mut left = File { path: "x".into(), uri: Some("gs://b/x".into()), ..File::default() };
        assert_eq!(digest(&[left.clone()]), "");
        left.generation = Some(7);
        let expected = Digest::of_bytes(b"gs://b/x#7  x\n").sha256;
        assert_eq!(digest(&[left]), expected);
    }
}
