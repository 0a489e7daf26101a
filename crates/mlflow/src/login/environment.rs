//! How to speak to a server, by the flags and by MLflow's variables.

use std::path::{Path, PathBuf};

use super::{Credentials, Header, Login, Options, Patience, Tls, ini, netrc};
use crate::error::Error;
use crate::server::Server;

/// Where Kubernetes puts what a pod needs to say who it is.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What a person said on the command line, which counts most.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub headers: Vec<Header>,
    pub token_command: Option<String>,
    pub allow_http_credentials: bool,
}

impl Options {
    /// For the tracking server, which all logins are meant for.
    pub fn from_env(
        flags: &Flags,
        server: &Server,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let mut options = Self::without_login(flags.clone(), &env)?;
        options.login = Finder { env: &env }.login(flags, server)?;
        if env("MLFLOW_TRACKING_AUTH").as_deref() == Some("kubernetes-namespaced")
            && options.workspace.is_none()
        {
            options.workspace = Some(namespace(&service_account(&env))?);
        }
        Ok(options)
    }

    /// For a server that was not named as the tracking server: it is told what
    /// is on the command line, and nothing that the environment holds.
    pub fn without_login(
        flags: Flags,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        Ok(Self {
            login: flags.token_command.map_or(Login::None, Login::Command),
            headers: flags.headers,
            workspace: env("MLFLOW_WORKSPACE"),
            tls: Tls::from_env(&env)?,
            patience: Patience::from_env(env)?,
            allow_http_credentials: flags.allow_http_credentials,
        })
    }
}

struct Finder<'a, E> {
    env: &'a E,
}

impl<E: Fn(&str) -> Option<String>> Finder<'_, E> {
    /// The first that there is: command line, URI, plugin, user and password,
    /// token, netrc.
    fn login(&self, flags: &Flags, server: &Server) -> Result<Login, Error> {
        if let Some(command) = &flags.token_command {
            return Ok(Login::Command(command.clone()));
        }
        if flags.headers.iter().any(Header::is_authorization) {
            return Ok(Login::None);
        }
        if let Some(userinfo) = server.userinfo() {
            return Ok(Login::Fixed(userinfo.clone()));
        }
        if let Some(login) = self.plugin()? {
            return Ok(login);
        }
        if let (Some(user), Some(password)) = (
            self.or_in_file("MLFLOW_TRACKING_USERNAME"),
            self.or_in_file("MLFLOW_TRACKING_PASSWORD"),
        ) {
            return Ok(Login::Fixed(Credentials::basic(&user, &password)));
        }
        if let Some(token) = self.token()? {
            return Ok(token);
        }
        Ok(self.netrc(server, flags.allow_http_credentials).map_or(Login::None, Login::Fixed))
    }

    fn token(&self) -> Result<Option<Login>, Error> {
        let Some(token) = (self.env)("MLFLOW_TRACKING_TOKEN") else { return Ok(None) };
        // Checked here, because the HTTP library would show the value.
        let token = Credentials::token(&token).ok_or_else(|| {
            Error::usage(
                "the MLflow token holds characters that no token has",
                "set MLFLOW_TRACKING_TOKEN to the token alone, on one line",
            )
        })?;
        Ok(Some(Login::Fixed(token)))
    }

    /// Logins that MLflow has code for.
    fn plugin(&self) -> Result<Option<Login>, Error> {
        let env = self.env;
        let other = |what: String| {
            Error::usage(
                what,
                "unset it and give the login with --header 'NAME: VALUE', or with \
                 --token-command COMMAND, which prints a token",
            )
        };
        let sigv4 = env("MLFLOW_TRACKING_AWS_SIGV4");
        if sigv4.is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "1")) {
            return Err(other("MLFLOW_TRACKING_AWS_SIGV4 asks for AWS's signatures, which this tool does not make".into()));
        }
        match env("MLFLOW_TRACKING_AUTH").as_deref() {
            None => Ok(None),
            Some("kubernetes" | "kubernetes-namespaced") => {
                if let Some(token) = self.token()? {
                    return Ok(Some(token));
                }
                let path = service_account(env).join("token");
                if !path.is_file() {
                    return Err(no_service_account(&path));
                }
                Ok(Some(Login::File(path)))
            }
            Some(name) => Err(other(format!(
                "MLFLOW_TRACKING_AUTH asks for '{name}', a plugin that only Python can run"
            ))),
        }
    }

    /// A variable, else the same name in MLflow's file of logins.
    fn or_in_file(&self, name: &str) -> Option<String> {
        (self.env)(name).or_else(|| {
            let path = Path::new(&(self.env)("HOME")?).join(".mlflow/credentials");
            ini::value(&std::fs::read_to_string(path).ok()?, "mlflow", name)
        })
    }

    /// Nobody thinks of it when it is read, so it goes nowhere in clear text.
    fn netrc(&self, server: &Server, allow_http: bool) -> Option<Credentials> {
        let home = || Some(PathBuf::from((self.env)("HOME")?));
        let paths = match (self.env)("NETRC") {
            Some(path) => vec![PathBuf::from(path)],
            None => vec![home()?.join(".netrc"), home()?.join("_netrc")],
        };
        let text = paths.into_iter().find_map(|path| std::fs::read_to_string(path).ok())?;
        let found = netrc::login(&text, &server.host())?;
        if !allow_http && !transport::may_carry_credentials(&server.to_string()) {
            log::debug!("the login in netrc does not go to '{server}' in clear text");
            return None;
        }
        log::debug!("the login to '{server}' is from netrc");
        Some(found)
    }
}

fn service_account(env: impl Fn(&str) -> Option<String>) -> PathBuf {
    env("AIP_SERVICE_ACCOUNT_DIR").unwrap_or_else(|| SERVICE_ACCOUNT.into()).into()
}

fn namespace(account: &Path) -> Result<String, Error> {
    let path = account.join("namespace");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    match text.trim() {
        "" => Err(no_service_account(&path)),
        name => Ok(name.into()),
    }
}

fn no_service_account(path: &Path) -> Error {
    Error::usage(
        format!("MLFLOW_TRACKING_AUTH asks for Kubernetes, and there is no '{}'", path.display()),
        "run it in a pod with a service account, or give --token-command 'kubectl create token \
         NAME' and MLFLOW_WORKSPACE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(env: &[(&str, &str)], flags: &Flags, uri: &str) -> Result<Options, Error> {
        let find = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).into());
        Options::from_env(flags, &Server::parse(uri).unwrap(), find)
    }

    fn from(env: &[(&str, &str)]) -> String {
        match options(env, &Flags::default(), "https://mlflow.example").unwrap().login {
            Login::Fixed(credentials) => credentials.header().to_owned(),
            other => format!("{other:?}"),
        }
    }

    const USER: (&str, &str) = ("MLFLOW_TRACKING_USERNAME", "ana");
    const PASSWORD: (&str, &str) = ("MLFLOW_TRACKING_PASSWORD", "é:b");
    const TOKEN: (&str, &str) = ("MLFLOW_TRACKING_TOKEN", "abc\n");

    #[test]
    fn a_whole_login_comes_before_a_token() {
        assert_eq!(from(&[USER, PASSWORD, TOKEN]), "Basic YW5hOsOpOmI=");
        assert_eq!(from(&[USER, TOKEN]), "Bearer abc");
        assert_eq!(from(&[USER]), "None");
    }

    #[test]
    fn files_fill_what_the_environment_leaves_open() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        std::fs::write(home.path().join(".netrc"), "machine mlflow.example login n password p")
            .unwrap();
        let basic = |user, password| Credentials::basic(user, password).header().to_owned();
        assert_eq!(from(&[("HOME", path)]), basic("n", "p"));
        assert_eq!(from(&[("HOME", path), TOKEN]), "Bearer abc");
        std::fs::create_dir(home.path().join(".mlflow")).unwrap();
        let file = home.path().join(".mlflow/credentials");
        std::fs::write(
            file,
            "[mlflow]\nmlflow_tracking_username = f\nmlflow_tracking_password = g",
        )
        .unwrap();
        assert_eq!(from(&[("HOME", path), TOKEN]), basic("f", "g"));
        assert_eq!(from(&[("HOME", path), USER]), basic("ana", "g"));
    }

    #[test]
    fn netrc_does_not_go_out_in_clear_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "default login n password p").unwrap();
        let env = [("NETRC", file.path().to_str().unwrap())];
        let login = |uri| options(&env, &Flags::default(), uri).unwrap().login;
        assert_eq!(login("http://mlflow.example"), Login::None);
        assert!(login("https://mlflow.example").is_some());
        assert!(login("http://127.0.0.1:5000").is_some());
    }

    #[test]
    fn the_command_line_comes_first_and_then_the_uri() {
        let uri = "https://u:p@mlflow.example";
        let login = |flags: &Flags| options(&[USER, PASSWORD], flags, uri).unwrap().login;
        assert_eq!(login(&Flags::default()), Login::Fixed(Credentials::basic("u", "p")));
        let command = Flags { token_command: Some("x".into()), ..Flags::default() };
        assert_eq!(login(&command), Login::Command("x".into()));
        let headers = Header::parse("authorization: Custom x").unwrap();
        let flags = Flags { headers, ..Flags::default() };
        assert_eq!(login(&flags), Login::None);
        let server = Server::parse(uri).unwrap();
        let other = Options::without_login(flags, |_| None).unwrap().or_by_uri(&server);
        assert_eq!(other.login, Login::None, "one such header is enough");
        let other = Options::default().or_by_uri(&server);
        assert_eq!(other.login, Login::Fixed(Credentials::basic("u", "p")));
    }

    #[test]
    fn kubernetes_tells_who_a_pod_is() {
        let account = tempfile::tempdir().unwrap();
        let directory = ("AIP_SERVICE_ACCOUNT_DIR", account.path().to_str().unwrap());
        let kubernetes = ("MLFLOW_TRACKING_AUTH", "kubernetes-namespaced");
        let asked = |env: &[_]| options(env, &Flags::default(), "https://mlflow.example");
        let hint = |env: &[_]| deployment::Explain::hint(&asked(env).unwrap_err()).unwrap();
        assert!(hint(&[kubernetes, directory]).contains("--token-command"));
        std::fs::write(account.path().join("token"), "t\n").unwrap();
        assert!(hint(&[kubernetes, directory]).contains("MLFLOW_WORKSPACE"));
        std::fs::write(account.path().join("namespace"), "team-a\n").unwrap();
        let found = asked(&[kubernetes, directory, USER, PASSWORD]).unwrap();
        let token = Credentials::token("t").unwrap();
        assert_eq!(found.login.credentials().unwrap(), Some(token));
        assert_eq!(found.workspace.as_deref(), Some("team-a"));
        let own = asked(&[kubernetes, directory, ("MLFLOW_WORKSPACE", "mine")]).unwrap();
        assert_eq!(own.workspace.as_deref(), Some("mine"));
    }

    #[test]
    fn logins_that_only_python_has_are_refused_with_another_way() {
        for env in [("MLFLOW_TRACKING_AUTH", "sso"), ("MLFLOW_TRACKING_AWS_SIGV4", "true")] {
            let error = options(&[env], &Flags::default(), "https://h").unwrap_err();
            let hint = deployment::Explain::hint(&error).unwrap();
            assert!(hint.contains("--header") && hint.contains("--token-command"), "{hint}");
            let flags = Flags { token_command: Some("x".into()), ..Flags::default() };
            assert!(options(&[env], &flags, "https://h").is_ok());
        }
    }

    #[test]
    fn another_server_is_not_told_what_the_environment_holds() {
        let env = |name: &str| (name == TOKEN.0).then(|| TOKEN.1.to_owned());
        assert_eq!(Options::without_login(Flags::default(), env).unwrap().login, Login::None);
    }
}
