//! Environment markers: `python_version < "3.8" and os_name == "nt"`.

/// A marker as packaging writes it: double quotes, one space between words.
/// Nothing where it cannot be one.
pub(super) fn normalise(text: &str) -> Option<String> {
    let mut written = String::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, after) = token(rest)?;
        let is_open = written.is_empty() || written.ends_with('(');
        if !is_open && token != ")" {
            written.push(' ');
        }
        written += &token;
        rest = after.trim_start();
    }
    (!written.is_empty()).then_some(written)
}

fn token(text: &str) -> Option<(String, &str)> {
    if let Some(quote) = text.chars().next().filter(|c| "'\"".contains(*c)) {
        let (inner, rest) = text[1..].split_once(quote)?;
        // Inside, the other quote would end what is written.
        return (!inner.contains('"')).then(|| (format!("\"{inner}\""), rest));
    }
    if text.starts_with(['(', ')']) {
        return Some((text[..1].to_owned(), &text[1..]));
    }
    let is_operator = |c: char| "<>=!~".contains(c);
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
    let same: &dyn Fn(char) -> bool =
        if text.starts_with(is_operator) { &is_operator } else { &is_word };
    let end = text.find(|c| !same(c)).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_packaging_writes_them() {
        let cases = [
            ("python_version<'3.8'", r#"python_version < "3.8""#),
            (r#"  "nt"==os_name  "#, r#""nt" == os_name"#),
            (
                "( a=='x'  and b != 'y z' )or'c' not  in d",
                r#"(a == "x" and b != "y z") or "c" not in d"#,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(normalise(text).as_deref(), Some(expected));
            assert_eq!(normalise(expected).as_deref(), Some(expected));
        }
        for text in ["", " ", "a == 'x", "a == '\"'", "a; b", "a == [x]", "é"] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }
}
