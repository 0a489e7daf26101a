//! Man pages: one for each tool and one for each of its verbs.

use std::path::Path;
use std::{fs, io};

pub(crate) fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for tool in crate::tools::all() {
        clap_mangen::generate_to(tool, directory)?;
    }
    Ok(())
}
