//! Values as Python source.
//!
//! Whatever a value holds, a literal of it stays one token: no quote, newline or
//! brace in a name or a URI can become code.

use std::fmt::Write as _;

use tera::Value;

/// A Python literal of any value of a template; nothing where it has none.
pub(crate) fn literal(value: &Value) -> Option<String> {
    if value.is_none() {
        return Some("None".into());
    }
    if let Some(value) = value.as_bool() {
        return Some(if value { "True" } else { "False" }.into());
    }
    if let Some(text) = value.as_str() {
        return Some(string(text));
    }
    if let Some(items) = value.as_array() {
        let items: Option<Vec<_>> = items.iter().map(literal).collect();
        return Some(format!("[{}]", items?.join(", ")));
    }
    if let Some(map) = value.as_map() {
        let items = map
            .iter()
            .map(|(key, v)| Some(format!("{}: {}", string(&key.to_string()), literal(v)?)));
        let mut items = items.collect::<Option<Vec<_>>>()?;
        // A map has no order of its own, and the same input must give the same text.
        items.sort();
        return Some(format!("{{{}}}", items.join(", ")));
    }
    number(value)
}

fn number(value: &Value) -> Option<String> {
    let whole = value.as_i128().map(|number| number.to_string());
    whole.or_else(|| value.as_f64().filter(|number| number.is_finite()).map(|n| format!("{n:?}")))
}

/// Plain ASCII, so that no source encoding matters, back to Python 2.
pub(crate) fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        // Writing to a String cannot fail.
        let _ = match character {
            '"' | '\\' => write!(literal, "\\{character}"),
            '\n' => write!(literal, "\\n"),
            ' '..='~' => write!(literal, "{character}"),
            _ => match u32::from(character) {
                code @ ..=0xff => write!(literal, "\\x{code:02x}"),
                code @ ..=0xffff => write!(literal, "\\u{code:04x}"),
                code => write!(literal, "\\U{code:08x}"),
            },
        };
    }
    literal.push('"');
    literal
}

/// Whether text may stand as it is inside any Python string, an f-string too.
pub(crate) fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || " -_.~/:+!@=,".contains(c))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use super::*;

    const HOSTILE: &[&str] = &[
        "",
        "plain",
        "\"; import os; os.system('x') #",
        "'''\"\"\"\\",
        "a\nb\r\n\t\0\u{7f}\u{85}\u{2028}\u{feff}",
        "{{ x }} {% y %} %s {0} ${HOME}",
        "é日本🦀\u{10ffff}",
        "\\N{BULLET} \\x41 \\",
    ];

    /// What Python reads, for the escapes that are written.
    fn read(literal: &str) -> String {
        let inner = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        let mut characters = inner.chars();
        let mut text = String::new();
        while let Some(character) = characters.next() {
            assert!((' '..='~').contains(&character) && character != '"', "{literal}");
            let digits = match character {
                '\\' => match characters.next().unwrap() {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    escaped => {
                        text.push(if escaped == 'n' { '\n' } else { escaped });
                        continue;
                    }
                },
                plain => {
                    text.push(plain);
                    continue;
                }
            };
            let code: String = characters.by_ref().take(digits).collect();
            text.push(char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap());
        }
        text
    }

    /// Hostile ones and a thousand of no design.
    fn samples() -> Vec<String> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut samples: Vec<String> = HOSTILE.iter().map(ToString::to_string).collect();
        for _ in 0..1000 {
            let length = next() % 24;
            let mut character = || {
                let limit =
                    [0x80, 0x100, 0x1_0000, 0x11_0000][usize::try_from(next() % 4).unwrap()];
                char::from_u32(u32::try_from(next() % limit).unwrap())
            };
            samples.push((0..length).filter_map(|_| character()).collect());
        }
        samples
    }

    #[test]
    fn any_text_comes_back() {
        for sample in samples() {
            assert_eq!(read(&string(&sample)), sample);
        }
    }

    #[test]
    fn python_reads_the_same() {
        let samples = samples();
        let literals: Vec<_> = samples.iter().map(|sample| string(sample)).collect();
        let script = format!(
            "import ast, json, sys\nfor s in {}: print(json.dumps(ast.literal_eval(s)))",
            literal(&Value::from_serializable(&literals)).unwrap()
        );
        let Ok(output) = Command::new("python3").args(["-c", &script]).output() else {
            return; // no Python here
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let read: Vec<String> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, samples);
    }

    #[test]
    fn every_kind_of_value() {
        let map = BTreeMap::from([("q\"", "x"), ("a", "y")]);
        let value = Value::from_serializable(&(map, 1, -2.5, true, None::<u8>));
        assert_eq!(literal(&value).unwrap(), r#"[{"a": "y", "q\"": "x"}, 1, -2.5, True, None]"#);
        assert_eq!(literal(&Value::from(f64::NAN)), None);
        assert_eq!(literal(&Value::undefined()), None);
    }

    #[test]
    fn plain_text_ends_no_string_and_opens_no_brace() {
        assert!(is_plain("gs://bucket/a b/ü/1.0+x/model/"));
        for bad in ["'", "\"", "\\", "{", "}", "\n", "#", "(", "%", "\u{2028}"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
