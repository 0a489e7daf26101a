//! Forms of instances and answers.

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(crate) enum Format {
    /// `{"instances": […]}` or a list
    Json,
    /// One instance a line
    Jsonl,
    /// Rows under a header; numbers and words by the model's signature
    Csv,
}

impl Format {
    pub(crate) fn of(given: Option<Self>, file: &str) -> Self {
        let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
        given.unwrap_or(match extension {
            Some("jsonl" | "ndjson" | "jsonlines") => Self::Jsonl,
            Some("csv") => Self::Csv,
            _ => Self::Json,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(crate) enum OutputFormat {
    /// `{"predictions": […]}`
    Json,
    /// One prediction a line, as they come
    Jsonl,
}

impl OutputFormat {
    pub(crate) fn of(format: Format) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl,
            Format::Json | Format::Csv => Self::Json,
        }
    }
}
