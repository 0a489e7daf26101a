//! `~/.mlflow/credentials`: an INI file, as Python's configparser reads it.

/// A key of a section; the last one counts, as names do in any case.
pub(super) fn value(text: &str, section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            inside = name.0 == section;
        } else if let Some(at) = line.find(['=', ':']).filter(|_| inside) {
            let (name, value) = line.split_at(at);
            if name.trim().eq_ignore_ascii_case(key) {
                // A percent sign is written twice.
                found = Some(value[1..].trim().replace("%%", "%"));
            }
        }
    }
    found.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_counts() {
        let text = "# x\nuser = nobody\n[mlflow]\nUser=ana\npassword : a=b%%c \n; pw\n[x]\nuser=z";
        assert_eq!(value(text, "mlflow", "user").unwrap(), "ana");
        assert_eq!(value(text, "mlflow", "password").unwrap(), "a=b%c");
        assert_eq!(value(text, "mlflow", "token"), None);
        assert_eq!(value("[mlflow]\nuser=\n", "mlflow", "user"), None);
    }
}
