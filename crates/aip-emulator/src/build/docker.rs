//! The one builder that is there: `docker build` and `docker push`.

use serde_json::Value;

/// The names of Google's image with the Docker command in it.
const BUILDERS: &[&str] = &["gcr.io/cloud-builders/docker", "docker"];

/// What a step may say beside its name and arguments without a difference to
/// what comes of it.
const HARMLESS: &[&str] = &["id", "timeout", "waitFor"];

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Build { tags: Vec<String>, dockerfile: String },
    Push { tag: String },
}

impl Step {
    pub(super) fn read(step: &Value) -> Result<Self, String> {
        let name = step["name"].as_str().unwrap_or_default();
        let image = name.split(['@', ':']).next().unwrap_or_default();
        if !BUILDERS.contains(&image) {
            return Err(format!("there is no builder '{name}'"));
        }
        let fields = step.as_object().into_iter().flatten().map(|(field, _)| field.as_str());
        let mut others = fields.filter(|field| !["name", "args"].contains(field));
        if let Some(other) = others.find(|field| !HARMLESS.contains(field)) {
            return Err(format!("a step's '{other}' is not heeded"));
        }
        let args: Vec<&str> =
            step["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match args.as_slice() {
            ["build", rest @ ..] => build(rest),
            ["push", tag] if !tag.starts_with('-') => Ok(Self::Push { tag: (*tag).to_owned() }),
            _ => Err(format!("'docker {}' is not carried out", args.join(" "))),
        }
    }
}

fn build(args: &[&str]) -> Result<Step, String> {
    let (mut tags, mut dockerfile, mut contexts) = (Vec::new(), "Dockerfile", Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (option, inline) = match arg.split_once('=') {
            Some((option, value)) if option.starts_with('-') => (option, Some(value)),
            _ => (*arg, None),
        };
        let mut value = || inline.or_else(|| args.next().copied()).unwrap_or_default();
        match option {
            "-t" | "--tag" => tags.push(value().to_owned()),
            "-f" | "--file" => dockerfile = value(),
            "--platform" => {
                let platform = value();
                if platform != "linux/amd64" {
                    return Err(format!("nothing is built for '{platform}'"));
                }
            }
            "--no-cache" | "--pull" | "--quiet" | "-q" => {}
            option if option.starts_with('-') => {
                return Err(format!("docker's '{option}' is not carried out"));
            }
            context => contexts.push(context),
        }
    }
    match contexts.as_slice() {
        ["."] => Ok(Step::Build { tags, dockerfile: dockerfile.to_owned() }),
        _ => Err("docker builds '.' only".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(args: &[&str]) -> Result<Step, String> {
        Step::read(&json!({ "name": "gcr.io/cloud-builders/docker", "args": args, "id": "x" }))
    }

    #[test]
    fn builds_and_pushes() {
        let build =
            Step::Build { tags: vec!["h/i:v1".to_owned()], dockerfile: "Dockerfile".into() };
        for args in [
            &["build", "--platform=linux/amd64", "--tag", "h/i:v1", "."][..],
            &["build", "-t", "h/i:v1", "--no-cache", "."],
            &["build", "--tag=h/i:v1", "--file=Dockerfile", "."],
        ] {
            assert_eq!(read(args).unwrap(), build, "{args:?}");
        }
        assert_eq!(read(&["push", "h/i"]).unwrap(), Step::Push { tag: "h/i".to_owned() });
    }

    #[test]
    fn what_is_refused() {
        for args in [
            &[][..],
            &["run", "x"],
            &["build", "--platform", "linux/arm64", "."],
            &["build", "--build-arg=A=b", "."],
            &["build", "/etc"],
            &["build", "--tag=x"],
        ] {
            assert!(read(args).is_err(), "{args:?}");
        }
        let kaniko = Step::read(&json!({ "name": "gcr.io/kaniko-project/executor:latest" }));
        assert!(kaniko.unwrap_err().contains("no builder"));
        let script = json!({ "name": "gcr.io/cloud-builders/docker", "script": "docker build ." });
        assert!(Step::read(&script).unwrap_err().contains("'script'"));
    }
}
