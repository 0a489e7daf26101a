//! The command line.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::say::say;
use crate::server::{Config, StartError};
use crate::state::Options;
use crate::{run, serve};

const SERVE_HELP: &str = "\
Examples:
  aip-emulator serve
  aip-emulator serve --listen 127.0.0.1:8085 --data-dir ~/.aip-emulator
  aip-emulator serve --require-token --traffic-log traffic.jsonl

Exit status:
  0  stopped by a signal or the end of stdin
  1  the emulator could not be started
  2  usage";

const RUN_HELP: &str = "\
Examples:
  aip-emulator run --bucket models -- gcloud storage ls gs://models
  aip-emulator run --python 3.7=/usr/bin/python3.7 -- make test

Exit status:
  that of COMMAND, or
  1      the emulator could not be started
  2      usage
  126    COMMAND cannot be executed
  127    COMMAND is not found
  128+N  signal N ended COMMAND";

const EXIT_STATUS: &str = "\
Exit status:
  serve  0 stopped by a signal or the end of stdin
  run    that of COMMAND; 128+N if signal N ended it; 126 if it cannot be
         executed, 127 if it is not found
  both   1 the emulator could not be started; 2 usage";

const EXAMPLES: &str = "\
Examples:
  aip-emulator run --bucket models -- gcloud storage ls gs://models
  aip-emulator serve --listen 127.0.0.1:8085 --data-dir ~/.aip-emulator";

/// Google Cloud on loopback: Cloud Storage, AI Platform, a registry of images,
/// access tokens
///
/// Predictors and images that are deployed to it run for real, as the user who started
/// it, and so it listens on loopback only.
#[derive(Debug, Parser)]
#[command(name = "aip-emulator", version, after_help = format!("{EXAMPLES}\n\n{EXIT_STATUS}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until stopped; prints one line of JSON with the URL when ready
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Run a command against a fresh emulator
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// End when stdin does, as when the parent dies
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Default, Args)]
struct Common {
    /// Create this bucket first (repeatable)
    #[arg(long = "bucket", value_name = "NAME")]
    buckets: Vec<String>,

    /// Keep buckets, images, models and versions here, across restarts
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Append a line of JSON about every request to this file
    #[arg(long, value_name = "FILE")]
    traffic_log: Option<PathBuf>,

    /// Refuse requests without a bearer token
    #[arg(long)]
    require_token: bool,

    /// Refuse the Python versions that the service did not have
    #[arg(long)]
    strict_runtime: bool,

    /// Take an image's layers by PATCH too, as docker and skopeo push them
    #[arg(long)]
    streamed_uploads: bool,

    /// Use this interpreter for a Python version, as in 3.7=/usr/bin/python3.7
    /// (repeatable)
    #[arg(long = "python", value_name = "X.Y=PATH", value_parser = python)]
    pythons: Vec<(String, PathBuf)>,
}

fn python(text: &str) -> Result<(String, PathBuf), String> {
    let (version, path) = text.split_once('=').ok_or("expected X.Y=PATH")?;
    let valid = version
        .split_once('.')
        .is_some_and(|(major, minor)| major.parse::<u8>().is_ok() && minor.parse::<u8>().is_ok());
    if valid { Ok((version.to_owned(), path.into())) } else { Err("expected X.Y=PATH".to_owned()) }
}

impl Common {
    fn config(self, listen: SocketAddr) -> Config {
        let options = Options {
            data_dir: PathBuf::new(),
            cache_dir: None,
            strict_runtime: self.strict_runtime,
            pythons: self.pythons.into_iter().collect::<BTreeMap<_, _>>(),
            require_token: self.require_token,
            streamed_uploads: self.streamed_uploads,
        };
        let Self { buckets, data_dir, traffic_log, .. } = self;
        Config { listen, buckets, data_dir, traffic_log, options }
    }
}

/// What went wrong before there was anything to run against.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot watch for signals")]
    Signals(#[source] std::io::Error),
    #[error("cannot write to stdout")]
    Stdout(#[source] std::io::Error),
}

/// The command line's grammar, for manuals and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) if !err.use_stderr() => {
            return if err.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Err(err) => {
            say(err.to_string().trim_end());
            return ExitCode::from(2);
        }
    };
    // Handlers write files where they stand, so there are more than cores
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.worker_threads(8).enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => {
            say(&format!("error: cannot start: {err}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve(mut args) => {
                let config = std::mem::take(&mut args.common).config(args.listen);
                serve::serve(config, args.until_stdin_closes).await
            }
            Command::Run(mut args) => {
                let listen = SocketAddr::from(([127, 0, 0, 1], 0));
                let config = std::mem::take(&mut args.common).config(listen);
                run::run(config, &args.command).await
            }
        }
    });
    // A reader of stdin may be blocked for ever
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome.unwrap_or_else(|err| {
        report(&err);
        ExitCode::FAILURE
    })
}

fn report(err: &CliError) {
    say(&format!("error: {err}"));
    let mut cause = err.source();
    while let Some(err) = cause {
        say(&format!("caused by: {err}"));
        cause = err.source();
    }
}
