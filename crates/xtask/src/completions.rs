//! Completions for the shells.

use std::path::Path;
use std::{fs, io};

use clap_complete::{Shell, generate_to};

pub(crate) fn write(directory: &Path) -> io::Result<()> {
    for (shell, name) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let directory = directory.join(name);
        fs::create_dir_all(&directory)?;
        for mut tool in crate::tools::all() {
            let name = tool.get_name().to_owned();
            generate_to(shell, &mut tool, name, &directory)?;
        }
    }
    Ok(())
}
