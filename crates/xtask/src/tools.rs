//! Every tool's whole command line.

use clap::Command;

/// Wide enough for tables, the same on every terminal.
const WIDTH: usize = 90;

pub(crate) fn all() -> Vec<Command> {
    let commands = [
        stage::command::<mlf_fetch::Args>(),
        stage::command::<aip_bundle::Args>(),
        stage::command::<aip_upload::Args>(),
        stage::command::<aip_model::Args>(),
        stage::command::<aip_version::Args>(),
        stage::command::<aip_predict::Args>(),
        aip_emulator::command(),
    ];
    commands.into_iter().map(|command| command.term_width(WIDTH)).collect()
}
