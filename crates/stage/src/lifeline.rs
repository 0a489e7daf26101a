//! The end of the program that started this tool.

use std::fs::File;
use std::io::Read;
use std::thread;

use rustix::process::{Signal, kill_current_process_group};

use crate::settings;

/// A pipe that the program which started this tool holds open, and never writes
/// to: `/dev/fd/N`. Who sets it has put the tool into a process group of its own.
const VARIABLE: &str = "AIP_LIFELINE";

/// Should that program end in a way that it cannot act on, the tool and what it
/// started do not go on without anybody to hear of it.
pub(crate) fn watch() {
    let Some(path) = settings::env(VARIABLE) else { return };
    let Ok(mut pipe) = File::open(path) else { return };
    thread::spawn(move || {
        let mut byte = [0];
        while pipe.read(&mut byte).is_ok_and(|read| read > 0) {}
        // Reaches this process as well, whose end says how to go on.
        let _ = kill_current_process_group(Signal::TERM);
    });
}
