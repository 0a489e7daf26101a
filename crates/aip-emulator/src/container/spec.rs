//! What a container runs: its image's config and what is said of it alone.

use super::{Launch, StartError};
use crate::registry::{Config, Image};

#[derive(Debug)]
pub(super) struct Spec {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) env: Env,
    /// Empty: the root
    pub(super) working_dir: String,
    /// Empty: root
    pub(super) user: String,
}

impl Spec {
    /// A command takes the entrypoint's place, and the image's arguments were
    /// for that; arguments alone take those arguments' place.
    pub(super) fn of(image: &Image, launch: &Launch) -> Result<Self, StartError> {
        let Config { env, entrypoint, cmd, working_dir, user, .. } = image.config.clone();
        let (entrypoint, cmd) = (entrypoint.unwrap_or_default(), cmd.unwrap_or_default());
        let (command, args) = match (launch.command.is_empty(), launch.args.is_empty()) {
            (true, true) => (&entrypoint, &cmd),
            (true, false) => (&entrypoint, &launch.args),
            (false, _) => (&launch.command, &launch.args),
        };
        let mut words = command.iter().chain(args).cloned();
        let program = words.next().ok_or_else(|| StartError::NoCommand(image.uri.clone()))?;
        let args = words.collect();
        let mut all = Env::default();
        for variable in env.iter().flatten() {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            all.set(name, value);
        }
        for (name, value) in &launch.env {
            all.set(name, value.clone());
        }
        Ok(Self { program, args, env: all, working_dir, user })
    }
}

/// Variables in the order in which they were first set.
#[derive(Debug, Default, Clone)]
pub(super) struct Env(Vec<(String, String)>);

impl Env {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(super) fn set_default(&mut self, name: &str, value: impl Into<String>) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names without `=` or NUL, which no system takes.
    pub(super) fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|(name, value)| {
            let is_sound = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
            is_sound && wanted(name)
        });
    }

    pub(super) fn change(&mut self, change: impl Fn(&str, &str) -> String) {
        for (name, value) in &mut self.0 {
            *value = change(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn spec(command: &str, args: &str) -> Result<String, StartError> {
        let config = Config {
            entrypoint: Some(words("python3 app")),
            cmd: Some(words("--image")),
            env: Some(words("A=image B=x=y C")),
            ..Config::default()
        };
        let image = Image { uri: "h/i".into(), digest: String::new(), config, layers: Vec::new() };
        let launch = Launch {
            command: words(command),
            args: words(args),
            env: vec![("A".to_owned(), "launch".to_owned())],
            ..Launch::default()
        };
        let spec = Spec::of(&image, &launch)?;
        assert_eq!(spec.env.iter().collect::<Vec<_>>(), [("A", "launch"), ("B", "x=y"), ("C", "")]);
        Ok(std::iter::once(spec.program).chain(spec.args).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn commands_and_arguments_replace_the_images() {
        assert_eq!(spec("", "").unwrap(), "python3 app --image");
        assert_eq!(spec("", "--mine").unwrap(), "python3 app --mine");
        assert_eq!(spec("sh -c", "exit").unwrap(), "sh -c exit");
        assert_eq!(spec("sh", "").unwrap(), "sh");
    }

    #[test]
    fn an_image_that_runs_nothing() {
        let image = Image {
            uri: "h/i".into(),
            digest: String::new(),
            config: Config::default(),
            layers: Vec::new(),
        };
        let refused = Spec::of(&image, &Launch::default()).unwrap_err();
        assert!(matches!(refused, StartError::NoCommand(uri) if uri == "h/i"));
    }
}
