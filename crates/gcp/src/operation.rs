//! Long-running operations.

use serde_json::Value;

/// What an operation's record says.
#[derive(Debug)]
pub enum Outcome {
    Running,
    /// Its `response`.
    Done(Value),
    /// Its `error`'s message.
    Failed(String),
}

/// `done` with `response` or `error`, else it still runs.
pub fn operation_outcome(operation: &Value) -> Outcome {
    if operation["done"] != true {
        return Outcome::Running;
    }
    match operation.get("error") {
        Some(error) => Outcome::Failed(
            error["message"].as_str().unwrap_or("the operation failed without a message").into(),
        ),
        None => Outcome::Done(operation["response"].clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_runs_until_it_is_done() {
        assert!(matches!(operation_outcome(&json!({"name": "o"})), Outcome::Running));
        let done = json!({"done": true, "response": {"state": "READY"}});
        assert!(matches!(operation_outcome(&done), Outcome::Done(v) if v["state"] == "READY"));
        let failed = json!({"done": true, "error": {"code": 9, "message": "no"}});
        assert!(matches!(operation_outcome(&failed), Outcome::Failed(text) if text == "no"));
    }
}
