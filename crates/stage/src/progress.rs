//! Progress of long work, on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::log::Logger;

/// A bar, or nothing where nobody watches.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar of so many bytes.
    pub(crate) fn bytes(logger: &Logger, label: String, total: u64) -> Self {
        let bar = logger.bars.add(ProgressBar::new(total));
        Self::style(
            &bar,
            "{prefix}: {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            logger,
        );
        bar.set_message(label);
        Self(bar)
    }

    /// Work of unknown length: what it is, and for how long.
    pub(crate) fn waiting(logger: &Logger, label: String) -> Self {
        let bar = logger.bars.add(ProgressBar::new_spinner());
        Self::style(&bar, "{prefix}: {spinner} {msg} {elapsed}", logger);
        bar.set_message(label);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    fn style(bar: &ProgressBar, template: &str, logger: &Logger) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(logger.tool().to_owned());
    }

    pub fn advance(&self, amount: u64) {
        self.0.inc(amount);
    }

    pub fn say(&self, label: impl Into<String>) {
        self.0.set_message(label.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
