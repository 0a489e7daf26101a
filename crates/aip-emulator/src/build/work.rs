//! What is done for a build: its source, its steps, its images.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::assemble::{Tools, build};
use super::context;
use super::docker::Step;
use super::dockerfile;
use super::record::End;
use crate::registry::Assembly;
use crate::storage::Store;

/// Why a build failed, in the service's words for the kind.
type Failure = (&'static str, String);

/// Carries out a build, with `scratch` to work in.
pub(super) async fn perform(
    tools: &Tools<'_>,
    storage: &Store,
    wanted: &Map<String, Value>,
    scratch: &Path,
) -> End {
    match try_perform(tools, storage, wanted, scratch).await {
        Ok(images) => End::Success { images },
        Err((kind, detail)) => End::Failure { kind, detail },
    }
}

async fn try_perform(
    tools: &Tools<'_>,
    storage: &Store,
    wanted: &Map<String, Value>,
    scratch: &Path,
) -> Result<Vec<(String, String)>, Failure> {
    let source = scratch.join("source");
    fetch(storage, &wanted["source"]["storageSource"], &source).await?;
    let mut built: BTreeMap<String, Assembly> = BTreeMap::new();
    for (number, step) in list(wanted, "steps").iter().enumerate() {
        let failed = |why: String| {
            let text = format!("the emulator runs no Docker build: step {number}: {why}");
            ("USER_BUILD_STEP", text)
        };
        match Step::read(step).map_err(failed)? {
            Step::Build { tags, dockerfile } => {
                let scratch = scratch.join(format!("step-{number}"));
                let image = build_step(tools, &source, &dockerfile, &scratch).await;
                let image = image.map_err(failed)?;
                built.extend(tags.into_iter().map(|tag| (tag, image.clone())));
            }
            Step::Push { tag } => {
                push(tools, &built, &tag)?;
            }
        }
    }
    let names = list(wanted, "images").iter().filter_map(Value::as_str);
    names.map(|name| Ok((name.to_owned(), push(tools, &built, name)?))).collect()
}

fn list<'v>(build: &'v Map<String, Value>, field: &str) -> &'v [Value] {
    build.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

async fn fetch(storage: &Store, source: &Value, into: &Path) -> Result<(), Failure> {
    let failed = |why: String| ("FETCH_SOURCE_FAILED", why);
    let archive = context::find(storage, source).map_err(failed)?;
    let into = into.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || context::unpack(&archive, &into)).await;
    let unpacked = unpacked.map_err(std::io::Error::other).flatten();
    unpacked.map_err(|err| failed(format!("cannot unpack the source: {err}")))
}

async fn build_step(
    tools: &Tools<'_>,
    source: &Path,
    dockerfile: &str,
    scratch: &Path,
) -> Result<Assembly, String> {
    let file = context::inside(source, dockerfile)?;
    let text = std::fs::read_to_string(file).map_err(|_| format!("there is no '{dockerfile}'"))?;
    let named = |why: String| format!("{dockerfile}: {why}");
    let lines = dockerfile::parse(&text).map_err(named)?;
    std::fs::create_dir(scratch).map_err(|err| err.to_string())?;
    build(tools, &lines, source, scratch).await.map_err(named)
}

/// Puts an image under its name into the registry; its digest.
fn push(
    tools: &Tools<'_>,
    built: &BTreeMap<String, Assembly>,
    name: &str,
) -> Result<String, Failure> {
    let image = built.get(name);
    let image = image.ok_or_else(|| ("PUSH_IMAGE_NOT_FOUND", format!("no step made '{name}'")))?;
    tools.registry.publish(image, name).map_err(|err| ("PUSH_FAILED", err.to_string()))
}
