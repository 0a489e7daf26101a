//! Progress of long work: a bar on a terminal, events in JSON, else nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::log::Logger;

/// Events are for programs that show something; none shows more often.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Progress {
    form: Form,
    label: String,
    bytes: Count,
    files: Count,
}

#[derive(Debug)]
enum Form {
    Bar(ProgressBar),
    Events { logger: &'static Logger, begun: Instant, next: AtomicU64 },
    Hidden,
}

#[derive(Debug, Default)]
struct Count {
    done: AtomicU64,
    total: u64,
}

impl Progress {
    /// A bar of so many bytes.
    pub(crate) fn bar(logger: &Logger, label: String, total: u64) -> Self {
        let bar = logger.bars.add(ProgressBar::new(total));
        // On a narrow terminal it is the label that is cut short.
        let template = "{wide_msg} {prefix}{bar:16} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        style(&bar, template, logger);
        bar.set_message(label.clone());
        Self::new(Form::Bar(bar), label, total)
    }

    /// Work of unknown length: what it is, and for how long.
    pub(crate) fn waiting(logger: &Logger, label: String) -> Self {
        let bar = logger.bars.add(ProgressBar::new_spinner());
        style(&bar, "{spinner} {msg} {elapsed}", logger);
        bar.set_message(label.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::new(Form::Bar(bar), label, 0)
    }

    /// An event at most each second, and one at the end.
    pub(crate) fn events(logger: &'static Logger, label: String, total: u64) -> Self {
        let next = AtomicU64::new(millis(INTERVAL));
        Self::new(Form::Events { logger, begun: Instant::now(), next }, label, total)
    }

    pub(crate) fn hidden() -> Self {
        Self::new(Form::Hidden, String::new(), 0)
    }

    fn new(form: Form, label: String, total: u64) -> Self {
        let bytes = Count { total, ..Count::default() };
        Self { form, label, bytes, files: Count::default() }
    }

    /// The same, of work that is in this many files.
    #[must_use]
    pub fn of_files(mut self, total: usize) -> Self {
        self.files.total = total as u64;
        self.file_label();
        self
    }

    pub fn advance(&self, bytes: u64) {
        self.bytes.done.fetch_add(bytes, Ordering::Relaxed);
        match &self.form {
            Form::Bar(bar) => bar.inc(bytes),
            Form::Events { begun, next, .. } => {
                let now = millis(begun.elapsed());
                let due = next.load(Ordering::Relaxed);
                // Who moves it on is who tells.
                let mine = now >= due && {
                    let then = now + millis(INTERVAL);
                    next.compare_exchange(due, then, Ordering::Relaxed, Ordering::Relaxed).is_ok()
                };
                if mine {
                    self.tell();
                }
            }
            Form::Hidden => {}
        }
    }

    /// One file more is done.
    pub fn file_done(&self) {
        self.files.done.fetch_add(1, Ordering::Relaxed);
        self.file_label();
    }

    pub fn say(&self, label: impl Into<String>) {
        if let Form::Bar(bar) = &self.form {
            bar.set_message(label.into());
        }
    }

    fn file_label(&self) {
        if let (Form::Bar(bar), 2..) = (&self.form, self.files.total) {
            let done = self.files.done.load(Ordering::Relaxed);
            bar.set_prefix(format!("({done}/{} files) ", self.files.total));
        }
    }

    fn tell(&self) {
        let Form::Events { logger, begun, .. } = &self.form else { return };
        // Tools are named after their stages.
        let stage = logger.tool().rsplit('-').next().unwrap_or_default();
        let mut event = json!({
            "tool": logger.tool(), "severity": "info", "event": "progress", "stage": stage,
            "message": self.label, "seconds": begun.elapsed().as_secs(),
            "bytes": self.bytes.json(),
        });
        if self.files.total > 0 {
            event["files"] = self.files.json();
        }
        logger.event(&event);
    }
}

impl Count {
    fn json(&self) -> serde_json::Value {
        json!({"done": self.done.load(Ordering::Relaxed), "total": self.total})
    }
}

fn style(bar: &ProgressBar, template: &str, logger: &Logger) {
    if let Ok(style) = ProgressStyle::with_template(&format!("{}: {template}", logger.tool())) {
        bar.set_style(style);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &self.form {
            Form::Bar(bar) => bar.finish_and_clear(),
            Form::Events { .. } => self.tell(),
            Form::Hidden => {}
        }
    }
}
