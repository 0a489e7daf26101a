//! One requirement, as PEP 508 writes it.

use std::fmt;

use super::marker;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) name: String,
    extras: Vec<String>,
    what: What,
    pub(crate) marker: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// Each an operator and a version; none means any.
    Versions(Vec<String>),
    Url(String),
}

impl Requirement {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !is_name_character(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let outer = |c: char| c.is_ascii_alphanumeric();
        if !name.starts_with(outer) || !name.ends_with(outer) {
            return None;
        }
        let (extras, rest) = match rest.trim_start().strip_prefix('[') {
            Some(rest) => {
                let (inner, rest) = rest.split_once(']')?;
                (extras(inner)?, rest.trim_start())
            }
            None => (Vec::new(), rest.trim_start()),
        };
        let (what, marker) = if let Some(url) = rest.strip_prefix('@') {
            // A semicolon may belong to a URL: only after a space does it not.
            let (url, marker) = match url.split_once(" ;") {
                Some((url, marker)) => (url, Some(marker)),
                None => (url, None),
            };
            (What::Url(url_of(url.trim())?), marker)
        } else {
            let (versions, marker) = match rest.split_once(';') {
                Some((versions, marker)) => (versions, Some(marker)),
                None => (rest, None),
            };
            (What::Versions(versions_of(versions.trim())?), marker)
        };
        let marker = match marker {
            Some(marker) => Some(marker::normalise(marker)?),
            None => None,
        };
        Some(Self { name: name.into(), extras, what, marker })
    }

    /// The name by which two requirements are of the same package (PEP 503).
    pub(crate) fn key(&self) -> String {
        let lower = self.name.to_ascii_lowercase();
        let parts: Vec<_> = lower.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
        parts.join("-")
    }

    /// Whether it allows only one version.
    pub(crate) fn is_pinned(&self) -> bool {
        match &self.what {
            What::Versions(versions) => versions
                .iter()
                .any(|v| v.starts_with("===") || v.starts_with("==") && !v.ends_with('*')),
            What::Url(_) => true,
        }
    }

    pub(crate) fn url(&self) -> Option<&str> {
        match &self.what {
            What::Url(url) => Some(url),
            What::Versions(_) => None,
        }
    }

    /// Without its marker.
    pub(crate) fn unmarked(&self) -> String {
        let extras = match self.extras.as_slice() {
            [] => String::new(),
            extras => format!("[{}]", extras.join(",")),
        };
        match &self.what {
            What::Versions(versions) => format!("{}{extras}{}", self.name, versions.join(",")),
            What::Url(url) => format!("{}{extras} @ {url}", self.name),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.marker, &self.what) {
            (None, _) => write!(f, "{}", self.unmarked()),
            // The space keeps the semicolon out of the URL.
            (Some(marker), What::Url(_)) => write!(f, "{} ; {marker}", self.unmarked()),
            (Some(marker), _) => write!(f, "{}; {marker}", self.unmarked()),
        }
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

fn extras(text: &str) -> Option<Vec<String>> {
    let mut extras: Vec<_> = text.split(',').map(|extra| extra.trim().to_owned()).collect();
    extras.retain(|extra| !extra.is_empty());
    extras.sort();
    extras.iter().all(|extra| extra.chars().all(is_name_character)).then_some(extras)
}

fn url_of(text: &str) -> Option<String> {
    let plain = text.contains("://") && !text.contains(char::is_whitespace);
    plain.then(|| text.to_owned())
}

/// `>=1, <2` or `(>=1,<2)`, sorted as packaging sorts them.
fn versions_of(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let versions: Option<Vec<_>> = inner.split(',').map(|part| version_of(part.trim())).collect();
    let mut versions = versions?;
    versions.sort();
    Some(versions)
}

fn version_of(text: &str) -> Option<String> {
    let operators = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];
    let operator = operators.iter().find(|operator| text.starts_with(**operator))?;
    let version = text[operator.len()..].trim();
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_.*+!".contains(c);
    (!version.is_empty() && version.chars().all(valid)).then(|| format!("{operator}{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_packaging_writes_them() {
        let cases = [
            ("mlflow==3.17.2", "mlflow==3.17.2"),
            ("mlflow", "mlflow"),
            (" A.b_c-d == 1 ", "A.b_c-d==1"),
            ("numpy >=1.2 , <3", "numpy<3,>=1.2"),
            ("numpy (>=1,<2)", "numpy<2,>=1"),
            ("torch==2.1+cpu", "torch==2.1+cpu"),
            ("a[z, b]~=1.0; python_version<'3.8'", "a[b,z]~=1.0; python_version < \"3.8\""),
            (
                "a @ https://h/x;y.zip ; os_name == 'nt'",
                "a @ https://h/x;y.zip ; os_name == \"nt\"",
            ),
            ("a@git+https://h/r.git@v1#egg=a", "a @ git+https://h/r.git@v1#egg=a"),
        ];
        for (text, expected) in cases {
            let requirement = Requirement::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(requirement.to_string(), expected);
            assert_eq!(Requirement::parse(expected).unwrap(), requirement, "{expected}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "-x",
            "a b",
            "a==",
            "a=1",
            "a==1 2",
            "./a.whl",
            "/a",
            "a==1;",
            "a @ ",
            "a @ ./x",
            "a[",
            "a[b c]==1",
            "é==1",
            "a==1\"",
            "a(>=1",
            "https://h/x.zip",
        ] {
            assert_eq!(Requirement::parse(text), None, "{text}");
        }
    }

    #[test]
    fn pins_and_names() {
        let parse = |text| Requirement::parse(text).unwrap();
        for pinned in ["a==1", "a===1x", "a>=1,==1.0", "a @ https://h/x"] {
            assert!(parse(pinned).is_pinned(), "{pinned}");
        }
        for loose in ["a", "a>=1", "a==1.*", "a~=1.0"] {
            assert!(!parse(loose).is_pinned(), "{loose}");
        }
        assert_eq!(parse("Scikit_Learn.X").key(), "scikit-learn-x");
    }
}
