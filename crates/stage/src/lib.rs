//! The process around a stage: arguments, stdin, the document, stdout, what is
//! said on stderr, and the exit status.
//!
//! A tool is a [`clap::Parser`] and a function from its arguments to an
//! [`Output`]; [`run`] does the rest, the same for all of them.

mod common;
mod failure;
mod interrupt;
mod lifeline;
mod log;
mod process;
mod progress;
mod remark;
mod run;
pub mod settings;

pub use common::{Common, EXIT_STATUS, LogFormat, command};
pub use failure::Failure;
pub use interrupt::Interrupt;
pub use process::Process;
pub use progress::Progress;
pub use remark::{remark, warn};
pub use run::{Output, run};
