//! Everything a tool says on stderr. Each line starts with the tool's name.

use std::io::{self, Write};
use std::sync::Mutex;

use indicatif::MultiProgress;
use log::kv::Key;
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Value, json};

use crate::common::{Common, LogFormat};
use crate::failure::Failure;

/// The key of a log record whose value is the next step.
const HINT: &str = "hint";

#[derive(Debug)]
pub(crate) struct Logger {
    tool: String,
    format: LogFormat,
    /// Bars are drawn on the same terminal: a line must first move them aside.
    pub(crate) bars: MultiProgress,
    stderr: Mutex<io::Stderr>,
}

impl Logger {
    /// Also becomes the process's logger, at the level that `common` asks for.
    pub(crate) fn install(tool: &str, common: &Common) -> &'static Self {
        let logger = Box::leak(Box::new(Self {
            tool: tool.into(),
            format: common.log_format,
            bars: MultiProgress::new(),
            stderr: Mutex::new(io::stderr()),
        }));
        let level = match (common.quiet, common.verbose) {
            (true, _) => LevelFilter::Off,
            (_, 0) => LevelFilter::Info,
            (_, 1) => LevelFilter::Debug,
            (_, _) => LevelFilter::Trace,
        };
        // A logger that is there already (two runs in one test process) stays.
        if log::set_logger(logger).is_ok() {
            log::set_max_level(level);
        }
        logger
    }

    pub(crate) fn tool(&self) -> &str {
        &self.tool
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        if self.format == LogFormat::Json {
            let mut event =
                json!({"tool": self.tool, "severity": "error", "message": failure.message});
            if !failure.causes.is_empty() {
                event["causes"] = json!(failure.causes);
            }
            if !failure.hints.is_empty() {
                event["hints"] = json!(failure.hints);
            }
            if let Some(status) = failure.http_status {
                event["httpStatus"] = json!(status);
            }
            self.event(&event);
            return;
        }
        self.text("error: ", &failure.message);
        for cause in &failure.causes {
            self.text("caused by: ", cause);
        }
        for hint in &failure.hints {
            self.text("hint: ", hint);
        }
    }

    /// A line in JSON.
    pub(crate) fn event(&self, event: &Value) {
        self.lines(&event.to_string());
    }

    fn text(&self, label: &str, message: &str) {
        let prefix = format!("{}: ", self.tool);
        let text: Vec<_> = message.lines().map(|line| format!("{prefix}{line}")).collect();
        let text = text.join("\n").replacen(&prefix, &format!("{prefix}{label}"), 1);
        self.lines(&text);
    }

    /// A stderr that is gone is no reason to fail.
    fn lines(&self, text: &str) {
        self.bars.suspend(|| {
            if let Ok(mut stderr) = self.stderr.lock() {
                let _ = writeln!(stderr, "{text}");
            }
        });
    }
}

impl Log for Logger {
    /// Libraries below have much to say that no user asked for, and some of
    /// them print headers: only our own crates are heard.
    fn enabled(&self, metadata: &Metadata) -> bool {
        const OURS: [&str; 11] = [
            "aip",
            "aip_bundle",
            "aip_model",
            "aip_predict",
            "aip_upload",
            "aip_version",
            "gcp",
            "mlf_fetch",
            "mlflow",
            "stage",
            "transport",
        ];
        let root = metadata.target().split("::").next().unwrap_or_default();
        // gcp_auth says in a warning, and nowhere else, why it got no token.
        OURS.contains(&root) || (root == "gcp_auth" && metadata.level() <= Level::Warn)
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let hint = record.key_values().get(Key::from_str(HINT)).map(|hint| hint.to_string());
        let severity = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug | Level::Trace => "debug",
        };
        if self.format == LogFormat::Json {
            let mut event = json!({"tool": self.tool, "severity": severity, "message": message});
            if let Some(hint) = hint {
                event["hints"] = json!([hint]);
            }
            self.event(&event);
            return;
        }
        let label =
            if record.level() <= Level::Warn { format!("{severity}: ") } else { String::new() };
        self.text(&label, &message);
        if let Some(hint) = hint {
            self.text("hint: ", &hint);
        }
    }

    fn flush(&self) {}
}
