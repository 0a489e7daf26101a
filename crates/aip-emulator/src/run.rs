//! `aip-emulator run -- COMMAND`

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use tokio::process::{Child, Command};

use crate::cli::CliError;
use crate::environment::environment;
use crate::say::say;
use crate::server::{Config, Emulator};
use crate::signals::Signals;

pub(crate) async fn run(config: Config, command: &[OsString]) -> Result<ExitCode, CliError> {
    let mut signals = Signals::new().map_err(CliError::Signals)?;
    let emulator = Emulator::start(config).await?;
    let status = execute(&emulator, command, &mut signals).await;
    emulator.stop().await;
    Ok(status.into())
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
