//! Which file becomes which object.

use std::path::Path;
use std::sync::Arc;

use deployment::{Deployment, Upload};
use gcp::storage::{GsUri, GsUriError, ObjectMeta};
use stage::Failure;
use transport::Hasher;

use crate::item::{Folder, Item, Source};
use crate::there::There;

#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) bucket: String,
    /// Everything lies below it; ends with a slash.
    pub(crate) prefix: String,
    /// The model's files lie below it; nothing else may.
    pub(crate) model_prefix: String,
    deployment_uri: String,
    package_uris: Vec<String>,
}

impl<'a> Plan<'a> {
    pub(crate) fn make(document: &'a Deployment) -> Result<Self, Failure> {
        let fetch = document.stages.fetched()?;
        let bundle = document.stages.bundled()?;
        let (root, model) =
            document.spec.production_uri().zip(document.spec.model_artifact_uri()).ok_or_else(
                || {
                    Failure::input("the document lacks spec.model or spec.version")
                        .hint("aip-bundle sets both; run it again")
                },
            )?;
        let [root, model]: [GsUri; 2] = [parse(&root)?, parse(&model)?];

        let folder = |directory: &'a str, to: &GsUri| {
            let (bucket, prefix) = (to.bucket.clone(), to.name.clone());
            Arc::new(Folder { directory: Path::new(directory), bucket, prefix })
        };
        let mut items = Vec::with_capacity(fetch.files.len() + bundle.model_files.len() + 1);
        let sdist = &bundle.sdist;
        let name = sdist.path.rsplit_once('/').map_or(sdist.path.as_str(), |(_, name)| name);
        items.push(Item::new(sdist, name, &folder(&bundle.directory, &root))?);
        let of_model = folder(&bundle.model_directory, &model);
        for file in fetch.files.iter().chain(&bundle.model_files) {
            items.push(Item::new(file, &file.path, &of_model)?);
        }
        Ok(Self {
            package_uris: vec![items[0].uri()],
            deployment_uri: model.to_string(),
            items,
            bucket: root.bucket,
            prefix: root.name,
            model_prefix: model.name,
        })
    }

    /// Whether the files are still what the document says. A look at the size
    /// costs nothing; the service compares every byte.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for item in &self.items {
            let Source::File(path) = item.source()? else { continue };
            let shown = path.display();
            let found = std::fs::metadata(&path).map_err(|error| {
                Failure::failed(format!("cannot read '{shown}'"))
                    .cause(&error)
                    .hint("run mlf-fetch and aip-bundle again")
            })?;
            if found.len() != item.size() {
                let message = format!(
                    "'{shown}' has {} bytes, the document says {}",
                    found.len(),
                    item.size()
                );
                return Err(Failure::failed(message).hint("run mlf-fetch and aip-bundle again"));
            }
        }
        Ok(())
    }

    /// What all of it together is known by.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Hasher::default();
        for item in self.sorted() {
            let (name, size, crc32c) = (item.name(), item.size(), item.crc32c());
            hasher.update(format!("{name}\0{size}\0{crc32c}\n").as_bytes());
        }
        hasher.finish().sha256
    }

    /// By name.
    fn sorted(&self) -> Vec<&Item<'a>> {
        let mut items: Vec<_> = self.items.iter().collect();
        items.sort_unstable_by(|a, b| a.name_bytes().cmp(b.name_bytes()));
        items
    }

    /// Whether an upload to this place may have written it, as one of its files.
    pub(crate) fn is_content(&self, name: &str) -> bool {
        let is_package = |rest: &str| rest.ends_with(".tar.gz") && !rest.contains('/');
        name.starts_with(&self.model_prefix)
            || name.strip_prefix(&self.prefix).is_some_and(is_package)
    }

    /// Objects among the model's that are not the model's, by name: left from
    /// another upload under the same name, they would be served with it.
    pub(crate) fn extra<'t>(&self, there: &'t There) -> Vec<&'t ObjectMeta> {
        let planned = self.sorted();
        let is_planned = |name: &str| planned.binary_search_by(|item| item.by_name(name)).is_ok();
        let among = there.iter().filter(|object| object.name.starts_with(&self.model_prefix));
        among.filter(|object| !is_planned(&object.name)).collect()
    }

    /// Whether this is the content that one of the files is to have there.
    pub(crate) fn finder(&self) -> impl Fn(&ObjectMeta) -> bool {
        let planned = self.sorted();
        move |object| {
            let found = planned.binary_search_by(|item| item.by_name(&object.name));
            found.is_ok_and(|index| planned[index].is(object))
        }
    }

    /// As it is called below the version's place.
    pub(crate) fn relative<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }

    pub(crate) fn prefix(&self) -> String {
        format!("gs://{}/{}", self.bucket, self.prefix)
    }

    pub(crate) fn record(&self) -> Upload {
        Upload {
            deployment_uri: self.deployment_uri.clone(),
            package_uris: self.package_uris.clone(),
            ..Upload::default()
        }
    }
}

fn parse(uri: &str) -> Result<GsUri, Failure> {
    uri.parse().map_err(|error: GsUriError| Failure::usage(error.to_string()))
}

#[cfg(test)]
impl<'a> Plan<'a> {
    /// Of files whose paths are names below the prefix.
    pub(crate) fn of(files: &'a [deployment::File], bucket: &str, prefix: &str) -> Self {
        let (directory, own) = (Path::new("/d"), (bucket.to_owned(), prefix.to_owned()));
        let folder = Arc::new(Folder { directory, bucket: own.0, prefix: own.1 });
        let items = files.iter().map(|file| Item::new(file, &file.path, &folder).unwrap());
        let items = items.collect();
        let model_prefix = format!("{prefix}model/");
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let (deployment_uri, package_uris) = (String::new(), Vec::new());
        Self { items, bucket, prefix, model_prefix, deployment_uri, package_uris }
    }
}
