//! The reference of the command lines: every `--help`, and where settings come from.

use std::fmt::Write as _;

use clap::Command;
use stage::settings;

const HEAD: &str = "\
# Command reference

Generated from the code (`cargo run -p xtask -- docs`); a test holds it to it.

## Settings

A setting's value comes from the flag, else the document, else the environment
(the first variable that is set and not empty), else a default.

| flag | document | environment |
|---|---|---|
";

pub(crate) fn text() -> String {
    let mut text = HEAD.to_owned();
    for setting in settings::ALL {
        let names: Vec<_> = setting.env.iter().map(|name| format!("`{name}`")).collect();
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "| `--{}` | `{}` | {} |", setting.name, setting.field, names.join(", "));
    }
    for mut tool in crate::tools::all() {
        tool.build();
        help(&mut text, &mut tool, 2);
    }
    text
}

fn help(text: &mut String, command: &mut Command, level: usize) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let long = command.render_long_help().to_string();
    // The table stands once in this file's readers' way, not twenty times.
    let long = long.replace(stage::EXIT_STATUS, "");
    let lines: Vec<_> = long.lines().map(str::trim_end).collect();
    let _ = write!(
        text,
        "\n{} {name}\n\n```text\n{}\n```\n",
        "#".repeat(level),
        lines.join("\n").trim_end()
    );
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        help(text, verb, level + 1);
    }
}
