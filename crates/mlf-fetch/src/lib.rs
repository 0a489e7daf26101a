//! mlf-fetch: bring a model's files here from MLflow.

mod bring;
mod cache;
mod connect;
mod gs;
mod leave;
mod origin;
mod place;
mod record;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use transport::Rate;

const EXAMPLES: &str = "\
Examples:
  mlf-fetch runs:/8cb1e82f458e433d9bfc68ae720af80d/model >1-fetch.json
  mlf-fetch 8cb1e82f458e433d9bfc68ae720af80d | aip-bundle >2-bundle.json
  mlf-fetch models:/iris@champion --tracking-uri https://mlflow.example.com
  mlf-fetch ./model --output /tmp/model
  mlf-fetch --dry-run models:/iris/3
  mlf-fetch cache prune --older-than 30d

Environment:
  MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD   login to the tracking server
  MLFLOW_TRACKING_TOKEN                                or a token
  MLFLOW_TRACKING_AUTH                                 kubernetes or kubernetes-namespaced
  MLFLOW_TRACKING_SERVER_CERT_PATH                     authority to trust
  MLFLOW_TRACKING_CLIENT_CERT_PATH                     our certificate and its key
  MLFLOW_TRACKING_INSECURE_TLS                         true: trust whoever answers
  MLFLOW_WORKSPACE                                     workspace of an MLflow 3 server
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY                    proxies
Logins are also looked for in ~/.mlflow/credentials and ~/.netrc.";

/// Bring a model's files here from MLflow
///
/// Finds the model, downloads its files, checks and hashes them, and starts the
/// document that the next tools read: `stages.fetch` says where the files are
/// and what MLmodel tells of them. A model that is here already is not
/// downloaded again, and a fetch that was cut off goes on where it was.
///
/// A model in Cloud Storage stays there where nobody needs its bytes here, that
/// is for AI Platform, and for Vertex AI once a bucket is set: aip-upload copies
/// it from bucket to bucket. Only MLmodel and the small files around it come.
#[derive(Debug, Parser)]
#[command(
    name = "mlf-fetch",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// The model: runs:/RUN_ID/PATH, a run id, models:/NAME/VERSION,
    /// models:/NAME@ALIAS, models:/NAME/STAGE, models:/NAME/latest,
    /// models:/m-ID, mlflow-artifacts:/PATH, gs://BUCKET/PATH, file:/PATH or a
    /// directory [env: `model_uri`, `run_id`]
    #[arg(value_name = "MODEL_URI")]
    model: Option<String>,

    /// The same as MODEL_URI
    #[arg(long, value_name = "MODEL_URI", conflicts_with = "model")]
    model_uri: Option<String>,

    /// MLflow tracking server, such as http://127.0.0.1:5000, or a store that is
    /// read without one: sqlite:///mlflow.db or a directory mlruns [env:
    /// `tracking_uri`, `MLFLOW_TRACKING_URI`] [default: the store in this
    /// directory, if there is one]
    #[arg(long, value_name = "URI")]
    tracking_uri: Option<String>,

    #[command(flatten)]
    part: leave::Part,

    /// Directory that the model's files go to, not there yet [default: one
    /// named after the model in WORK_DIR/models]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Directory below which models and bundles are kept [env: `tmp_dir`]
    /// [default: mlflow-aip in $XDG_CACHE_HOME, else in ~/.cache]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<String>,

    /// Files that are downloaded at once
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,

    /// Read no faster than RATE bytes a second, all files together, such as
    /// 500K or 20M (K, M and G are powers of 1024)
    #[arg(long, value_name = "RATE")]
    limit_rate: Option<Rate>,

    /// Download everything, whatever came before, and keep nothing in the cache
    #[arg(long)]
    no_cache: bool,

    /// Go on with this document instead of starting one; - is stdin
    #[arg(long, value_name = "FILE")]
    document: Option<String>,

    /// Header for the tracking server, such as the one that a gateway before it
    /// wants; @FILE has one on each line. May be given again
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// Command that prints a token for the tracking server; run again when the
    /// server does not accept the token any more
    #[arg(long, value_name = "COMMAND")]
    token_command: Option<String>,

    /// Send the login in clear text to a server that is not this machine
    #[arg(long)]
    allow_http_credentials: bool,

    /// File that holds the access token for Cloud Storage
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What is kept of models that came once
    #[command(subcommand)]
    Cache(cache::Verb),
}

pub fn main() -> ExitCode {
    stage::run(|process, args: &Args| match &args.verb {
        Some(Verb::Cache(verb)) => cache::work(process, verb),
        None => work::work(process, args),
    })
}
