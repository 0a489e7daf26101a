//! A model that was found.

use deployment::Lineage;

use crate::location::{Location, Proxy, join};
use crate::uri::ModelUri;

/// A model that is pinned: asked for again, it is the same one.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub uri: ModelUri,
    pub location: Location,
    pub served: Served,
    pub lineage: Lineage,
    /// What to call it where people look.
    pub label: String,
    /// What a person should know: a message and the next step.
    pub remarks: Vec<(String, Option<String>)>,
}

/// How the tracking server itself names the files, besides their location: as
/// some path of a run, or of a logged model. It serves any store so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    pub run: Option<(String, String)>,
    pub logged: Option<(String, String)>,
    /// Whether the logged model may still be written to.
    pub unfinished: bool,
}

impl Served {
    /// Whether the files are what they are for good.
    pub(crate) fn never_changes(&self) -> bool {
        self.logged.is_some() && !self.unfinished
    }
}

impl Resolved {
    pub(crate) fn at(uri: ModelUri, location: Location, label: impl Into<String>) -> Self {
        Self {
            uri,
            location,
            served: Served::default(),
            lineage: Lineage::default(),
            label: label.into(),
            remarks: Vec::new(),
        }
    }

    pub(crate) fn below(mut self, path: Option<&str>) -> Self {
        let Some(path) = path else { return self };
        self.location = self.location.below(path);
        for (_, served) in [&mut self.served.run, &mut self.served.logged].into_iter().flatten() {
            *served = join(served, path);
        }
        self
    }

    pub(crate) fn remark(&mut self, message: String, hint: String) {
        self.remarks.push((message, Some(hint)));
    }
}

pub(crate) fn label_of(location: &Location) -> String {
    let text = match location {
        Location::Local(path) => {
            let full = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            full.to_string_lossy().into_owned()
        }
        Location::Proxied { path, .. } => path.clone(),
        Location::Storage { prefix, .. } => prefix.clone(),
        Location::Other { uri, .. } => uri.clone(),
    };
    let mut steps = text.rsplit('/').filter(|step| !matches!(*step, "" | "." | "artifacts"));
    steps.next().unwrap_or("model").to_owned()
}

/// MLflow keeps a run's files below `…/RUN_ID/artifacts`.
pub(crate) fn run_in_path(location: &Location) -> Option<&str> {
    let Location::Proxied { proxy: Proxy::Tracking, path } = location else { return None };
    let steps: Vec<_> = path.split('/').collect();
    let at = steps.iter().position(|step| *step == "artifacts")?;
    let id = *steps.get(at.checked_sub(1)?)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}
