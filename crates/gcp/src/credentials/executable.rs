//! A program that has the token of an external account
//! (<https://google.aip.dev/auth/4117>).

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use thiserror::Error;

use super::CredentialsError;
use super::fields::Fields;
use super::secret::Secret;

/// Whoever can write the file decides what runs: the person says that it may.
const ALLOW: &str = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";
const TIMEOUT: u64 = 30_000;
const MAX_OUTPUT: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Executable {
    program: String,
    args: Vec<String>,
    timeout: Duration,
    output_file: Option<String>,
    context: Context,
}

/// What the program is told.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) audience: String,
    pub(super) token_type: String,
    pub(super) email: Option<String>,
}

/// Why the program gave no token. What it said besides is not repeated: it may
/// be a token.
#[derive(Debug, Error)]
pub enum ExecutableError {
    #[error("'{program}' may not be run, for {ALLOW} is not 1")]
    NotAllowed { program: String },
    #[error("cannot run '{program}'")]
    NotRun { program: String, source: std::io::Error },
    #[error("'{program}' did not end within {seconds} s")]
    TimedOut { program: String, seconds: u64 },
    #[error("'{program}' failed: {status}")]
    Failed { program: String, status: std::process::ExitStatus },
    #[error("'{program}' did not answer as an executable source does: {what}")]
    Unreadable { program: String, what: &'static str },
    #[error("'{program}' has no token: {code}: {message}")]
    Unsuccessful { program: String, code: String, message: String },
}

impl Executable {
    pub(super) fn read(fields: &Fields, context: Context) -> Result<Self, CredentialsError> {
        let words = shlex::split(&fields.text("command")?).filter(|words| !words.is_empty());
        let mut words = words.ok_or_else(|| fields.lacks("command"))?.into_iter();
        Ok(Self {
            program: words.next().unwrap_or_default(),
            args: words.collect(),
            timeout: Duration::from_millis(
                fields.value["timeout_millis"].as_u64().unwrap_or(TIMEOUT),
            ),
            output_file: fields.optional("output_file"),
            context,
        })
    }

    pub(super) fn token(&self) -> Result<Secret, ExecutableError> {
        if std::env::var(ALLOW).as_deref() != Ok("1") {
            return Err(ExecutableError::NotAllowed { program: self.program.clone() });
        }
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let mut output = self.run()?;
        // It may write the file and print nothing.
        if let Some(path) = self.output_file.as_ref().filter(|_| output.is_empty()) {
            output = std::fs::read(path).unwrap_or_default();
        }
        let answer = serde_json::from_slice(&output);
        self.judge(&answer.map_err(|_| self.unreadable("it is not JSON"))?)
    }

    /// What it wrote when it ran last, while that is valid.
    fn kept(&self) -> Option<Secret> {
        let text = std::fs::read(self.output_file.as_ref()?).ok()?;
        let answer: Value = serde_json::from_slice(&text).ok()?;
        answer["expiration_time"].as_i64()?;
        self.judge(&answer).ok()
    }

    fn run(&self) -> Result<Vec<u8>, ExecutableError> {
        let failed = |source| ExecutableError::NotRun { program: self.program.clone(), source };
        let deadline = Instant::now() + self.timeout;
        let mut child = self.command().spawn().map_err(failed)?;
        let stdout = child.stdout.take();
        let (sender, receiver) = mpsc::channel();
        // A program's child may hold the pipe open after it: the thread is not
        // waited for.
        std::thread::spawn(move || {
            let mut output = Vec::new();
            let read = stdout.map(|pipe| pipe.take(MAX_OUTPUT).read_to_end(&mut output));
            sender.send(read.transpose().map(|_| output))
        });
        let output = receiver.recv_timeout(self.timeout);
        let status = wait(&mut child, deadline).map_err(failed)?;
        let (Ok(output), Some(status)) = (output, status) else {
            return Err(ExecutableError::TimedOut {
                program: self.program.clone(),
                seconds: self.timeout.as_secs(),
            });
        };
        if !status.success() {
            return Err(ExecutableError::Failed { program: self.program.clone(), status });
        }
        output.map_err(failed)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .env("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", &self.context.audience)
            .env("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", &self.context.token_type)
            .env("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0")
            .env("GOOGLE_EXTERNAL_ACCOUNT_REVOKE", "0");
        if let Some(email) = &self.context.email {
            command.env("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", email);
        }
        if let Some(path) = &self.output_file {
            command.env("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", path);
        }
        command
    }

    fn judge(&self, answer: &Value) -> Result<Secret, ExecutableError> {
        if answer["version"].as_u64() != Some(1) {
            return Err(self.unreadable("its 'version' is not 1"));
        }
        match answer["success"].as_bool() {
            None => return Err(self.unreadable("it has no 'success'")),
            Some(false) => {
                let text = |name: &str| answer[name].as_str().unwrap_or("unknown").to_owned();
                return Err(ExecutableError::Unsuccessful {
                    program: self.program.clone(),
                    code: text("code"),
                    message: text("message"),
                });
            }
            Some(true) => {}
        }
        if answer["expiration_time"].as_i64().is_some_and(|seconds| seconds < now()) {
            return Err(self.unreadable("its token has expired"));
        }
        let field = match answer["token_type"].as_str() {
            Some(
                "urn:ietf:params:oauth:token-type:jwt"
                | "urn:ietf:params:oauth:token-type:id_token",
            ) => "id_token",
            Some("urn:ietf:params:oauth:token-type:saml2") => "saml_response",
            _ => return Err(self.unreadable("its 'token_type' is none of jwt, id_token, saml2")),
        };
        let token = answer[field].as_str().filter(|token| !token.is_empty());
        token
            .map(|token| Secret(token.to_owned()))
            .ok_or_else(|| self.unreadable("the field that its 'token_type' names is missing"))
    }

    fn unreadable(&self, what: &'static str) -> ExecutableError {
        ExecutableError::Unreadable { program: self.program.clone(), what }
    }
}

/// std cannot wait for so long and no longer.
fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<std::process::ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            // It may have ended by itself in between.
            let _ = child.kill();
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn executable(command: &str, timeout: u64) -> Executable {
        let value = json!({"command": command, "timeout_millis": timeout});
        let fields = Fields { path: "cred.json".as_ref(), kind: "external_account", value: &value };
        Executable::read(&fields, Context { audience: "//aud".into(), ..Context::default() })
            .unwrap()
    }

    #[test]
    fn a_command_is_split_as_a_shell_would() {
        let executable = executable("'/a b/get' --for \"x y\" z", 1000);
        assert_eq!(executable.program, "/a b/get");
        assert_eq!(executable.args, ["--for", "x y", "z"]);
    }

    #[test]
    fn it_is_told_the_audience_and_has_its_time() {
        let echo = executable("sh -c 'echo $GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE'", 5000);
        assert_eq!(echo.run().unwrap(), b"//aud\n");
        let started = Instant::now();
        let slow = executable("sleep 60", 100).run().unwrap_err();
        assert!(matches!(slow, ExecutableError::TimedOut { .. }), "{slow}");
        assert!(started.elapsed() < Duration::from_secs(10));
        let failed = executable("sh -c 'echo sesame; exit 3'", 5000).run().unwrap_err();
        assert!(failed.to_string().ends_with("exit status: 3"), "{failed}");
        let missing = executable("/not/there", 5000).run().unwrap_err();
        assert!(matches!(missing, ExecutableError::NotRun { .. }));
    }

    #[test]
    fn answers_are_judged() {
        let jwt = "urn:ietf:params:oauth:token-type:jwt";
        let saml = "urn:ietf:params:oauth:token-type:saml2";
        let judge = |answer: Value| {
            executable("get", 1).judge(&answer).map(|token| token.0).map_err(|e| e.to_string())
        };
        let good = json!({"version": 1, "success": true, "token_type": jwt, "id_token": "sesame",
            "expiration_time": now() + 60});
        assert_eq!(judge(good.clone()).unwrap(), "sesame");
        let answer = json!({"version": 1, "success": true, "token_type": saml,
            "saml_response": "sesame"});
        assert_eq!(judge(answer).unwrap(), "sesame");
        for (field, value, said) in [
            ("version", json!(2), "'version'"),
            ("success", json!("yes"), "'success'"),
            ("token_type", json!(saml), "missing"),
            ("token_type", json!("x"), "'token_type'"),
            ("expiration_time", json!(now() - 60), "expired"),
            ("id_token", json!(""), "missing"),
        ] {
            let mut answer = good.clone();
            answer[field] = value;
            let error = judge(answer).unwrap_err();
            assert!(error.contains(said) && !error.contains("sesame"), "{error}");
        }
        let answer = json!({"version": 1, "success": false, "code": "401", "message": "No."});
        assert!(judge(answer).unwrap_err().ends_with("401: No."));
    }
}
