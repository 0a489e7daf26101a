//! Answers, joined in order.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::value::RawValue;
use stage::{Failure, Output};

use crate::format::OutputFormat;

/// What a predictor gives is its own choice: a prediction for each instance can
/// be joined with those of another request, anything else cannot.
pub(crate) enum Predictions {
    Each {
        list: Vec<Box<RawValue>>,
        /// As many.
        explanations: Option<Vec<Box<RawValue>>>,
        /// The version that answered.
        by: Option<String>,
    },
    Whole {
        predictions: Box<RawValue>,
        explanations: Option<Box<RawValue>>,
        by: Option<String>,
    },
}

/// What goes to stdout: at once where lines are asked for, at the end where one
/// object is, so that a failure leaves nothing half said.
pub(crate) struct Answer {
    output: OutputFormat,
    predictions: Joined,
    explanations: Option<Joined>,
    requests: usize,
    /// How many requests each version answered.
    by: BTreeMap<String, usize>,
}

/// A list that grows, or the only answer there can be.
enum Joined {
    List(String),
    Whole(Box<RawValue>),
}

impl Answer {
    pub(crate) fn new(output: OutputFormat) -> Self {
        let predictions = Joined::List(String::new());
        Self { output, predictions, explanations: None, requests: 0, by: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, predictions: Predictions) -> Result<(), Failure> {
        self.requests += 1;
        let (Predictions::Each { by, .. } | Predictions::Whole { by, .. }) = &predictions;
        if let Some(version) = by {
            *self.by.entry(version.clone()).or_default() += 1;
        }
        match predictions {
            Predictions::Each { list, explanations, .. } => self.each(list, explanations),
            Predictions::Whole { predictions, explanations, .. } if self.requests == 1 => {
                if self.output == OutputFormat::Jsonl {
                    print(std::slice::from_ref(&predictions), explanations.as_slice())?;
                }
                self.predictions = Joined::Whole(predictions);
                self.explanations = explanations.map(Joined::Whole);
                Ok(())
            }
            Predictions::Whole { .. } => Err(unjoinable()),
        }
    }

    fn each(
        &mut self,
        list: Vec<Box<RawValue>>,
        explanations: Option<Vec<Box<RawValue>>>,
    ) -> Result<(), Failure> {
        if self.output == OutputFormat::Jsonl && !matches!(self.predictions, Joined::Whole(_)) {
            return print(&list, &explanations.unwrap_or_default());
        }
        self.predictions.extend(list)?;
        if let Some(explanations) = explanations {
            let joined = self.explanations.get_or_insert_with(|| Joined::List(String::new()));
            joined.extend(explanations)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Output {
        if self.output == OutputFormat::Jsonl {
            for (version, requests) in &self.by {
                log::debug!("version '{version}' answered {requests} requests");
            }
            return Output::Streamed;
        }
        let mut text = String::from("{\"predictions\":") + &self.predictions.text();
        if let Some(explanations) = self.explanations {
            text += ",\"explanations\":";
            text += &explanations.text();
        }
        if !self.by.is_empty() {
            text += ",\"answeredBy\":";
            text += &serde_json::json!(self.by).to_string();
        }
        Output::Text(text + "}")
    }
}

impl Joined {
    fn extend(&mut self, list: Vec<Box<RawValue>>) -> Result<(), Failure> {
        let Self::List(joined) = self else { return Err(unjoinable()) };
        for one in list {
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(one.get());
        }
        Ok(())
    }

    fn text(&self) -> String {
        match self {
            Self::List(joined) => format!("[{joined}]"),
            Self::Whole(whole) => whole.get().to_owned(),
        }
    }
}

fn unjoinable() -> Failure {
    Failure::failed("cannot join the answers of several requests")
        .because("the predictor does not give one prediction for each instance")
        .hint("send fewer instances at a time")
}

/// A line for each prediction, with its explanation where there are any.
fn print(predictions: &[Box<RawValue>], explanations: &[Box<RawValue>]) -> Result<(), Failure> {
    let mut text = String::new();
    // A line holds one prediction, however the service laid it out.
    let plain = |value: &RawValue| value.get().replace(['\n', '\r'], "");
    for (index, prediction) in predictions.iter().enumerate() {
        let prediction = plain(prediction);
        if let Some(explanation) = explanations.get(index) {
            text += "{\"prediction\":";
            text += &prediction;
            text += ",\"explanation\":";
            text += &plain(explanation);
            text += "}\n";
        } else {
            text += &prediction;
            text.push('\n');
        }
    }
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::failed("cannot write predictions to stdout").cause(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    fn each(list: &[&str], explanations: Option<&[&str]>, by: &str) -> Predictions {
        let all = |list: &[&str]| list.iter().map(|text| raw(text)).collect();
        let by = Some(by.to_owned()).filter(|by| !by.is_empty());
        Predictions::Each { list: all(list), explanations: explanations.map(all), by }
    }

    fn joined(parts: Vec<Predictions>) -> Result<String, String> {
        let mut answer = Answer::new(OutputFormat::Json);
        for part in parts {
            answer.add(part).map_err(|failure| format!("{failure:?}"))?;
        }
        match answer.finish() {
            Output::Text(text) => Ok(text),
            _ => Err("no text".into()),
        }
    }

    #[test]
    fn answers_are_joined_digit_for_digit() {
        let parts = vec![each(&["1.50"], None, ""), each(&["12345678901234567890", "2"], None, "")];
        let want = r#"{"predictions":[1.50,12345678901234567890,2]}"#;
        assert_eq!(joined(parts).unwrap(), want);
        assert_eq!(joined(vec![each(&[], None, "")]).unwrap(), r#"{"predictions":[]}"#);
    }

    #[test]
    fn it_is_said_who_answered() {
        let parts =
            vec![each(&["1"], None, "v2"), each(&["2"], None, "v1"), each(&["3"], None, "v2")];
        let want = r#"{"predictions":[1,2,3],"answeredBy":{"v1":1,"v2":2}}"#;
        assert_eq!(joined(parts).unwrap(), want);
    }

    #[test]
    fn explanations_stand_beside_predictions() {
        let parts = vec![each(&["1"], Some(&["{}"]), ""), each(&["2"], Some(&["{\"a\":1}"]), "")];
        let want = r#"{"predictions":[1,2],"explanations":[{},{"a":1}]}"#;
        assert_eq!(joined(parts).unwrap(), want);
    }

    #[test]
    fn a_whole_answer_stands_alone() {
        let whole = || Predictions::Whole {
            predictions: raw("{\"a\": [1, 2]}"),
            explanations: None,
            by: None,
        };
        assert_eq!(joined(vec![whole()]).unwrap(), r#"{"predictions":{"a": [1, 2]}}"#);
        assert!(joined(vec![whole(), each(&["1"], None, "")]).is_err());
        assert!(joined(vec![each(&["1"], None, ""), whole()]).is_err());
    }
}
