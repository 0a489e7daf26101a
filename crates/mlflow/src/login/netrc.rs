//! `~/.netrc`, where curl, git and Python's requests find logins by host.

use super::Credentials;

/// The login for a host: its own, else the default one.
pub(super) fn login(text: &str, host: &str) -> Option<Credentials> {
    let mut words = words(text).into_iter();
    let mut entries = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" => entries.push(Entry { host: words.next(), ..Entry::default() }),
            "default" => entries.push(Entry::default()),
            key @ ("login" | "user" | "password" | "account") => {
                let value = words.next();
                match (entries.last_mut(), key) {
                    (Some(entry), "login" | "user") => entry.login = value,
                    (Some(entry), "password") => entry.password = value,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    let is_it = |entry: &&Entry| entry.host.as_deref() == Some(host);
    let entry = entries.iter().find(is_it);
    let entry = entry.or_else(|| entries.iter().find(|entry| entry.host.is_none()))?;
    Some(Credentials::basic(entry.login.as_deref().unwrap_or_default(), entry.password.as_deref()?))
}

#[derive(Default)]
struct Entry {
    /// None in the entry for all others.
    host: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

/// Words, quoted where they hold spaces; without comments and macros, which go
/// on to the next empty line.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut chars = line.chars().peekable();
        while let Some(&first) = chars.peek() {
            if first.is_whitespace() {
                chars.next();
                continue;
            }
            // A password may begin with it.
            let is_value = matches!(
                words.last().map(String::as_str),
                Some("machine" | "login" | "user" | "password" | "account")
            );
            if first == '#' && !is_value {
                break;
            }
            let quoted = first == '"';
            if quoted {
                chars.next();
            }
            let mut word = String::new();
            while let Some(char) = chars.next() {
                match char {
                    '\\' => word.extend(chars.next()),
                    '"' if quoted => break,
                    char if char.is_whitespace() && !quoted => break,
                    char => word.push(char),
                }
            }
            if word == "macdef" {
                in_macro = true;
                break;
            }
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        # a comment
        machine a.example login ana password #s3c\"ret
        machine b.example
            login "bob b"
            account x
            password pass # not part of it
        macdef init
            machine c.example login x password y

        machine d.example login only
        default login anybody password any
    "#;

    fn header(host: &str) -> Option<String> {
        login(TEXT, host).map(|found| found.header().to_owned())
    }

    #[test]
    fn logins_are_found_by_host() {
        let basic = |user, password| Some(Credentials::basic(user, password).header().to_owned());
        assert_eq!(header("a.example"), basic("ana", "#s3c\"ret"));
        assert_eq!(header("b.example"), basic("bob b", "pass"));
        assert_eq!(header("c.example"), basic("anybody", "any"), "macros are not entries");
        assert_eq!(header("d.example"), None, "half a login is none");
        assert_eq!(login("machine x login y", "z"), None);
        assert_eq!(login("machine", "z"), None);
    }
}
