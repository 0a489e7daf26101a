//! `aip-emulator run -- COMMAND`

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use tokio::process::{Child, Command};

use crate::cli::CliError;
use crate::say::say;
use crate::server::{Config, Emulator};
use crate::signals::Signals;

pub(crate) async fn run(
    config: Config,
    buckets: &[String],
    command: &[OsString],
) -> Result<ExitCode, CliError> {
    let mut signals = Signals::new().map_err(CliError::Signals)?;
    let emulator = Emulator::start(config).await?;
    let outcome = match create_buckets(&emulator, buckets) {
        Ok(()) => Ok(execute(&emulator, command, &mut signals).await),
        Err(err) => Err(err),
    };
    emulator.stop().await;
    outcome.map(ExitCode::from)
}

/// With `--data-dir`, a bucket may be there from the last time.
fn create_buckets(emulator: &Emulator, buckets: &[String]) -> Result<(), CliError> {
    for name in buckets {
        match emulator.app().storage.create_bucket(name) {
            Err(err) if err.code() != 409 => {
                let message = err.message().to_owned();
                return Err(CliError::Bucket { name: name.clone(), message });
            }
            _ => {}
        }
    }
    Ok(())
}

async fn execute(emulator: &Emulator, command: &[OsString], signals: &mut Signals) -> u8 {
    let Some((program, arguments)) = command.split_first() else { return 127 };
    let spawned = Command::new(program).args(arguments).envs(environment(emulator)).spawn();
    let waited = match spawned {
        Ok(child) => wait(child, signals).await,
        Err(err) => {
            say(&format!("error: cannot run '{}': {err}", program.display()));
            return if err.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        }
    };
    match waited {
        Ok(status) => exit_code(status),
        Err(err) => {
            say(&format!("error: cannot wait for '{}': {err}", program.display()));
            1
        }
    }
}

async fn wait(mut child: Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    loop {
        tokio::select! {
            status = child.wait() => return status,
            signal = signals.next() => {
                // The terminal sends Ctrl-C to the command as well; twice is
                // once too often for those that clean up after the first
                let delivered = signal == Signal::INT && in_foreground();
                if let Some(pid) = pid && !delivered {
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// What leads our tools, gcloud and Google's client libraries here.
fn environment(emulator: &Emulator) -> Vec<(&'static str, String)> {
    let (url, registry) = (emulator.url(), emulator.registry());
    let mut variables = vec![
        ("AIP_EMULATOR_URL", url.clone()),
        ("STORAGE_EMULATOR_HOST", url.clone()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("{url}/storage/v1/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", format!("{url}/")),
        ("AIP_IMAGE_REPOSITORY", format!("{registry}/emulator/models")),
        ("AIP_BASE_IMAGE", format!("{registry}/library/python:{{python}}-slim")),
        // gcloud puts any other region before the host's name
        ("CLOUDSDK_AI_PLATFORM_REGION", "global".to_owned()),
        ("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true".to_owned()),
        ("CLOUDSDK_CORE_DISABLE_PROMPTS", "1".to_owned()),
    ];
    for name in ["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"] {
        if std::env::var_os(name).is_none_or(|value| value.is_empty()) {
            variables.push((name, "emulator".to_owned()));
        }
    }
    variables
}
