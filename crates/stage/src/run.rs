//! From the process's arguments to its exit status.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::error::ErrorKind;
use clap::{FromArgMatches, Parser};
use deployment::Deployment;
use serde_json::Value;

use crate::common::{Common, LogFormat, command};
use crate::failure::Failure;
use crate::lifeline;
use crate::log::Logger;
use crate::process::Process;

/// What goes to stdout, once, at the end.
#[derive(Debug)]
pub enum Output {
    Document(Box<Deployment>),
    Json(Value),
    /// JSON that is written as it came, without the newline.
    Text(String),
    /// The work wrote stdout itself, because it streams.
    Streamed,
}

impl From<Deployment> for Output {
    fn from(document: Deployment) -> Self {
        Self::Document(Box::new(document))
    }
}

/// Runs a tool. Nothing reaches stdout unless the work succeeds.
pub fn run<A: Parser>(work: impl FnOnce(&Process, &A) -> Result<Output, Failure>) -> ExitCode {
    lifeline::watch();
    let stdin = io::stdin();
    let terminal = stdin.is_terminal();
    ExitCode::from(pump(
        std::env::args_os(),
        (Box::new(stdin), terminal),
        (&mut io::stdout().lock(), io::stdout().is_terminal()),
        work,
    ))
}

/// The same over any streams; each comes with whether it is a terminal.
fn pump<A: Parser>(
    args: impl Iterator<Item = OsString>,
    (stdin, stdin_is_terminal): (Box<dyn Read + Send>, bool),
    (stdout, stdout_is_terminal): (&mut dyn Write, bool),
    work: impl FnOnce(&Process, &A) -> Result<Output, Failure>,
) -> u8 {
    let tool = A::command().get_name().to_owned();
    let parsed = command::<A>()
        .try_get_matches_from(args)
        .and_then(|found| Ok((Common::from_arg_matches(&found)?, A::from_arg_matches(&found)?)));
    let (common, args) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&tool, &error, stdout),
    };
    let logger = Logger::install(&tool, &common);
    let process = Process { common, logger, stdin: Mutex::new(stdin), stdin_is_terminal };
    let done = work(&process, &args).and_then(|output| write(stdout, &output, stdout_is_terminal));
    match done {
        Ok(()) => 0,
        Err(failure) => {
            logger.failure(&failure);
            failure.status
        }
    }
}

/// A document may be large: it is not put together in memory first.
fn write(stdout: &mut dyn Write, output: &Output, pretty: bool) -> Result<(), Failure> {
    let mut stdout = io::BufWriter::with_capacity(64 * 1024, stdout);
    let written = match (output, pretty) {
        (Output::Streamed, _) => return Ok(()),
        (Output::Text(text), _) => stdout.write_all(text.as_bytes()),
        (Output::Document(document), true) => {
            json(serde_json::to_writer_pretty(&mut stdout, document))
        }
        (Output::Document(document), false) => json(serde_json::to_writer(&mut stdout, document)),
        (Output::Json(value), true) => json(serde_json::to_writer_pretty(&mut stdout, value)),
        (Output::Json(value), false) => json(serde_json::to_writer(&mut stdout, value)),
    };
    let ended = written.and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    ended.map_err(|error| {
        Failure::failed("cannot write the document to stdout")
            .cause(&error)
            .hint("what was done stays done; run it again for the document")
    })
}

fn json(written: serde_json::Result<()>) -> io::Result<()> {
    written.map_err(io::Error::from)
}

/// Help goes to stdout; clap's errors go to stderr, as any other failure.
fn usage(tool: &str, error: &clap::Error, stdout: &mut dyn Write) -> u8 {
    let text = error.render().to_string();
    if !error.use_stderr() {
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        return u8::from(written.is_err());
    }
    // The arguments could not be read, so how to speak is not known either.
    let json = std::env::args().any(|arg| arg == "--log-format=json" || arg == "json");
    let log_format = if json { LogFormat::Json } else { LogFormat::Text };
    let common = Common { log_format, ..Common::default() };
    let failure = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => no_command(&text),
        _ => usage_failure(&text),
    };
    Logger::install(tool, &common).failure(&failure);
    2
}

/// Where a command is missing, clap's error is the whole help.
fn no_command(help: &str) -> Failure {
    let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_default();
    Failure::usage("a command is missing").because(usage).hint("try '--help'")
}

/// clap's paragraphs, each in its place.
fn usage_failure(text: &str) -> Failure {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut failure = Failure::usage(first.strip_prefix("error: ").unwrap_or(first));
    for line in lines {
        let line = line.trim_end_matches('.');
        failure = if let Some(tip) = line.strip_prefix("tip: ") {
            failure.hint(tip)
        } else if let Some(rest) = line.strip_prefix("For more information, ") {
            failure.hint(rest)
        } else {
            failure.because(line)
        };
    }
    failure
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use deployment::{API_VERSION, MAX_BYTES};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "noop")]
    struct Args {
        #[arg(long)]
        fail: bool,
    }

    fn noop(process: &Process, args: &Args) -> Result<Output, Failure> {
        let document = process.read_document()?;
        if args.fail { Err(Failure::failed("no")) } else { Ok(document.into()) }
    }

    fn outcome(args: &[&str], input: &str) -> (u8, String) {
        let mut stdout = Vec::new();
        let args = ["noop"].iter().chain(args).map(OsString::from);
        let status = pump(
            args,
            (Box::new(Cursor::new(input.to_owned())), false),
            (&mut stdout, false),
            noop,
        );
        (status, String::from_utf8(stdout).unwrap())
    }

    const DOCUMENT: &str = r#"{"apiVersion":"mlflow-aip/v1","kind":"Deployment","spec":{},"stages":{"mine":[1.50]},"results":[],"é":1}"#;

    #[test]
    fn a_document_passes_through_on_one_line() {
        assert_eq!(outcome(&[], DOCUMENT), (0, format!("{DOCUMENT}\n")));
    }

    #[test]
    fn a_failure_writes_nothing() {
        assert_eq!(outcome(&["--fail"], DOCUMENT), (1, String::new()));
    }

    #[test]
    fn bad_input_is_exit_3_and_bad_arguments_are_exit_2() {
        let large = format!("{DOCUMENT}{}", " ".repeat(MAX_BYTES));
        let other = DOCUMENT.replace(API_VERSION, "mlflow-aip/v9");
        for input in ["", "{", "[]", "{}", "nothing", &DOCUMENT.repeat(2), &large, &other] {
            assert_eq!(outcome(&[], input), (3, String::new()));
        }
        assert_eq!(outcome(&["--nope"], DOCUMENT), (2, String::new()));
    }

    #[test]
    fn a_dry_run_is_noted_for_the_stages_after() {
        let (status, output) = outcome(&["--dry-run"], DOCUMENT);
        assert_eq!(status, 0);
        assert!(output.contains(r#""dryRun":true"#), "{output}");
    }

    #[test]
    fn a_lost_stdout_is_a_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let args = ["noop"].iter().map(OsString::from);
        let input = (Box::new(DOCUMENT.as_bytes()) as Box<dyn Read + Send>, false);
        assert_eq!(pump(args, input, (&mut Closed, false), noop), 1);
    }

    #[test]
    fn help_has_the_exit_status_table() {
        let (status, output) = outcome(&["--help"], "");
        assert!(status == 0 && output.contains("unusable input"), "{output}");
    }
}
