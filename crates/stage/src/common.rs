//! What every tool's command line has.

use clap::{Args, Command, CommandFactory, ValueEnum};

/// The table in every `--help`.
pub const EXIT_STATUS: &str = "\
Exit status:
  0    done; the document on stdout is complete
  1    failed: local I/O, template, checksum, operation ended in error, stdout lost
  2    usage: fix the command
  3    unusable input: empty, not JSON, other kind or version, a needed stage missing
  4    refused by a service (400 401 403 404 409 412): fix, then run again
  5    unavailable (408 429 5xx, connection, timeout) after retries: run again later
  101  a bug: please report it
  130  interrupted";

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Show the requests that would be sent and the files that would be
    /// written; change nothing. The stages after it run dry as well
    #[arg(long, global = true)]
    pub dry_run: bool,

    /// Say where each setting comes from and what is sent (-vv: and received)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Form of the lines on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `tool: message`
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// A tool's whole command line: its own, what all have, and the exit status
/// under the help of it and of each of its verbs.
pub fn command<A: CommandFactory>() -> Command {
    with_exit_status(Common::augment_args(A::command()))
}

fn with_exit_status(mut command: Command) -> Command {
    let examples = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command = command.after_long_help(format!("{examples}{EXIT_STATUS}"));
    let verbs: Vec<_> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for verb in verbs {
        command = command.mut_subcommand(verb, with_exit_status);
    }
    command
}
