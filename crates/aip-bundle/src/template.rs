//! The predictor and its setup.py, from templates.
//!
//! A file whose name ends in `.tera` is a tera template: every value goes in as
//! a Python literal, `{{ model_version | py }}`. Any other file is Python as it
//! is, with whatever braces its f-strings have. In both, the words
//! MODEL_ARTIFACT_URI and MODEL_VERSION are replaced by their values as plain
//! text, as in `"MODEL_ARTIFACT_URI"`; a value that could end such a string is
//! refused.

use std::io;
use std::path::Path;

use tera::{Context, ErrorKind, Kwargs, State, Tera, TeraResult, Value};

use crate::error::Error;
use crate::literal::{is_plain, literal};
use crate::model::read_text;

/// The article's words, with the variable that each stands for.
const KEYWORDS: [(&str, &str); 2] =
    [("MODEL_ARTIFACT_URI", "model_artifact_uri"), ("MODEL_VERSION", "model_version")];

#[derive(Debug)]
pub(crate) struct Template {
    /// As messages call it.
    name: String,
    text: String,
    is_tera: bool,
}

/// What templates may use.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) package_name: String,
    /// The package's version.
    pub(crate) model_version: String,
    /// Where the model's files will lie in the bucket, if that is known.
    pub(crate) model_artifact_uri: Option<String>,
    /// As the service calls them.
    pub(crate) model_name: String,
    pub(crate) version_name: String,
    pub(crate) requirements: Vec<String>,
    pub(crate) python_version: String,
}

impl Template {
    pub(crate) fn predictor() -> Self {
        Self::built_in("predictor.py.tera", include_str!("../../../templates/predictor.py.tera"))
    }

    pub(crate) fn setup() -> Self {
        Self::built_in("setup.py.tera", include_str!("../../../templates/setup.py.tera"))
    }

    fn built_in(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into(), is_tera: true }
    }

    /// One of the user's own.
    pub(crate) fn read(path: &str) -> Result<Self, Error> {
        let text = read_text(Path::new(path))?;
        Ok(Self { name: path.into(), text, is_tera: is_tera(path) })
    }

    pub(crate) fn render(&self, values: &Values) -> Result<String, Error> {
        let rendered = if self.is_tera { self.render_tera(values)? } else { self.text.clone() };
        self.replace_keywords(&rendered, values)
    }

    fn render_tera(&self, values: &Values) -> Result<String, Error> {
        let mut tera = Tera::default();
        // A value without the filter is let through only where it is harmless.
        tera.autoescape_on(vec![""]);
        tera.set_escape_fn(|text, output| {
            if is_plain(text) {
                return output.write_all(text.as_bytes());
            }
            Err(io::Error::other(format!("{text:?} needs the filter py: {{{{ … | py }}}}")))
        });
        tera.register_filter("py", py);
        tera.add_raw_template(&self.name, &self.text).map_err(|error| self.failed(&error))?;
        let used = tera.get_template_variables(&self.name).map_err(|error| self.failed(&error))?;
        let wants_uri = KEYWORDS[0];
        if values.model_artifact_uri.is_none()
            && (used.contains(wants_uri.0) || used.contains(wants_uri.1))
        {
            return Err(Error::NeedsBucket { path: self.name.clone() });
        }
        tera.render(&self.name, &values.context()).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &tera::Error) -> Error {
        let (place, message) = match error.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                let span = report.span();
                (Some((span.start_line, span.start_col + 1)), report.message().to_owned())
            }
            _ => in_words(std::error::Error::source(error).unwrap_or(error)),
        };
        let place = place.map(|(line, column)| format!(" at line {line}, column {column}"));
        Error::Template {
            path: self.name.clone(),
            place: place.unwrap_or_default(),
            message: message.trim_end().trim_end_matches('.').to_owned(),
        }
    }

    fn replace_keywords(&self, text: &str, values: &Values) -> Result<String, Error> {
        let mut text = text.to_owned();
        for (keyword, variable) in KEYWORDS {
            let places = whole_words(&text, keyword);
            if places.is_empty() {
                continue;
            }
            let value = match variable {
                "model_version" => Some(values.model_version.as_str()),
                _ => values.model_artifact_uri.as_deref(),
            };
            let value = value.ok_or_else(|| Error::NeedsBucket { path: self.name.clone() })?;
            if !is_plain(value) {
                return Err(Error::NotPlain {
                    path: self.name.clone(),
                    keyword: keyword.into(),
                    value: value.into(),
                });
            }
            for at in places.into_iter().rev() {
                text.replace_range(at..at + keyword.len(), value);
            }
        }
        Ok(text)
    }
}

impl Values {
    fn context(&self) -> Context {
        let mut context = Context::new();
        context.insert("package_name", &self.package_name);
        context.insert("model_name", &self.model_name);
        context.insert("version_name", &self.version_name);
        context.insert("requirements", &self.requirements);
        context.insert("python_version", &self.python_version);
        for (keyword, variable) in KEYWORDS {
            let value = match variable {
                "model_version" => Some(&self.model_version),
                _ => self.model_artifact_uri.as_ref(),
            };
            if let Some(value) = value {
                context.insert(keyword, value);
                context.insert(variable, value);
            }
        }
        context
    }
}

fn is_tera(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "tera")
}

/// Some of tera's errors have their place in their text alone:
/// `error: what`, then `--> file:line:column`, then the source.
fn in_words(error: &dyn std::error::Error) -> (Option<(usize, usize)>, String) {
    let text = error.to_string();
    let mut lines = text.lines();
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let place = lines.next().and_then(|line| {
        let mut numbers = line.trim().strip_prefix("--> ")?.rsplit(':').map(str::parse);
        let (column, line) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some((line, column))
    });
    (place, message)
}

/// The filter. tera hands an undefined value to filters without a word.
fn py(value: &Value, _: Kwargs, _: &State) -> TeraResult<Value> {
    if value.is_undefined() {
        return Err(tera::Error::message("the value of the filter py is not defined"));
    }
    match literal(value) {
        Some(text) => Ok(Value::safe_string(&text)),
        None => Err(tera::Error::message(format!("{} has no Python literal", value.name()))),
    }
}

/// Where `word` stands with nothing of a name beside it.
fn whole_words(text: &str, word: &str) -> Vec<usize> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let stands_alone = |at: &usize| {
        !text[..*at].ends_with(is_name) && !text[at + word.len()..].starts_with(is_name)
    };
    text.match_indices(word).map(|(at, _)| at).filter(stands_alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            package_name: "deploy_from_script".into(),
            model_version: "3".into(),
            model_artifact_uri: Some("gs://b/r/v3/model/".into()),
            model_name: "iris".into(),
            version_name: "v\"\n3".into(),
            requirements: vec!["a==1".into(), "b; os_name == \"nt\"".into()],
            python_version: "3.7".into(),
        }
    }

    fn render(name: &str, text: &str, values: &Values) -> Result<String, Error> {
        Template { name: name.into(), text: text.into(), is_tera: is_tera(name) }.render(values)
    }

    fn refused(name: &str, text: &str, values: &Values) -> String {
        render(name, text, values).unwrap_err().to_string()
    }

    #[test]
    fn keywords_are_whole_words() {
        let text = "u = \"MODEL_ARTIFACT_URI\"  # MODEL_VERSION, MODEL_VERSIONS, A_MODEL_VERSION\n";
        assert_eq!(
            render("p.py", text, &values()).unwrap(),
            "u = \"gs://b/r/v3/model/\"  # 3, MODEL_VERSIONS, A_MODEL_VERSION\n"
        );
    }

    #[test]
    fn python_is_no_template() {
        let text = "x = f\"{{literal}} {name}\"  # {% not a tag %} {# nor a comment #}\n";
        assert_eq!(render("p.py", text, &values()).unwrap(), text);
    }

    #[test]
    fn tera_gives_literals_and_keywords() {
        let text = "v = {{ version_name | py }}\nr = {{ requirements | py }}\nu = '{{ model_artifact_uri }}'\nw = \"MODEL_VERSION\" {{ MODEL_VERSION | py }}\n";
        assert_eq!(
            render("p.tera", text, &values()).unwrap(),
            r#"v = "v\"\n3"
r = ["a==1", "b; os_name == \"nt\""]
u = 'gs://b/r/v3/model/'
w = "3" "3"
"#
        );
    }

    #[test]
    fn no_value_becomes_code() {
        let message = refused("p.tera", "x = '{{ version_name }}'", &values());
        assert!(message.contains("needs the filter py"), "{message}");
        for text in ["\"; import os; \"", "{x}", "a\nb", "\\"] {
            let hostile = Values { model_artifact_uri: Some(text.into()), ..values() };
            let message = refused("p.py", "u = 'MODEL_ARTIFACT_URI'", &hostile);
            assert!(message.contains("cannot stand as text in 'p.py'"), "{message}");
            let literal = render("p.tera", "u = {{ model_artifact_uri | py }}", &hostile).unwrap();
            assert_eq!(literal, format!("u = {}", crate::literal::string(text)));
        }
    }

    #[test]
    fn errors_have_a_place() {
        let cases = [
            ("a\n{{ b", "cannot render 'p.tera' at line 2, column 5: "),
            ("a\n  {{ nope }}", "cannot render 'p.tera' at line 2, column 6: "),
            ("{{ nope | py }}", "cannot render 'p.tera' at line 1, column "),
            ("\n{{ 'x' | nope }}", "cannot render 'p.tera' at line 2, column 10: Unknown filter"),
            ("{% for x in 3 %}{% endfor %}", "cannot render 'p.tera' at line 1, column "),
        ];
        for (text, message) in cases {
            let found = refused("p.tera", text, &values());
            assert!(found.starts_with(message) && !found.contains('\n'), "{found}");
        }
    }

    #[test]
    fn the_bucket_is_needed_where_its_uri_is_used() {
        let unknown = Values { model_artifact_uri: None, ..values() };
        for (name, text) in [
            ("p.py", "MODEL_ARTIFACT_URI"),
            ("p.tera", "MODEL_ARTIFACT_URI"),
            ("p.tera", "{{ model_artifact_uri | py }}"),
            ("p.tera", "{{ MODEL_ARTIFACT_URI | py }}"),
        ] {
            assert!(refused(name, text, &unknown).ends_with("no bucket is set"), "{text}");
        }
        assert_eq!(render("p.py", "MODEL_VERSION", &unknown).unwrap(), "3");
    }

    #[test]
    fn the_built_in_ones_render() {
        let unknown = Values { model_artifact_uri: None, ..values() };
        let setup = Template::setup().render(&unknown).unwrap();
        assert!(setup.contains("        \"b; os_name == \\\"nt\\\"\",\n    ],\n"), "{setup}");
        assert!(Template::predictor().render(&unknown).unwrap().contains("__version__ = \"3\"\n"));
    }
}
