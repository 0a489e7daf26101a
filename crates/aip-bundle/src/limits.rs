//! What AI Platform Prediction refuses, said before anything is uploaded.

use deployment::Severity;

use crate::model::Model;
use deployment::names::is_name;

const MAX_BYTES: u64 = 500 * 1024 * 1024;
const MAX_FILES: usize = 1000;
/// The last version of Python that the service had.
const PYTHON: &str = "3.7";

/// What a person should know, and the next step.
#[derive(Debug)]
pub(crate) struct Remark {
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Remark {
    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

pub(crate) fn names(model: &str, version: &str) -> Vec<Remark> {
    let named = [("model", model, "model"), ("version", version, "version-name")];
    let refused = named.into_iter().filter(|(_, name, _)| !is_name(name));
    let remark = |(what, name, flag)| {
        Remark::warning(format!("the service refuses the {what} name '{name}'")).hint(format!(
            "give --{flag} with a letter first, then letters, digits and underscores, 128 at most"
        ))
    };
    refused.map(remark).collect()
}

pub(crate) fn model(model: &Model) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if model.size() > MAX_BYTES {
        let size = model.size().div_ceil(1024 * 1024);
        let message = format!("the model has {size} MiB; the service takes 500 MB at most");
        remarks.push(Remark::warning(message));
    }
    if model.files.len() > MAX_FILES {
        let count = model.files.len();
        let message = format!("the model has {count} files; the service takes 1,000 at most");
        remarks.push(Remark::warning(message));
    }
    remarks
}

/// No warning: nothing can be done about it, and the emulator serves it.
pub(crate) fn python(version: &str) -> Option<Remark> {
    (version != PYTHON && !version.is_empty()).then(|| Remark {
        severity: Severity::Info,
        message: format!("the model wants Python {version}; the service ended with {PYTHON}"),
        hint: Some("the emulator serves any Python that its machine has".into()),
    })
}

#[cfg(test)]
mod tests {
    use deployment::File;

    use super::*;

    #[test]
    fn names_that_are_refused() {
        assert!(names("iris", "v1").is_empty());
        let found = names("my-iris", "3");
        assert_eq!(found[0].message, "the service refuses the model name 'my-iris'");
        assert!(found[1].hint.as_ref().unwrap().starts_with("give --version-name"));
    }

    #[test]
    fn models_that_are_too_large() {
        let of = |count, size| Model {
            directory: "/".into(),
            files: vec![File { size, ..File::default() }; count].into(),
            is_here: false,
        };
        assert!(model(&of(1000, 1024)).is_empty());
        assert!(model(&of(2, MAX_BYTES / 2)).is_empty());
        assert_eq!(model(&of(1001, 0)).len(), 1);
        let found = model(&of(2, MAX_BYTES));
        assert_eq!(found[0].message, "the model has 1000 MiB; the service takes 500 MB at most");
    }

    #[test]
    fn another_python() {
        assert!(python("3.7").is_none() && python("3.11").is_some());
    }
}
