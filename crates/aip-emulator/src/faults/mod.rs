//! Faults on demand, in the manner of Cloud Storage's own testbench:
//! `POST /retry_test` arms some and gives an id, and the requests that carry
//! it as `x-retry-test-id` run into them, one each. With `"everyone": true`
//! so do requests without an id, for clients that cannot send a header. Without
//! any of that, `x-goog-emulator-instructions` is for the request that has it.

mod answer;
mod body;
mod instruction;
mod layer;
mod method;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::App;
use instruction::Instruction;
pub(crate) use layer::{Broken, inject};

/// The tests that are armed, by number.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    tests: Arc<Mutex<BTreeMap<u64, Test>>>,
}

#[derive(Default)]
struct Test {
    instructions: BTreeMap<String, VecDeque<Instruction>>,
    everyone: bool,
}

#[derive(Deserialize)]
struct CreateBody {
    instructions: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    everyone: bool,
}

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/retry_test", post(create))
        .route("/retry_tests", get(list))
        .route("/retry_test/{id}", get(show).delete(delete))
}

async fn create(
    State(app): State<App>,
    Json(body): Json<CreateBody>,
) -> Result<Json<Value>, ApiError> {
    let mut test = Test { everyone: body.everyone, ..Test::default() };
    for (method, texts) in body.instructions {
        if !method::exists(&method) {
            return Err(invalid(&format!("unknown method '{method}'")));
        }
        let parse = |text: &String| {
            Instruction::parse(text)
                .ok_or_else(|| invalid(&format!("unknown instruction '{text}'")))
        };
        let parsed = texts.iter().map(parse).collect::<Result<_, _>>()?;
        test.instructions.insert(method, parsed);
    }
    let mut tests = app.faults.lock();
    let id = tests.last_key_value().map_or(1, |(id, _)| id + 1);
    let shown = test.show(id);
    tests.insert(id, test);
    Ok(Json(shown))
}

async fn list(State(app): State<App>) -> Json<Value> {
    let tests = app.faults.lock();
    let shown: Vec<_> = tests.iter().map(|(id, test)| test.show(*id)).collect();
    Json(json!({ "retry_test": shown }))
}

async fn show(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<Value>, ApiError> {
    app.faults.lock().get(&id).map(|test| Json(test.show(id))).ok_or_else(|| unknown(id))
}

async fn delete(State(app): State<App>, Path(id): Path<u64>) -> Result<StatusCode, ApiError> {
    let removed = app.faults.lock().remove(&id);
    removed.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| unknown(id))
}

impl Faults {
    /// What the next request to `method` runs into. It stays armed until it
    /// has struck.
    fn next(&self, header: Option<&str>, method: &str) -> Option<Armed> {
        let tests = self.lock();
        let wanted = header.and_then(|id| id.parse::<u64>().ok());
        let mut candidates = tests.iter().filter(|(id, test)| match header {
            Some(_) => wanted == Some(**id),
            None => test.everyone,
        });
        candidates.find_map(|(id, test)| {
            let instruction = test.instructions.get(method)?.front()?.clone();
            let (test, method) = (Some(*id), method.to_owned());
            Some(Armed { faults: self.clone(), test, method, instruction })
        })
    }

    /// What a request's own header asks for.
    fn of_header(&self, text: &str, method: &str) -> Option<Armed> {
        let instruction = Instruction::of_header(text)?;
        Some(Armed { faults: self.clone(), test: None, method: method.to_owned(), instruction })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Test>> {
        self.tests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fault that waits for its moment.
#[derive(Clone)]
struct Armed {
    faults: Faults,
    /// None: it is of this request alone, and not used up
    test: Option<u64>,
    method: String,
    instruction: Instruction,
}

impl Armed {
    /// Uses the instruction up; false if another request was faster.
    fn strike(&self) -> bool {
        let Some(test) = self.test else { return true };
        let mut tests = self.faults.lock();
        let queue = tests.get_mut(&test).and_then(|t| t.instructions.get_mut(&self.method));
        queue.is_some_and(|queue| {
            let first = queue.front() == Some(&self.instruction);
            if first {
                queue.pop_front();
            }
            first
        })
    }
}

impl Test {
    fn show(&self, id: u64) -> Value {
        let completed = self.instructions.values().all(VecDeque::is_empty);
        json!({
            "id": id.to_string(),
            "instructions": self.instructions,
            "everyone": self.everyone,
            "completed": completed,
        })
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(400, "INVALID_ARGUMENT", message)
}

fn unknown(id: u64) -> ApiError {
    ApiError::new(404, "NOT_FOUND", format!("there is no retry test '{id}'"))
}
