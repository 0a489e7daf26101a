//! Lines of a requirements.txt, as pip reads them.

use super::requirement::Requirement;

/// What one logical line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Requirement(Requirement),
    /// Another file, relative to this one.
    Include(String),
    /// Means something to pip, but nothing to a package: what it is, in words.
    Dropped(String),
    /// Neither.
    Unreadable(String),
}

/// The logical lines of a file.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // pip joins lines before it strips comments.
    let joined = text.replace("\r\n", "\n").replace("\\\n", "");
    joined.lines().filter_map(line).collect()
}

/// Nothing where it is empty or a comment.
pub(crate) fn line(text: &str) -> Option<Line> {
    let text = without_comment(text).trim();
    if text.is_empty() {
        return None;
    }
    if text.starts_with('-') {
        return Some(option(text));
    }
    // Options of one requirement follow it: hashes, build settings.
    let (text, has_options) = match text.find(" --") {
        Some(at) => (text[..at].trim_end(), true),
        None => (text, false),
    };
    if is_path(text) {
        return Some(Line::Dropped("a path on the machine that logged the model".into()));
    }
    let requirement = Requirement::parse(text).or_else(|| from_url(text));
    Some(match requirement {
        // A hash holds for pip's own file only; the requirement stays.
        Some(requirement) if has_options => {
            log::debug!("options of the requirement '{}' are left out", requirement.name);
            Line::Requirement(requirement)
        }
        Some(requirement) => Line::Requirement(requirement),
        None if text.contains("://") => Line::Dropped("a URL that names no package".into()),
        None => Line::Unreadable(text.into()),
    })
}

fn option(text: &str) -> Line {
    let (name, value) = match text.split_once([' ', '=', '\t']) {
        Some((name, value)) => (name, value.trim()),
        None if text.starts_with("--") => (text, ""),
        // -rother.txt
        None => text.split_at(text.char_indices().nth(2).map_or(text.len(), |(at, _)| at)),
    };
    match name {
        "-r" | "--requirement" if !value.is_empty() => Line::Include(value.into()),
        "-c" | "--constraint" => Line::Dropped(format!("the constraints '{value}'")),
        // Its value may hold a credential: it is not repeated.
        _ => Line::Dropped(format!("pip's option '{name}'")),
    }
}

/// A comment begins a line or follows a space, so that URLs keep their fragment.
fn without_comment(text: &str) -> &str {
    let begins = |at: usize| at == 0 || text[..at].ends_with(char::is_whitespace);
    text.match_indices('#').find(|(at, _)| begins(*at)).map_or(text, |(at, _)| &text[..at])
}

/// `git+https://…#egg=name` names its package.
fn from_url(text: &str) -> Option<Requirement> {
    let (_, fragment) = text.split_once("://")?.1.split_once('#')?;
    let name = fragment.split('&').find_map(|pair| pair.strip_prefix("egg="))?;
    Requirement::parse(&format!("{name} @ {text}"))
}

fn is_path(text: &str) -> bool {
    let archive = [".whl", ".zip", ".tar.gz"].iter().any(|suffix| text.ends_with(suffix));
    text.starts_with(['.', '/']) || text.starts_with("file:") || archive && !text.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(text: &str) -> Line {
        Line::Requirement(Requirement::parse(text).unwrap())
    }

    #[test]
    fn as_pip_reads_them() {
        let dropped = |what: &str| Line::Dropped(what.into());
        let path = || dropped("a path on the machine that logged the model");
        let cases = [
            ("mlflow==3.17.2", requirement("mlflow==3.17.2")),
            ("  a==1  # why", requirement("a==1")),
            ("a==1 --hash=sha256:00 --hash=sha256:11", requirement("a==1")),
            ("a @ https://h/x#sha256=0", requirement("a @ https://h/x#sha256=0")),
            ("git+https://h/r@v1#egg=b", requirement("b @ git+https://h/r@v1#egg=b")),
            ("-r other.txt", Line::Include("other.txt".into())),
            ("--requirement=a/b.txt", Line::Include("a/b.txt".into())),
            ("-rc.txt", Line::Include("c.txt".into())),
            ("-c constraints.txt", dropped("the constraints 'constraints.txt'")),
            ("--extra-index-url https://u:secret@h/", dropped("pip's option '--extra-index-url'")),
            ("--find-links=/d", dropped("pip's option '--find-links'")),
            ("-e ./x", dropped("pip's option '-e'")),
            ("-é", dropped("pip's option '-é'")),
            ("-", dropped("pip's option '-'")),
            ("./wheels/a.whl", path()),
            ("a-1-py3-none-any.whl", path()),
            ("file:///d/a.zip", path()),
            ("https://h/a.zip", dropped("a URL that names no package")),
            ("what is this", Line::Unreadable("what is this".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text), Some(expected), "{text}");
        }
        assert_eq!((line("# a"), line("   "), line("")), (None, None, None));
    }

    #[test]
    fn continued_lines_are_one() {
        let found = lines("\u{feff}a==1 \\\r\n  --hash=sha256:0\n\n# x\nb");
        assert_eq!(found, [requirement("a==1"), requirement("b")]);
    }
}
