//! mlf-fetch: bring a model's files here from MLflow.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlf_fetch::main()
}
