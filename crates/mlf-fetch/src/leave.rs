//! Which files stay where they lie.

use deployment::{File, Spec, Target};
use mlflow::source::Entry;
use mlflow::{Location, MlModel, Resolved};
use stage::{Failure, settings};

use crate::Args;
use crate::origin::Origin;

#[derive(Debug, clap::Args)]
pub(crate) struct Part {
    /// Bring only MLmodel and the small files around it: requirements, Python,
    /// examples. What is missing is noted in the document
    #[arg(long, conflicts_with = "download")]
    metadata_only: bool,

    /// Download a model in Cloud Storage even where it could be copied from
    /// there; --output does so too
    #[arg(long)]
    download: bool,
}

/// What the tools after this one read, and people look at first.
const METADATA: [&str; 12] = [
    ".python-version",
    "MLmodel",
    "conda.yaml",
    "constraints.txt",
    "environment_variables.txt",
    "input_example.json",
    "pyproject.toml",
    "python_env.yaml",
    "registered_model_meta",
    "requirements.txt",
    "serving_input_example.json",
    "uv.lock",
];

/// An example may be a data set.
const SMALL: u64 = 4 * 1024 * 1024;

/// Takes the files that stay out of the listing.
pub(crate) fn what(
    args: &Args,
    spec: &mut Spec,
    origin: &mut Origin,
    model: &MlModel,
) -> Result<Vec<Entry>, Failure> {
    if !args.part.metadata_only && !stays_in_its_bucket(args, spec, origin)? {
        return Ok(Vec::new());
    }
    let example = model.input_example.as_ref();
    let examples = example.map(|example| (Some(&example.path), example.serving_path.as_ref()));
    let (data, request) = examples.unwrap_or_default();
    let (come, stay): (Vec<_>, Vec<_>) =
        std::mem::take(&mut origin.entries).into_iter().partition(|entry| {
            let is_example = data == Some(&entry.path) || request == Some(&entry.path);
            let is_metadata = is_example || METADATA.contains(&entry.path.as_str());
            is_metadata && entry.size.is_none_or(|size| size <= SMALL)
        });
    origin.entries = come;
    origin.is_part = !stay.is_empty();
    if origin.is_part {
        let bytes: u64 = stay.iter().filter_map(|entry| entry.size).sum();
        log::info!("leaving {} files, {bytes} bytes, where they are", stay.len());
    }
    Ok(stay)
}

/// A model in Cloud Storage whose bytes nobody needs here. Vertex AI's bundle
/// puts the model into the image where there is no bucket.
fn stays_in_its_bucket(args: &Args, spec: &mut Spec, origin: &Origin) -> Result<bool, Failure> {
    if !origin.is_in_storage || args.part.download || args.output.is_some() {
        return Ok(false);
    }
    let target = settings::TARGET.resolve(None, &mut spec.target, Some(Target::DEFAULT))?;
    let bucket = settings::bucket(None, &mut spec.bucket)?;
    Ok(target == Some(Target::AiPlatform) || bucket.is_some())
}

/// As the document has them.
pub(crate) fn describe(resolved: &Resolved, left: Vec<Entry>) -> Vec<File> {
    let is_storage = matches!(resolved.location, Location::Storage { .. });
    let file = |entry: Entry| File {
        uri: Some(resolved.location.clone().below(&entry.path).to_string()),
        path: entry.path,
        size: entry.size.unwrap_or_default(),
        crc32c: entry.crc32c.unwrap_or_default(),
        generation: entry.revision.filter(|_| is_storage).and_then(|text| text.parse().ok()),
        ..File::default()
    };
    left.into_iter().map(file).collect()
}
