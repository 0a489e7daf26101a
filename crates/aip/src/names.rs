//! The document that a verb may take its names from.

use clap::Args;
use deployment::Deployment;
use stage::{Failure, Process};

/// Flattened into every verb that asks rather than goes on with a document.
#[derive(Clone, Debug, Args)]
pub struct Names {
    /// Take the names from this document; - is stdin
    #[arg(long, value_name = "FILE")]
    document: Option<String>,
}

impl Names {
    /// These, where they name a document, else the others: a verb of a verb may
    /// be told at either.
    pub fn or<'a>(&'a self, others: &'a Self) -> &'a Self {
        if self.document.is_some() { self } else { others }
    }

    pub fn read(&self, process: &Process) -> Result<Deployment, Failure> {
        process.document_or_default(self.document.as_deref())
    }
}
