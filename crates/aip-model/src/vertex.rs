//! Endpoints of Vertex AI.

use std::time::Duration;

use aip::Waiting;
use aip::vertex::Place;
use deployment::{Deployment, Extra};
use gcp::{Outcome, vertex};
use log::info;
use serde::Serialize;
use serde_json::{Value, json};
use stage::{Failure, Process};

use crate::create::{lineage, report};

/// What the API has as objects.
pub(crate) const OBJECTS: &[&str] = &[
    "labels",
    "encryptionSpec",
    "predictRequestResponseLoggingConfig",
    "privateServiceConnectConfig",
    "clientConnectionConfig",
];

/// Written into `spec.vertex.endpoint`, where every other field of the API can
/// be set as well. Serialised, it says which were given.
#[derive(Debug, clap::Args, Serialize)]
#[command(next_help_heading = "Vertex AI")]
#[serde(rename_all = "kebab-case")]
#[group(skip)]
pub(crate) struct Flags {
    /// Give the endpoint a domain of its own: requests of up to 10 MB, and no
    /// neighbours
    #[arg(long)]
    dedicated: bool,

    /// BigQuery table that gets requests and responses
    #[arg(long, value_name = "bq://PROJECT[.DATASET[.TABLE]]", value_parser = table)]
    request_response_logging: Option<String>,

    /// Share of the requests that it gets [default: 1]
    #[arg(long, value_name = "0..1", value_parser = share, requires = "request_response_logging")]
    sampling_rate: Option<f64>,

    /// Key of Cloud KMS that encrypts the endpoint and all that is deployed to it
    #[arg(long, value_name = "projects/P/locations/L/keyRings/R/cryptoKeys/K")]
    encryption_key: Option<String>,

    /// VPC network that the endpoint is peered with
    #[arg(long, value_name = "projects/NUMBER/global/networks/NAME")]
    network: Option<String>,

    /// Offer the endpoint by Private Service Connect to this project's networks;
    /// repeatable
    #[arg(long = "private-service-connect", value_name = "PROJECT", conflicts_with = "network")]
    #[serde(rename = "private-service-connect")]
    projects: Vec<String>,

    /// How long a prediction may take, in seconds; on a dedicated endpoint
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    inference_timeout: Option<u32>,
}

impl Flags {
    pub(crate) fn write_to(&self, endpoint: &mut Extra) {
        let mut set = |key: &str, value: Value| endpoint.insert(key.to_owned(), value);
        if self.dedicated {
            set("dedicatedEndpointEnabled", json!(true));
        }
        if let Some(table) = &self.request_response_logging {
            let logging = json!({
                "enabled": true,
                "samplingRate": self.sampling_rate.unwrap_or(1.0),
                "bigqueryDestination": {"outputUri": table},
            });
            set("predictRequestResponseLoggingConfig", logging);
        }
        if let Some(key) = &self.encryption_key {
            set("encryptionSpec", json!({"kmsKeyName": key}));
        }
        if let Some(network) = &self.network {
            set("network", json!(network));
        }
        if !self.projects.is_empty() {
            let connect =
                json!({"enablePrivateServiceConnect": true, "projectAllowlist": self.projects});
            set("privateServiceConnectConfig", connect);
        }
        if let Some(seconds) = self.inference_timeout {
            set("clientConnectionConfig", json!({"inferenceTimeout": format!("{seconds}s")}));
        }
    }
}

fn table(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.strip_prefix("bq://").unwrap_or_default().split('.').collect();
    if parts.len() <= 3 && parts.iter().all(|part| !part.is_empty()) {
        return Ok(text.to_owned());
    }
    Err("not bq://PROJECT, bq://PROJECT.DATASET or bq://PROJECT.DATASET.TABLE".into())
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err("not above 0 and at most 1".into()) }
}

/// Whether this run created it.
pub(crate) fn create(
    process: &Process,
    place: &Place,
    document: &mut Deployment,
) -> Result<bool, Failure> {
    let wanted = resource(document, place);
    let request = vertex::create_endpoint(&place.location_name(), &place.endpoint_id, &wanted);
    if document.spec.dry_run {
        process.would(&place.service.api().describe(&request));
        return Ok(false);
    }
    let waiting = Waiting {
        doing: format!("create endpoint '{}'", place.endpoint_id),
        resume: "run the same command again".into(),
        timeout: Duration::from_secs(600),
    };
    let found = match place.service.call(&request) {
        Ok(operation) => made(process, place, &waiting, &operation)?,
        // Asked for afterwards: between a question and the create, another
        // run may create it.
        Err(error) if error.status() == Some(409) => Some(found(process, place, &waiting)?),
        Err(error) => return Err(refused(error, &waiting)),
    };
    let created = found.is_none();
    if let Some(found) = &found {
        report(document, "endpoint", &wanted, found);
    }
    info!("{} endpoint '{}'", if created { "created" } else { "found" }, place.endpoint_name());
    Ok(created)
}

/// Waits for the operation. Where another one was quicker, be it that of the
/// same request whose answer was lost, the endpoint that it made.
fn made(
    process: &Process,
    place: &Place,
    waiting: &Waiting,
    operation: &Value,
) -> Result<Option<Value>, Failure> {
    let ended = aip::outcome(process, &place.service, waiting, operation)?;
    let Err(message) = ended else { return Ok(None) };
    match place.service.get(&place.endpoint_name()) {
        Ok(found) => Ok(Some(found)),
        Err(_) => Err(Failure::failed(format!("cannot {}", waiting.doing)).because(message)),
    }
}

/// The endpoint that is there, or whose creation another run began: its name is
/// taken before it can be seen.
fn found(process: &Process, place: &Place, waiting: &Waiting) -> Result<Value, Failure> {
    aip::wait(process, waiting, |_| match place.service.get(&place.endpoint_name()) {
        Ok(endpoint) => Ok(Outcome::Done(endpoint)),
        Err(error) if error.status() == Some(404) => Ok(Outcome::Running),
        Err(error) => Err(error),
    })
}

/// The API's `Endpoint`.
fn resource(document: &Deployment, place: &Place) -> Value {
    let mut endpoint = document.spec.vertex.endpoint.clone();
    endpoint.insert("displayName".into(), json!(place.model));
    let mut labels = lineage(document);
    labels.insert("managed_by".into(), json!("mlflow-aip"));
    aip::merge(&mut endpoint, labels);
    Value::Object(endpoint)
}

fn refused(error: gcp::Error, waiting: &Waiting) -> Failure {
    let status = error.status();
    let failure = Failure::from(error).context(format!("cannot {}", waiting.doing));
    match status {
        Some(403) => failure
            .hint("the caller needs aiplatform.endpoints.create, as in roles/aiplatform.user"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn flags_become_fields_of_the_api() {
        let args = [
            "x",
            "--dedicated",
            "--request-response-logging",
            "bq://p.d.t",
            "--sampling-rate",
            "0.1",
            "--private-service-connect",
            "acme",
            "--inference-timeout",
            "60",
        ];
        let flags = Command::parse_from(args).flags;
        let mut endpoint = Extra::new();
        flags.write_to(&mut endpoint);
        assert_eq!(
            Value::Object(endpoint),
            json!({
                "dedicatedEndpointEnabled": true,
                "predictRequestResponseLoggingConfig": {"enabled": true, "samplingRate": 0.1,
                    "bigqueryDestination": {"outputUri": "bq://p.d.t"}},
                "privateServiceConnectConfig":
                    {"enablePrivateServiceConnect": true, "projectAllowlist": ["acme"]},
                "clientConnectionConfig": {"inferenceTimeout": "60s"},
            })
        );
        assert_eq!(aip::given(&flags).len(), 5);
        for bad in ["p.d.t", "bq://", "bq://p.d.t.x", "bq://p..t"] {
            let args = ["x", "--request-response-logging", bad];
            assert!(Command::try_parse_from(args).is_err(), "{bad}");
        }
    }
}
