//! What `docker login` left: `~/.docker/config.json`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use log::debug;
use serde_json::{Value, json};

/// User and password. Not shown, not even to a debugger.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl Login {
    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// The login for this host, where there is one that can be used. A broken file
/// or helper is as good as none: the registry says what it misses.
pub(super) fn login(host: &str) -> Option<Login> {
    let path = config_file()?;
    let text = std::fs::read(&path).ok()?;
    let Ok(config) = serde_json::from_slice::<Value>(&text) else {
        debug!("'{}' is not JSON", path.display());
        return None;
    };
    let found = in_config(&config, host, &ask_helper);
    if found.is_some() {
        debug!("login for '{host}' by '{}'", path.display());
    }
    found
}

fn config_file() -> Option<PathBuf> {
    let env = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = env("DOCKER_CONFIG").or_else(|| Some(env("HOME")?.join(".docker")))?;
    Some(folder.join("config.json"))
}

/// In Docker's order: the host's own helper, the login in the file, and the
/// helper for all hosts that are logged in to.
fn in_config(
    config: &Value,
    host: &str,
    ask: &dyn Fn(&str, &str) -> Option<Login>,
) -> Option<Login> {
    let entry = |section: &str| {
        let entries = config[section].as_object()?;
        entries.iter().find(|(key, _)| is_for(key, host))
    };
    if let Some((key, helper)) = entry("credHelpers") {
        return ask(helper.as_str()?, key);
    }
    let (key, auth) = entry("auths")?;
    let inline = auth["auth"].as_str().filter(|auth| !auth.is_empty());
    match (inline, config["credsStore"].as_str()) {
        (Some(encoded), _) => {
            let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
            let (user, password) = decoded.split_once(':')?;
            Some(Login { user: user.into(), password: password.trim_end_matches('\0').into() })
        }
        (None, Some(helper)) => ask(helper, key),
        (None, None) => None,
    }
}

/// Keys are hosts, or URLs from earlier days; Docker Hub has one of its own.
fn is_for(key: &str, host: &str) -> bool {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.split('/').next().unwrap_or_default();
    key == host || (host == "docker.io" && key == "index.docker.io")
}

/// `docker-credential-NAME get`: the host on stdin, JSON on stdout.
fn ask_helper(name: &str, server: &str) -> Option<Login> {
    let program = format!("docker-credential-{name}");
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(server.as_bytes())?;
        }
        Ok(child.wait_with_output()?.stdout)
    };
    let answer = match ask() {
        Ok(stdout) => serde_json::from_slice(&stdout).unwrap_or(json!(null)),
        Err(error) => {
            debug!("cannot run '{program}': {error}");
            return None;
        }
    };
    let login = answer["Username"].as_str().zip(answer["Secret"].as_str());
    if login.is_none() {
        debug!("'{program}' has no login for '{server}'");
    }
    login.map(|(user, password)| Login { user: user.into(), password: password.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &Value, host: &str) -> Option<String> {
        let ask = |helper: &str, server: &str| {
            Some(Login { user: format!("{helper}@{server}"), password: "p".into() })
        };
        in_config(config, host, &ask).map(|login| format!("{}:{}", login.user, login.password))
    }

    #[test]
    fn logins_by_host() {
        let config = json!({
            "auths": {
                "https://index.docker.io/v1/": {"auth": STANDARD.encode("hub:a:b")},
                "ghcr.io": {"auth": STANDARD.encode("me:secret")},
                "quay.io": {},
                "broken.io": {"auth": "%"},
            },
            "credHelpers": {"eu-docker.pkg.dev": "gcloud"},
        });
        assert_eq!(found(&config, "docker.io").unwrap(), "hub:a:b");
        assert_eq!(found(&config, "ghcr.io").unwrap(), "me:secret");
        assert_eq!(found(&config, "eu-docker.pkg.dev").unwrap(), "gcloud@eu-docker.pkg.dev:p");
        for host in ["quay.io", "broken.io", "example.com", "io"] {
            assert_eq!(found(&config, host), None, "{host}");
        }
        let mut with_store = config;
        with_store["credsStore"] = "desktop".into();
        assert_eq!(found(&with_store, "quay.io").unwrap(), "desktop@quay.io:p");
        assert_eq!(found(&with_store, "example.com"), None);
    }

    #[test]
    fn a_helper_that_is_not_there_is_no_login() {
        assert!(ask_helper("of-nobody-at-all", "example.com").is_none());
    }
}
