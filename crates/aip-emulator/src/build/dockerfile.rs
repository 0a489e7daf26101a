//! The few instructions of Dockerfiles that are carried out here, read
//! strictly: what is not understood is refused with its line.

use super::shell::{self, Command};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    From(String),
    Copy { sources: Vec<String>, into: String },
    Run(Vec<Command>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    User(String),
    Expose(Vec<String>),
    Entrypoint(Vec<String>),
}

/// An instruction, and the text that it is for the image's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) instruction: Instruction,
}

pub(super) fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    let mut numbered = text.lines().enumerate();
    while let Some((index, first)) = numbered.next() {
        let mut whole = first.trim().to_owned();
        if whole.is_empty() || whole.starts_with('#') {
            continue;
        }
        while let Some(begun) = whole.strip_suffix('\\') {
            let Some((_, next)) = numbered.next() else { break };
            whole = format!("{} {}", begun.trim_end(), next.trim());
        }
        let number = index + 1;
        let instruction = instruction(&whole).map_err(|why| format!("line {number}: {why}"))?;
        lines.push(Line { number, text: whole, instruction });
    }
    match lines.first() {
        Some(Line { instruction: Instruction::From(_), .. }) => {}
        Some(Line { number, .. }) => return Err(format!("line {number}: there is no FROM before")),
        None => return Err("it is empty".to_owned()),
    }
    match lines[1..].iter().find(|line| matches!(line.instruction, Instruction::From(_))) {
        Some(line) => Err(format!("line {}: there is one stage only", line.number)),
        None => Ok(lines),
    }
}

fn instruction(line: &str) -> Result<Instruction, String> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match name.to_ascii_uppercase().as_str() {
        "FROM" => Ok(Instruction::From(one(name, rest)?)),
        "COPY" => {
            let mut words = plain(name, rest)?;
            let into = words.pop().filter(|_| !words.is_empty());
            let into = into.ok_or("COPY needs sources and a destination")?;
            Ok(Instruction::Copy { sources: words, into })
        }
        "RUN" => Ok(Instruction::Run(shell::parse(rest)?)),
        "ENV" => Ok(Instruction::Env(pairs(name, rest)?)),
        "LABEL" => Ok(Instruction::Label(pairs(name, rest)?)),
        "USER" => Ok(Instruction::User(one(name, rest)?)),
        "EXPOSE" => Ok(Instruction::Expose(plain(name, rest)?)),
        "ENTRYPOINT" => serde_json::from_str(rest)
            .map(Instruction::Entrypoint)
            .map_err(|_| "ENTRYPOINT is read as a JSON list of strings only".to_owned()),
        other => Err(format!("'{other}' is none of the instructions that are carried out")),
    }
}

/// Words without options, variables or quotes.
fn plain(name: &str, text: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let is_odd = |word: &&String| word.starts_with("--") || word.contains(['$', '"', '\'', '[']);
    match words.iter().find(is_odd) {
        Some(word) => Err(format!("{name} with '{word}' is not carried out")),
        None if words.is_empty() => Err(format!("{name} of nothing")),
        None => Ok(words),
    }
}

fn one(name: &str, text: &str) -> Result<String, String> {
    match plain(name, text)?.as_slice() {
        [word] => Ok(word.clone()),
        _ => Err(format!("{name} takes one word here")),
    }
}

/// `NAME=VALUE NAME="VALUE WITH SPACES"`
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let expected = || format!("{name} takes NAME=VALUE here, not '{rest}'");
        let (key, value) = rest.split_once('=').ok_or_else(expected)?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(expected)?,
            None => value.split_once(char::is_whitespace).unwrap_or((value, "")),
        };
        let is_plain = !key.is_empty() && !key.contains(char::is_whitespace);
        if !is_plain || value.contains(['$', '\\', '\'', '"']) {
            return Err(expected());
        }
        all.push((key.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    if all.is_empty() { Err(format!("{name} of nothing")) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_line(line: &str) -> Result<Instruction, String> {
        parse(&format!("# comment\nFROM base\n\n{line}\n"))
            .map(|lines| lines[1].instruction.clone())
    }

    #[test]
    fn what_is_understood() {
        let text = |word: &str| word.to_owned();
        let cases = [
            (
                "COPY a/b c /opt/",
                Instruction::Copy { sources: vec![text("a/b"), text("c")], into: text("/opt/") },
            ),
            (
                "ENV A=b C=\"d e\" \\\n  F=",
                Instruction::Env(vec![
                    (text("A"), text("b")),
                    (text("C"), text("d e")),
                    (text("F"), text("")),
                ]),
            ),
            ("label a.b=c", Instruction::Label(vec![(text("a.b"), text("c"))])),
            ("USER 65534:65534", Instruction::User(text("65534:65534"))),
            ("EXPOSE 8080", Instruction::Expose(vec![text("8080")])),
            (
                "ENTRYPOINT [\"python3\", \"/a b\"]",
                Instruction::Entrypoint(vec![text("python3"), text("/a b")]),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(one_line(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_refused_is_named_with_its_line() {
        for (line, said) in [
            ("ADD a /b", "line 4: 'ADD' is none"),
            ("COPY --chown=1 a /b", "'--chown=1'"),
            ("COPY a", "sources and a destination"),
            ("ENTRYPOINT python3 app", "a JSON list"),
            ("ENV A b", "NAME=VALUE"),
            ("ENV A=$B", "NAME=VALUE"),
            ("FROM other", "one stage only"),
            ("RUN apt-get update", "line 4: "),
        ] {
            let refused = one_line(line).unwrap_err();
            assert!(refused.contains(said), "{line}: {refused}");
        }
        assert!(parse("").is_err() && parse("USER 1").unwrap_err().contains("no FROM"));
    }
}
