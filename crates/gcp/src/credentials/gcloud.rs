//! gcloud's own login, where it is installed.

use std::process::{Command, Stdio};

use super::CredentialsError;
use super::identity::Identity;
use super::secret::Token;

#[derive(Debug)]
pub(super) struct Gcloud;

impl Gcloud {
    pub(super) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|folder| folder.join("gcloud").is_file());
        found.then_some(Self)
    }
}

impl Identity for Gcloud {
    fn kind(&self) -> &'static str {
        "gcloud"
    }

    fn principal(&self) -> Option<String> {
        let account = run(&["config", "get", "account", "--quiet"]).ok()?;
        Some(account).filter(|account| !account.is_empty())
    }

    /// It is the person's real login.
    fn is_local(&self) -> bool {
        false
    }

    /// gcloud does not say how long the token lives: it is used until a service
    /// refuses it.
    fn fetch(&self) -> Result<Token, CredentialsError> {
        let said = run(&["auth", "print-access-token", "--quiet"]);
        let said = said.map_err(|said| CredentialsError::Gcloud { said })?;
        let nothing = || CredentialsError::Gcloud { said: "it printed something else".into() };
        Token::given(&said).ok_or_else(nothing)
    }
}

/// What it printed, or how it said that it cannot.
fn run(args: &[&str]) -> Result<String, String> {
    let output = Command::new("gcloud").args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().map(str::trim).find(|line| line.starts_with("ERROR:"));
    Err(line.map_or_else(|| output.status.to_string(), str::to_owned))
}
