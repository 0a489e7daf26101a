//! How a long-running operation ended.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Response(Value),
    /// `google.rpc.Status`
    Error {
        code: i32,
        message: String,
    },
}

/// `google.rpc.Code`, as operations carry it
pub(crate) const CANCELLED: i32 = 1;
pub(crate) const FAILED_PRECONDITION: i32 = 9;
pub(crate) const UNAVAILABLE: i32 = 14;

/// An operation's record; without an outcome it still runs.
pub(crate) fn record(name: &str, metadata: &Value, outcome: Option<&Outcome>) -> Value {
    let mut shown = json!({ "name": name, "metadata": metadata });
    match outcome {
        None => {}
        Some(Outcome::Response(response)) => {
            shown["done"] = true.into();
            shown["response"] = response.clone();
        }
        Some(Outcome::Error { code, message }) => {
            shown["done"] = true.into();
            shown["error"] = json!({ "code": code, "message": message });
        }
    }
    shown
}
