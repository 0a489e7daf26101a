//! What a stage needs of those before it.

use crate::input::InputError;
use crate::stages::{Bundle, Fetch, Model, Stages, Upload, Version};

impl Stages {
    pub fn fetched(&self) -> Result<&Fetch, InputError> {
        need(self.fetch.as_ref(), "fetch", "mlf-fetch")
    }

    pub fn bundled(&self) -> Result<&Bundle, InputError> {
        need(self.bundle.as_ref(), "bundle", "aip-bundle")
    }

    pub fn uploaded(&self) -> Result<&Upload, InputError> {
        need(self.upload.as_ref(), "upload", "aip-upload")
    }

    pub fn modelled(&self) -> Result<&Model, InputError> {
        need(self.model.as_ref(), "model", "aip-model create")
    }

    pub fn versioned(&self) -> Result<&Version, InputError> {
        need(self.version.as_ref(), "version", "aip-version create")
    }
}

fn need<'a, T>(
    stage: Option<&'a T>,
    name: &'static str,
    tool: &'static str,
) -> Result<&'a T, InputError> {
    stage.ok_or(InputError::StageMissing { stage: name, tool })
}
