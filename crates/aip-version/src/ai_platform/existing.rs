//! A version of the name is there already: is it the one that is wanted?

use aip::BUNDLE_DIGEST;
use deployment::Deployment;
use serde_json::{Value, json};
use stage::Failure;

use super::job::Job;
use crate::create::STAGE;

/// What a create comes to.
pub(crate) enum Existing {
    /// There was none; this operation creates it.
    Begun(String),
    /// Made of the same bundle in the same way; ready, or on its way.
    Same(Value),
    Other(Value),
}

/// `conflict` is what the service said to the create.
pub(crate) fn look(job: &Job, conflict: gcp::Error) -> Result<Existing, Failure> {
    let found = match job.place.service.get(&job.name()) {
        Ok(found) => found,
        // The conflict was about something else.
        Err(error) if error.status() == Some(404) => return Err(job.refused(conflict)),
        Err(error) => return Err(job.refused(error)),
    };
    let usable = found["state"] != "FAILED" && found["state"] != "DELETING";
    if usable && differences(&job.wanted, &found).is_empty() {
        return Ok(Existing::Same(found));
    }
    Ok(Existing::Other(found))
}

pub(crate) fn refuse(job: &Job, found: &Value) -> Failure {
    let conflict = deployment::Kind::Refused;
    let failure = Failure::new(conflict, format!("cannot {}", job.doing())).http_status(409);
    let failure = if found["state"] == "FAILED" {
        let text = found["errorMessage"].as_str().unwrap_or("it gives no reason");
        failure.because(format!("a version of this name is there and has failed: {text}"))
    } else if found["state"] == "DELETING" {
        return failure
            .because("a version of this name is being deleted")
            .hint("wait until it is gone, then run the same command again");
    } else {
        let differences = differences(&job.wanted, found).join("; ");
        failure.because(format!(
            "a version of this name is there, made of something else: {differences}"
        ))
    };
    failure.hint("replace it with --replace, or choose another name with --version-name")
}

/// Words about a version do not make it another one, but who asked for others
/// hears that they were not set.
pub(crate) fn report_words(document: &mut Deployment, wanted: &Value, found: &Value) {
    let mut words = aip::missing_labels(wanted, found);
    if wanted["description"] != found["description"] {
        words.push(format!("description {}", wanted["description"]));
    }
    if words.is_empty() {
        return;
    }
    let message = format!("the version is there already, without {}", words.join(", "));
    let hint = "gcloud ai-platform versions update sets them without a new deployment";
    stage::warn(document, STAGE, message, Some(hint.into()));
}

/// In what the version that is there is not the one that is wanted. Words about
/// it do not count, its content and its machine do.
fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let fields = aip::differences(wanted, found, &["name", "description"]);
    let content = json!({BUNDLE_DIGEST: wanted["labels"][BUNDLE_DIGEST]});
    let content = aip::differences(&content, &found["labels"], &[]);
    fields.into_iter().chain(content).map(|difference| difference.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_machine_decide() {
        let wanted = json!({"name": "v1", "description": "a", "machineType": "m",
            "labels": {"bundle_digest": "1", "team": "x"}});
        let mut found = json!({"name": "projects/p/models/m/versions/v1", "machineType": "m",
            "state": "READY", "labels": {"bundle_digest": "1"}});
        assert!(differences(&wanted, &found).is_empty());
        found["labels"]["bundle_digest"] = json!("2");
        found["machineType"] = json!("n");
        assert_eq!(
            differences(&wanted, &found),
            [r#"machineType is "n", not "m""#, r#"bundle_digest is "2", not "1""#]
        );
    }
}
