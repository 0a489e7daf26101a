//! What is generated from the code: the document's JSON Schema, the reference
//! of the command lines, man pages and shell completions.

mod completions;
mod man;
mod plugin;
mod reference;
mod schema;
mod tools;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Generate what is generated from the code")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// docs/deployment.schema.json, docs/cli.md and the plugin's settings.json
    Docs,
    /// Man pages into a directory
    Man { directory: PathBuf },
    /// Completions for bash, zsh and fish into DIRECTORY/{bash,zsh,fish}
    Completions { directory: PathBuf },
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Docs => docs(),
        Task::Man { directory } => man::write(&directory),
        Task::Completions { directory } => completions::write(&directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A stderr that is gone is no reason to fail differently.
            let _ =
                io::Write::write_fmt(&mut io::stderr(), format_args!("xtask: error: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn docs() -> io::Result<()> {
    for (path, text) in generated() {
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// The generated files that are kept in the repository.
fn generated() -> [(PathBuf, String); 3] {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = crates.join("../docs");
    [
        (docs.join("deployment.schema.json"), schema::text()),
        (docs.join("cli.md"), reference::text()),
        (crates.join("mlflow-plugin/python/mlflow_aip/settings.json"), plugin::text()),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_kept_is_what_is_generated() {
        for (path, text) in super::generated() {
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == text,
                "{} is out of date; run: cargo run -p xtask -- docs",
                path.display()
            );
        }
    }
}
