//! What the emulator tells whoever watches it.

use std::io::Write as _;

/// Every line on stderr says whose it is: it shares the terminal with the
/// command it runs. Losing one is no reason to fail.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(prefixed(text).as_bytes());
}

fn prefixed(text: &str) -> String {
    text.lines().fold(String::new(), |all, line| format!("{all}aip-emulator: {line}\n"))
}

#[cfg(test)]
mod tests {
    use super::prefixed;

    #[test]
    fn every_line_is_prefixed() {
        assert_eq!(prefixed("one"), "aip-emulator: one\n");
        assert_eq!(
            prefixed("one\n\ntwo\n"),
            "aip-emulator: one\naip-emulator: \naip-emulator: two\n"
        );
    }
}
