//! `storage.objects.rewrite`: a copy that may take several requests.
//!
//! Between buckets of one location and storage class it is done at once, for
//! no byte moves. Else each request moves a part, and its answer has a token for
//! the next one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::copy::{Route, SourceParams, copy_object};
use super::object::Object;
use super::params::{Origin, Params, json_object};
use super::precondition::Preconditions;
use crate::error::ApiError;
use crate::state::App;

/// What one request moves where it is not said. The service moves much more;
/// this little lets tests see several requests.
const STEP: u64 = 64 * 1024 * 1024;

const MIB: u64 = 1024 * 1024;

/// Rewrites under way, by token.
#[derive(Default)]
pub(crate) struct Rewrites(Mutex<Table>);

#[derive(Default)]
struct Table {
    count: u64,
    all: BTreeMap<String, Rewrite>,
}

/// What must be the same in every request of one rewrite.
#[derive(Clone, PartialEq, Eq)]
struct Job {
    route: (String, String, String, String),
    generation: i64,
    step: u64,
    fields: Map<String, Value>,
}

#[derive(Clone)]
struct Rewrite {
    job: Job,
    done: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RewriteParams {
    rewrite_token: String,
    max_bytes_rewritten_per_call: Option<u64>,
}

pub(super) async fn rewrite(
    State(app): State<App>,
    origin: Origin,
    Path(route): Route,
    Params(params): Params<RewriteParams>,
    Params(mut source): Params<SourceParams>,
    Params(conditions): Params<Preconditions>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let fields = json_object(&body)?;
    let step = params.max_bytes_rewritten_per_call.unwrap_or(STEP);
    if step == 0 || !step.is_multiple_of(MIB) {
        let message = "The value of maxBytesRewrittenPerCall is not a multiple of 1048576.";
        return Err(invalid(message, "maxBytesRewrittenPerCall"));
    }
    let (from, _) = app.storage.open_object(&route.0, &route.1, source.source_generation)?;
    source.conditions().check(Some(&from))?;
    app.storage.check(&route.2, &route.3, &conditions)?;
    let moves = !params.rewrite_token.is_empty() || moves_bytes(&app, &route, &fields)?;
    let job = Job { route, generation: from.generation, step, fields };
    if moves && let Some(answer) = advance(&app.rewrites, &params.rewrite_token, &job, &from)? {
        return Ok(Json(answer));
    }
    // The source as it was: another one may have come in between.
    source.source_generation = Some(from.generation);
    let object = copy_object(&app.storage, &job.route, &source, &conditions, &job.fields)?;
    Ok(Json(json!({
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": object.size.to_string(),
        "objectSize": object.size.to_string(),
        "done": true,
        "resource": object.resource(&origin),
    })))
}

fn moves_bytes(
    app: &App,
    (from, _, to, _): &(String, String, String, String),
    fields: &Map<String, Value>,
) -> Result<bool, ApiError> {
    let (from, to) = (app.storage.bucket(from)?, app.storage.bucket(to)?);
    let class = fields.get("storageClass").and_then(Value::as_str).unwrap_or(&to.storage_class);
    Ok(from.location != to.location || from.storage_class != class)
}

/// Moves a part; nothing where that was the last.
fn advance(
    rewrites: &Rewrites,
    token: &str,
    job: &Job,
    from: &Object,
) -> Result<Option<Value>, ApiError> {
    let mut table = rewrites.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rewrite = if token.is_empty() {
        Rewrite { job: job.clone(), done: 0 }
    } else {
        // It stays good: the answer that had the next one may be lost.
        let known = table.all.get(token).filter(|known| known.job == *job).cloned();
        known.ok_or_else(|| invalid("The rewrite token is invalid.", "rewriteToken"))?
    };
    rewrite.done += job.step;
    if rewrite.done >= from.size {
        return Ok(None);
    }
    table.count += 1;
    let token = format!("rewrite-{}", table.count);
    let answer = json!({
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": rewrite.done.to_string(),
        "objectSize": from.size.to_string(),
        "done": false,
        "rewriteToken": token,
    });
    table.all.insert(token, rewrite);
    Ok(Some(answer))
}

fn invalid(message: &str, parameter: &str) -> ApiError {
    ApiError::storage(400, "invalid", message).at("parameter", parameter)
}
