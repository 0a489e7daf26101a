//! What the package installs: the model's own requirements.

mod file;
mod marker;
mod requirement;

use std::collections::HashSet;

use serde_yaml_ng::Value;

pub(crate) use requirement::Requirement;

use crate::error::Error;
use crate::model::Model;
use file::Line;

/// Requirements, and what a person should know of them.
#[derive(Debug, Default)]
pub(crate) struct Requirements {
    pub(crate) list: Vec<Requirement>,
    pub(crate) warnings: Vec<String>,
}

impl Requirements {
    /// From the model's requirements.txt, else from conda.yaml's pip section.
    pub(crate) fn of(model: &Model) -> Result<Self, Error> {
        let mut found = Self::default();
        if model.is_here && model.has("requirements.txt") {
            found.file(model, "requirements.txt", &mut HashSet::new())?;
        } else if let Some(text) = model.text("conda.yaml")? {
            found.conda(&text)?;
        } else if model.is_here {
            found.warnings.push("the model has neither requirements.txt nor conda.yaml".into());
        }
        Ok(found)
    }

    fn file(&mut self, model: &Model, path: &str, seen: &mut HashSet<String>) -> Result<(), Error> {
        if !seen.insert(path.to_owned()) {
            return Ok(());
        }
        let Some(text) = model.text(path)? else {
            self.dropped(path, "a file outside of the model");
            return Ok(());
        };
        for line in file::lines(&text) {
            if let Line::Include(other) = line {
                let other = beside(path, &other);
                match other.filter(|other| model.has(other)) {
                    Some(other) => self.file(model, &other, seen)?,
                    None => self.dropped(path, "an included file that is not the model's"),
                }
            } else {
                self.line(path, line)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, origin: &str, line: Line) -> Result<(), Error> {
        match line {
            Line::Requirement(requirement) => self.list.push(requirement),
            Line::Include(_) => self.dropped(origin, "an included file"),
            Line::Dropped(what) => self.dropped(origin, &what),
            Line::Unreadable(text) => {
                return Err(Error::Requirement { origin: format!("a line of {origin}"), text });
            }
        }
        Ok(())
    }

    fn conda(&mut self, text: &str) -> Result<(), Error> {
        let document: Value = serde_yaml_ng::from_str(text).map_err(Error::Conda)?;
        let dependencies = document.get("dependencies").and_then(Value::as_sequence);
        for dependency in dependencies.into_iter().flatten() {
            if let Some(name) = dependency.as_str() {
                // What makes the environment itself is not installed into it.
                let end = name.find(['=', '<', '>', ' ']).unwrap_or(name.len());
                if !["python", "pip"].contains(&&name[..end]) {
                    self.dropped("conda.yaml", &format!("conda's package '{name}'"));
                }
            }
            let pip = dependency.get("pip").and_then(Value::as_sequence);
            for line in pip.into_iter().flatten().filter_map(Value::as_str).filter_map(file::line) {
                self.line("conda.yaml", line)?;
            }
        }
        Ok(())
    }

    fn dropped(&mut self, origin: &str, what: &str) {
        self.warnings.push(format!("{origin}: {what} is left out of the package's requirements"));
    }

    /// Replaces what is there of the same package, or adds.
    pub(crate) fn set(&mut self, requirement: Requirement) {
        let key = requirement.key();
        let place = self.list.iter().position(|other| other.key() == key);
        self.list.retain(|other| other.key() != key);
        self.list.insert(place.unwrap_or(self.list.len()), requirement);
    }

    /// The last word on them, when nothing is replaced any more.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        if let Some(bad) = self.list.iter().find(|r| r.url().is_some_and(has_credential)) {
            return Err(Error::Credential(bad.name.clone()));
        }
        let mut seen = HashSet::new();
        self.list.retain(|requirement| seen.insert(requirement.to_string()));
        let loose = self.list.iter().filter(|requirement| !requirement.is_pinned());
        let loose: Vec<_> = loose.map(|requirement| requirement.name.as_str()).collect();
        if !loose.is_empty() {
            self.warnings.push(format!(
                "no version is pinned for {}: another day may install another one",
                loose.join(", ")
            ));
        }
        Ok(())
    }

    /// Names that a setup.py does not mention: what it would not install.
    pub(crate) fn missing_in(&self, setup: &str) -> Vec<&str> {
        let setup = setup.to_ascii_lowercase().replace(['_', '.'], "-");
        let words: HashSet<_> =
            setup.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        let missing = self.list.iter().filter(|one| !words.contains(one.key().as_str()));
        missing.map(|requirement| requirement.name.as_str()).collect()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.list.iter().map(ToString::to_string).collect()
    }
}

/// A path relative to the directory of another; nothing where it leaves the model.
fn beside(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<_> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" if path.starts_with('/') => return None,
            "" | "." => {}
            ".." => _ = parts.pop()?,
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// `git@` of ssh is a name; a password, or anything before an http host, is not.
fn has_credential(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.contains(':') || scheme.ends_with("http") || scheme.ends_with("https")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Requirements {
        let directory = tempfile::tempdir().unwrap();
        let model = Model::for_test(directory.path(), files);
        Requirements::of(&model).unwrap()
    }

    #[test]
    fn includes_stay_within_the_model_and_end() {
        let found = read(&[
            ("requirements.txt", "a==1\n-r sub/more.txt\n-r ../out.txt\n-r /etc/passwd\nz"),
            ("sub/more.txt", "b==2\n-r ../requirements.txt\n-r ./last.txt\n-c c.txt"),
            ("sub/last.txt", "c==3"),
        ]);
        assert_eq!(found.texts(), ["a==1", "b==2", "c==3", "z"]);
        assert_eq!(found.warnings.len(), 3, "{:?}", found.warnings);
    }

    #[test]
    fn conda_where_there_is_no_requirements_file() {
        let yaml = "dependencies:\n- python=3.11.7\n- pip<=23\n- libgomp=1\n- pip:\n  - a==1\n  - -e .\nname: x\n";
        let found = read(&[("conda.yaml", yaml)]);
        assert_eq!(found.texts(), ["a==1"]);
        assert_eq!(
            found.warnings,
            [
                "conda.yaml: conda's package 'libgomp=1' is left out of the package's requirements",
                "conda.yaml: pip's option '-e' is left out of the package's requirements",
            ]
        );
        assert_eq!(read(&[("MLmodel", "")]).warnings.len(), 1);
    }

    #[test]
    fn replaced_added_and_checked() {
        let mut found = read(&[("requirements.txt", "Ml_Flow==1\na==1\nml.flow==2\na==1")]);
        for text in ["ml-flow==3", "new"] {
            found.set(Requirement::parse(text).unwrap());
        }
        found.check().unwrap();
        assert_eq!(found.texts(), ["ml-flow==3", "a==1", "new"]);
        assert_eq!(
            found.warnings,
            ["no version is pinned for new: another day may install another one"]
        );
        found.set(Requirement::parse("a @ https://token@h/x").unwrap());
        assert!(matches!(found.check(), Err(Error::Credential(name)) if name == "a"));
    }

    #[test]
    fn a_setup_file_may_leave_some_out() {
        let found = read(&[("requirements.txt", "Scikit_Learn==1\nmlflow==3\nflow==1")]);
        assert!(found.missing_in("['scikit-learn>=1', \"mlflow\", 'FLOW[x]']").is_empty());
        assert_eq!(found.missing_in("mlflow-skinny scikit.learn"), ["mlflow", "flow"]);
    }

    #[test]
    fn credentials_in_urls() {
        for url in ["https://t@h/x", "git+https://u:p@h/x", "git+ssh://u:p@h/x"] {
            assert!(has_credential(url), "{url}");
        }
        for url in ["https://h/x@1", "git+ssh://git@h/x", "git+https://h/r.git@main"] {
            assert!(!has_credential(url), "{url}");
        }
    }
}
