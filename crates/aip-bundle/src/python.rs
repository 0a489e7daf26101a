//! Whether a user's own file is Python, asked of a Python that is here.

use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use crate::error::Error;

/// Parses without running. Says nothing where this Python is older than the one
/// the file is for: what is new since would look wrong to it. Then, if a class is
/// named, whether the file has it in the service's form.
const SCRIPT: &str = r"
import ast, sys
wanted, name = tuple(map(int, sys.argv[1].split('.'))), sys.argv[2]
if sys.version_info[:2] < wanted:
    sys.exit(0)
try:
    tree = ast.parse(sys.stdin.buffer.read(), feature_version=wanted)
except (SyntaxError, ValueError) as error:
    print('%s (line %s)' % (getattr(error, 'msg', error), getattr(error, 'lineno', '?')))
    sys.exit(65)
if not name:
    sys.exit(0)
found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
if not found:
    print('no class %s is defined in it' % name)
for node in found:
    methods = {m.name: m.args for m in node.body if isinstance(m, ast.FunctionDef)}
    bases = [base for base in node.bases if getattr(base, 'id', '') != 'object']
    for method in ('from_path', 'predict'):
        if method not in methods and not bases:
            print('class %s has no method %s' % (name, method))
    if 'predict' in methods:
        args = methods['predict']
        names = [arg.arg for arg in args.args + args.kwonlyargs]
        if names != ['self', 'instances']:
            print('predict must have the parameters (self, instances, **kwargs), not (%s)'
                  % ', '.join(names))
";

/// The script's exit status for it; Python's own for a failure is 1.
const NOT_PYTHON: i32 = 65;

/// Remarks on a predictor; `class` is empty for a file without one.
pub(crate) fn check(
    path: &str,
    source: &str,
    python_version: &str,
    class: &str,
) -> Result<Vec<String>, Error> {
    let child = Command::new("python3")
        .args(["-I", "-c", SCRIPT, python_version, class])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            log::debug!("'{path}' is not checked: python3: {error}");
            return Ok(Vec::new());
        }
    };
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(source.as_bytes()) {
            // It may be done before it has read.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(Error::Read { path: "python3".into(), source: error });
            }
            _ => {}
        }
    }
    let output = child
        .wait_with_output()
        .map_err(|source| Error::Read { path: "python3".into(), source })?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(said.lines().map(|remark| format!("'{path}': {remark}")).collect()),
        Some(NOT_PYTHON) => {
            Err(Error::NotPython { path: path.into(), message: said.trim_end().to_owned() })
        }
        // What is called python3 may be a wrapper that has none to start.
        _ => {
            log::debug!("'{path}' is not checked: python3: {}", output.status);
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    fn has_python() -> bool {
        Command::new("python3").arg("--version").output().is_ok()
    }

    #[test]
    fn what_is_wrong_with_a_predictor() {
        if !has_python() {
            return;
        }
        let remarks = |source: &str| check("p.py", source, "3.7", "Predictor").unwrap();
        let good = "class Predictor(object):\n def predict(self, instances, **kwargs): pass\n \
                    @classmethod\n def from_path(cls, model_dir): pass\n";
        assert!(remarks(good).is_empty());
        assert!(remarks("from x import B\nclass Predictor(B): pass").is_empty());
        assert_eq!(remarks("x = 1"), ["'p.py': no class Predictor is defined in it"]);
        assert_eq!(
            remarks(&good.replace("instances", "instances, probabilities=False")),
            ["'p.py': predict must have the parameters (self, instances, **kwargs), not (self, \
              instances, probabilities)"]
        );
        assert_eq!(remarks("class Predictor: pass").len(), 2);
        let error = check("p.py", "x = 1\ny = (", "3.7", "").unwrap_err().to_string();
        assert!(error.starts_with("'p.py' renders to no Python: "), "{error}");
        assert!(error.ends_with("(line 2)"), "{error}");
    }

    #[test]
    fn the_built_in_predictor_is_one() {
        if !has_python() {
            return;
        }
        let values = crate::template::Values {
            package_name: "p".into(),
            model_version: "1".into(),
            model_artifact_uri: None,
            model_name: "m".into(),
            version_name: "v".into(),
            requirements: Vec::new(),
            python_version: "3.7".into(),
        };
        let source = Template::predictor().render(&values).unwrap();
        assert!(check("p.py", &source, "3.7", "Predictor").unwrap().is_empty());
        let source = Template::setup().render(&values).unwrap();
        assert!(check("s.py", &source, "3.7", "").unwrap().is_empty());
    }
}
