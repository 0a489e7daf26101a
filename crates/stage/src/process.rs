//! What a tool's work may use of the process it runs in.

use std::io::{IsTerminal, Read};
use std::sync::{Mutex, PoisonError};

use deployment::{Deployment, InputError, MAX_BYTES};

use crate::common::{Common, LogFormat};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::log::Logger;
use crate::progress::Progress;

pub struct Process {
    pub(crate) common: Common,
    pub(crate) logger: &'static Logger,
    pub(crate) stdin: Mutex<Box<dyn Read + Send>>,
    pub(crate) stdin_is_terminal: bool,
}

impl Process {
    /// The document on stdin. A dry run is taken over from it, and noted in it.
    pub fn read_document(&self) -> Result<Deployment, Failure> {
        if self.stdin_is_terminal {
            return Err(Failure::input("stdin is a terminal, not a document")
                .hint("pipe the stage before into it, or give it a file: < document.json"));
        }
        self.parse("stdin", self.stdin())
    }

    /// The same where something else may stand for a document: what `other`
    /// makes of input that is none.
    pub fn read_document_or(
        &self,
        other: impl FnOnce(&[u8]) -> Option<Deployment>,
    ) -> Result<Deployment, Failure> {
        if self.stdin_is_terminal {
            return self.read_document();
        }
        let bytes = read("stdin", &mut self.stdin())?;
        match other(&bytes) {
            Some(document) => Ok(self.inherit(document)),
            None => self.parse("stdin", bytes.as_slice()),
        }
    }

    /// The document in a file; `-` is stdin.
    pub fn read_document_from(&self, path: &str) -> Result<Deployment, Failure> {
        if path == "-" {
            return self.read_document();
        }
        let file = std::fs::File::open(path)
            .map_err(|error| Failure::failed(format!("cannot open '{path}'")).cause(&error))?;
        self.parse(&format!("'{path}'"), file)
    }

    /// A document where one is named, else an empty one.
    pub fn document_or_default(&self, path: Option<&str>) -> Result<Deployment, Failure> {
        match path {
            Some(path) => self.read_document_from(path),
            None => Ok(self.inherit(Deployment::default())),
        }
    }

    /// stdin itself, for a tool whose data comes that way. It is had once.
    pub fn stdin(&self) -> Box<dyn Read + Send> {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stdin, Box::new(std::io::empty()))
    }

    fn parse(&self, subject: &str, input: impl Read) -> Result<Deployment, Failure> {
        let document = Deployment::read(input).map_err(|error| match error {
            InputError::Empty => Failure::from(error),
            other => Failure::from(other).context(format!("cannot use the document on {subject}")),
        })?;
        Ok(self.inherit(document))
    }

    fn inherit(&self, mut document: Deployment) -> Deployment {
        document.spec.dry_run |= self.common.dry_run;
        document
    }

    /// Whether this tool was told to change nothing; a document may say so too.
    pub fn is_dry(&self) -> bool {
        self.common.dry_run
    }

    /// A part of a dry run: what would be done.
    pub fn would(&self, what: &str) {
        log::info!("dry run: {what}");
    }

    /// A bar of so many bytes on a terminal; events where stderr is JSON.
    pub fn progress(&self, label: impl Into<String>, total: u64) -> Progress {
        if self.is_watched() {
            Progress::bar(self.logger, label.into(), total)
        } else if self.common.log_format == LogFormat::Json && !self.common.quiet {
            Progress::events(self.logger, label.into(), total)
        } else {
            Progress::hidden()
        }
    }

    /// Work of unknown length, where somebody watches.
    pub fn waiting(&self, label: impl Into<String>) -> Progress {
        if self.is_watched() {
            Progress::waiting(self.logger, label.into())
        } else {
            Progress::hidden()
        }
    }

    /// Until the result is dropped, Ctrl-C ends the process saying this.
    pub fn on_interrupt(
        &self,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Result<Interrupt, Failure> {
        let failure = Failure::interrupted(message).hint(hint);
        Interrupt::install(self.logger, failure)
    }

    fn is_watched(&self) -> bool {
        !self.common.quiet
            && self.common.log_format == LogFormat::Text
            && std::io::stderr().is_terminal()
    }
}

/// No more than one byte above what a document may have.
fn read(subject: &str, input: &mut dyn Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    input
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("cannot read {subject}")).cause(&error))?;
    Ok(bytes)
}
