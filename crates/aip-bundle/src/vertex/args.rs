//! What the image is made of, as flags say it.

use clap::{ArgAction, Args, ValueEnum};
use stage::Failure;

/// All of it is for Vertex AI alone.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct ImageArgs {
    /// Who makes the image: this tool, or Cloud Build from the bundle's
    /// Dockerfile, which can build requirements that have no wheel
    #[arg(long, value_enum, default_value_t, value_name = "BUILDER")]
    pub(crate) builder: BuildWith,

    /// Image that ours is built on, or oci:DIR for an image layout; {python}
    /// stands for X.Y [env: AIP_BASE_IMAGE]
    /// [default: docker.io/library/python:{python}-slim]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base_image: Option<String>,

    /// Put the model into the image [default: only where no bucket is set]
    #[arg(long)]
    pub(crate) embed_model: bool,

    /// Install mlflow where mlflow-skinny would do
    #[arg(long)]
    pub(crate) full_mlflow: bool,

    /// Install what this requirements file with hashes says, such as the
    /// requirements.lock of another bundle
    #[arg(long, value_name = "FILE", conflicts_with = "upgrade")]
    pub(crate) lock: Option<String>,

    /// Resolve the requirements anew, whatever was resolved before
    #[arg(long)]
    pub(crate) upgrade: bool,

    /// Do not run the model on this machine to record what it answers to its
    /// own input example
    #[arg(long)]
    pub(crate) no_expected: bool,

    /// Serve the model with an image that exists, HOST/PATH[:TAG][@sha256:HEX]
    #[arg(long, value_name = "IMAGE", conflicts_with_all = MAKING)]
    pub(crate) image: Option<String>,

    /// Path of that image's predictions [default: Vertex AI's own]
    #[arg(long, value_name = "PATH", requires = "image")]
    pub(crate) predict_route: Option<String>,

    /// Path of that image's health check [default: Vertex AI's own]
    #[arg(long, value_name = "PATH", requires = "image")]
    pub(crate) health_route: Option<String>,

    /// Port of that image [default: Vertex AI's own, 8080]
    #[arg(long, requires = "image")]
    pub(crate) port: Option<u16>,

    /// Serve the model with Google's own container for its framework, which
    /// must have the versions that the model was made with
    #[arg(long, action = ArgAction::SetTrue, conflicts_with_all = MAKING, conflicts_with = "image")]
    pub(crate) prebuilt: bool,

    /// Region that the model will be served in, for --prebuilt
    /// [env: GOOGLE_CLOUD_REGION, CLOUDSDK_AI_REGION] [default: us-central1]
    #[arg(long)]
    pub(crate) region: Option<String>,

    /// File with an access token for the base image's registry, instead of the
    /// credentials that are found
    #[arg(long, value_name = "FILE")]
    pub(crate) access_token_file: Option<String>,
}

/// What makes no sense for an image that exists.
const MAKING: [&str; 6] =
    ["builder", "base_image", "embed_model", "full_mlflow", "lock", "upgrade"];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuildWith {
    #[default]
    Oci,
    CloudBuild,
}

impl ImageArgs {
    /// For a target without images.
    pub(crate) fn refuse(&self) -> Result<(), Failure> {
        let given = [
            (self.builder != BuildWith::Oci, "builder"),
            (self.base_image.is_some(), "base-image"),
            (self.embed_model, "embed-model"),
            (self.full_mlflow, "full-mlflow"),
            (self.lock.is_some(), "lock"),
            (self.upgrade, "upgrade"),
            (self.image.is_some(), "image"),
            (self.prebuilt, "prebuilt"),
        ];
        match given.into_iter().find(|(is_given, _)| *is_given) {
            Some((_, flag)) => {
                let message = format!("--{flag} is for images, which AI Platform does not take");
                Err(Failure::usage(message).hint("give --target vertex"))
            }
            None => Ok(()),
        }
    }
}
