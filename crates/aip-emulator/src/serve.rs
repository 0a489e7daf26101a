//! `aip-emulator serve`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::cli::CliError;
use crate::environment::environment;
use crate::server::{Config, Emulator};
use crate::signals::Signals;

pub(crate) async fn serve(config: Config, until_stdin_closes: bool) -> Result<ExitCode, CliError> {
    let mut signals = Signals::new().map_err(CliError::Signals)?;
    let emulator = Emulator::start(config).await?;
    let outcome = announce(&emulator);
    if outcome.is_ok() {
        tokio::select! {
            _ = signals.next() => {}
            () = end_of_stdin(), if until_stdin_closes => {}
        }
    }
    emulator.stop().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn announce(emulator: &Emulator) -> Result<(), CliError> {
    let line = json!({
        "url": emulator.url(),
        "pid": std::process::id(),
        "dataDir": emulator.data_dir(),
        "registry": emulator.registry(),
        "environment": environment(emulator).into_iter().collect::<BTreeMap<_, _>>(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(CliError::Stdout)
}

async fn end_of_stdin() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 1024];
    while matches!(stdin.read(&mut buffer).await, Ok(read) if read > 0) {}
}
