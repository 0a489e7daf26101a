//! Whom a container runs as (`USER` of its image).

use std::path::Path;

use super::scoped::resolve;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl User {
    /// `UID[:GID]`, or names that the image knows; none if it does not.
    pub(super) fn find(root: &Path, user: &str) -> Option<Self> {
        if user.is_empty() {
            return Some(Self { uid: 0, gid: 0 });
        }
        let (user, group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (user, None),
        };
        let read = |file: &str| {
            let path = resolve(root, Path::new(file)).ok();
            path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
        };
        let users = read("etc/passwd");
        let known = users
            .lines()
            .filter_map(fields)
            .find(|(name, id, _)| *name == user || user.parse() == Ok(*id));
        let uid = known.map(|(_, uid, _)| uid).or_else(|| user.parse().ok())?;
        let gid = match group {
            Some(group) => group.parse().ok().or_else(|| {
                let groups = read("etc/group");
                let mut known = groups.lines().filter_map(fields);
                known.find(|(name, ..)| *name == group).map(|(_, gid, _)| gid)
            })?,
            None => {
                known.and_then(|(_, _, rest)| rest.split(':').next()?.parse().ok()).unwrap_or(0)
            }
        };
        Some(Self { uid, gid })
    }
}

/// `NAME:PASSWORD:ID:REST`
fn fields(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.splitn(4, ':');
    let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
    Some((name, id.parse().ok()?, fields.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n";
        std::fs::write(dir.path().join("etc/passwd"), passwd).unwrap();
        std::fs::write(dir.path().join("etc/group"), "root:x:0:\nstaff:x:50:app\n").unwrap();
        let cases = [
            ("", Some((0, 0))),
            ("65534:65534", Some((65534, 65534))),
            ("65534", Some((65534, 0))),
            ("app", Some((1000, 1001))),
            ("1000", Some((1000, 1001))),
            ("app:staff", Some((1000, 50))),
            ("nobody", None),
            ("app:nobody", None),
        ];
        for (user, expected) in cases {
            let found = User::find(dir.path(), user).map(|user| (user.uid, user.gid));
            assert_eq!(found, expected, "{user}");
        }
    }
}
