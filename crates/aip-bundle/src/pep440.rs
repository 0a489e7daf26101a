//! Versions as Python packages have them (PEP 440).

/// The normal form, as setuptools writes it; nothing where the text is no version.
pub(crate) fn normalise(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let (public, local) = match text.split_once('+') {
        Some((public, local)) => (public, Some(local)),
        None => (text.as_str(), None),
    };
    let mut rest = Rest(public.strip_prefix('v').unwrap_or(public));
    let mut first = rest.number()?;
    let mut version = Vec::new();
    if rest.take("!") {
        version.push(format!("{first}!"));
        first = rest.number()?;
    }
    version.push(first.into());
    while let Some(number) = rest.attempt(|rest| rest.take(".").then(|| rest.number())?) {
        version.push(format!(".{number}"));
    }
    let pre = ["alpha", "a", "beta", "b", "preview", "pre", "rc", "c"];
    if let Some((name, number)) = rest.part(&pre) {
        let name = match name {
            "alpha" => "a",
            "beta" => "b",
            "preview" | "pre" | "c" => "rc",
            short => short,
        };
        version.push(format!("{name}{number}"));
    }
    if let Some(number) = rest.attempt(|rest| rest.take("-").then(|| rest.number())?) {
        version.push(format!(".post{number}"));
    } else if let Some((_, number)) = rest.part(&["post", "rev", "r"]) {
        version.push(format!(".post{number}"));
    }
    if let Some((_, number)) = rest.part(&["dev"]) {
        version.push(format!(".dev{number}"));
    }
    let version = version.concat();
    match local {
        _ if !rest.0.is_empty() => None,
        Some(local) => Some(format!("{version}+{}", local_segments(local)?)),
        None => Some(version),
    }
}

/// The local part of a version: letters and digits between single separators.
fn local_segments(text: &str) -> Option<String> {
    let segments: Option<Vec<_>> = text
        .split(['.', '-', '_'])
        .map(|segment| {
            let valid = !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric());
            valid.then(|| if is_number(segment) { unpadded(segment) } else { segment })
        })
        .collect();
    Some(segments?.join("."))
}

/// A version that carries any text, for names that are none themselves.
pub(crate) fn carrying(text: &str) -> String {
    let local: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect();
    let local: Vec<_> = local.split('.').filter(|segment| !segment.is_empty()).collect();
    normalise(&format!("0.1+{}", local.join("."))).unwrap_or_else(|| "0.1".into())
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn unpadded(digits: &str) -> &str {
    let stripped = digits.trim_start_matches('0');
    if stripped.is_empty() { "0" } else { stripped }
}

/// What is not read yet.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn number(&mut self) -> Option<&'a str> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        (!digits.is_empty()).then(|| unpadded(digits))
    }

    /// Reads nothing where `read` finds nothing.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut ahead = *self;
        let found = read(&mut ahead)?;
        *self = ahead;
        Some(found)
    }

    /// `[-_.]NAME[-_.]NUMBER`, where separators and the number may be absent.
    fn part(&mut self, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
        self.attempt(|rest| {
            rest.separator();
            let name = names.iter().find(|name| rest.take(name))?;
            let number = rest.attempt(|rest| {
                rest.separator();
                rest.number()
            });
            Some((*name, number.unwrap_or("0")))
        })
    }

    fn separator(&mut self) {
        self.0 = self.0.strip_prefix(['-', '_', '.']).unwrap_or(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_packaging_normalises() {
        let cases = [
            ("v3", "3"),
            ("3", "3"),
            ("1.0.0", "1.0.0"),
            ("01.02", "1.2"),
            ("1.0-beta", "1.0b0"),
            ("1.0.alpha_2", "1.0a2"),
            ("1c1", "1rc1"),
            ("1.0preview", "1.0rc0"),
            ("1.0-1", "1.0.post1"),
            ("1.0.rev5.dev", "1.0.post5.dev0"),
            ("2!1.dev_3", "2!1.dev3"),
            ("V1_r2", "1.post2"),
            ("1+Ubuntu_01-a", "1+ubuntu.1.a"),
            (" 1.2 ", "1.2"),
            ("99999999999999999999999", "99999999999999999999999"),
        ];
        for (text, expected) in cases {
            assert_eq!(normalise(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "v", "iris", "1.", "1..2", "1+", "1+a..b", "1x", "1.0-", "v3_final", "é1"]
        {
            assert_eq!(normalise(text), None, "{text}");
        }
    }

    #[test]
    fn any_name_becomes_a_version() {
        assert_eq!(carrying("iris_v1"), "0.1+iris.v1");
        assert_eq!(carrying("v3_Final--007"), "0.1+v3.final.7");
        assert_eq!(carrying("日本"), "0.1");
        assert_eq!(carrying("\"; import os"), "0.1+import.os");
    }
}
