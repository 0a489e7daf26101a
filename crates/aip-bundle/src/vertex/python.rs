//! A Python on this machine.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use super::uv::Uv;

const SAY: &str =
    "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.executable)";

/// CPython of this minor version, where there is one.
pub(super) fn find(minor: &str) -> Option<OsString> {
    let names = [format!("python{minor}"), "python3".into(), "python".into()];
    let found = names.iter().find_map(|name| is(name, minor));
    found.or_else(|| {
        let uv = Uv::find().ok()?;
        let args = ["python", "find", "--system", "--no-python-downloads", minor];
        let said = uv.run(Path::new("/"), args).ok()?;
        is(said.trim(), minor)
    })
}

/// What is called so may be a wrapper that has none to start.
fn is(program: &str, minor: &str) -> Option<OsString> {
    let output =
        Command::new(program).args(["-I", "-S", "-c", SAY]).stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let mut words = said.trim().splitn(3, ' ');
    let fits = words.next() == Some("cpython") && words.next() == Some(minor);
    words.next().filter(|_| fits && output.status.success()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_says_so() {
        assert_eq!(find("2.3"), None);
        if let Some(program) = find("3.11") {
            assert!(Path::new(&program).is_absolute(), "{program:?}");
        }
    }
}
