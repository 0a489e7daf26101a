//! Python environments and the workers that run in them.

mod environment;
mod package;
mod process;
mod python;
mod worker;

pub(crate) use environment::{Environments, Error as EnvironmentError, cache_dir, find_uv};
pub(crate) use package::{InstallError, install, restore};
pub(crate) use process::{Group, run};
pub(crate) use python::{Interpreter, Interpreters, on_path};
pub(crate) use worker::{Launch, PredictError, StartError, Worker, unexpected};
