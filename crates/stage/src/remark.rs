//! What a stage remarks, for who looks on and for who reads the document later.

use deployment::{Deployment, Extra, Report, Severity};

pub fn warn(document: &mut Deployment, stage: &str, message: String, hint: Option<String>) {
    remark(document, stage, Severity::Warning, message, hint);
}

/// Said on stderr, and kept in the document. The hint is a key of the log's record,
/// as the logger gives it a line of its own.
pub fn remark(
    document: &mut Deployment,
    stage: &str,
    severity: Severity,
    message: String,
    hint: Option<String>,
) {
    let level = if severity == Severity::Info { log::Level::Info } else { log::Level::Warn };
    match &hint {
        Some(hint) => log::log!(level, hint = hint.as_str(); "{message}"),
        None => log::log!(level, "{message}"),
    }
    document.results.push(Report {
        stage: stage.into(),
        severity,
        message,
        hint,
        extra: Extra::new(),
    });
}
