//! Which file becomes which object.

use std::path::Path;
use std::sync::Arc;

use deployment::{Spec, Stages, Upload};
use gcp::storage::{GsUri, GsUriError, ObjectMeta};
use stage::Failure;
use transport::Hasher;

use crate::item::{Folder, Item, Source};
use crate::there::There;

#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) items: Vec<Item<'a>>,
    /// Where in `items` they are, in the order of their names.
    by_name: Vec<usize>,
    pub(crate) bucket: String,
    /// Everything lies below it; ends with a slash.
    pub(crate) prefix: String,
    /// The model's files lie below it; nothing else may.
    pub(crate) model_prefix: String,
    deployment_uri: String,
    package_uris: Vec<String>,
}

impl<'a> Plan<'a> {
    pub(crate) fn make(spec: &Spec, stages: &'a Stages) -> Result<Self, Failure> {
        let fetch = stages.fetched()?;
        let bundle = stages.bundled()?;
        let uris = spec.production_uri().zip(spec.model_artifact_uri());
        let (root, model) = uris.ok_or_else(|| {
            Failure::input("the document lacks spec.model or spec.version")
                .hint("aip-bundle sets both; run it again")
        })?;
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
            by_name: by_name(&items)?,
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
            let Source::File(path) = item.source() else { continue };
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
        for item in self.by_name.iter().map(|at| &self.items[*at]) {
            let (name, size, crc32c) = (item.name(), item.size(), item.crc32c());
            hasher.update(format!("{name}\0{size}\0{crc32c}\n").as_bytes());
        }
        hasher.finish().sha256
    }

    /// What is to have this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Item<'a>> {
        let found = self.by_name.binary_search_by(|at| self.items[*at].by_name(name));
        found.ok().map(|at| &self.items[self.by_name[at]])
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
        let among = there.iter().filter(|object| object.name.starts_with(&self.model_prefix));
        among.filter(|object| self.get(&object.name).is_none()).collect()
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

/// Two files for one object would take turns in it.
fn by_name(items: &[Item]) -> Result<Vec<usize>, Failure> {
    let mut order: Vec<_> = (0..items.len()).collect();
    order.sort_by(|a, b| items[*a].by_name_of(&items[*b]));
    let twice = |pair: &&[usize]| items[pair[0]].by_name_of(&items[pair[1]]).is_eq();
    match order.windows(2).find(twice) {
        Some(pair) => {
            let uri = items[pair[0]].uri();
            Err(Failure::input(format!("two files of the document go to '{uri}'"))
                .hint("run mlf-fetch and aip-bundle again"))
        }
        None => Ok(order),
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
        let items: Vec<_> = items.collect();
        let by_name = by_name(&items).unwrap();
        let model_prefix = format!("{prefix}model/");
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let (deployment_uri, package_uris) = (String::new(), Vec::new());
        Self { items, by_name, bucket, prefix, model_prefix, deployment_uri, package_uris }
    }
}

#[cfg(test)]
mod tests {
    use deployment::File;

    use super::*;

    fn file(path: &str) -> File {
        File { path: path.into(), crc32c: "AAAAAA==".into(), ..File::default() }
    }

    fn stages(model: &[&str]) -> Stages {
        let files = model.iter().map(|path| file(path)).collect();
        let fetch = deployment::Fetch { files, ..deployment::Fetch::default() };
        let sdist = file("dist/m-b.tar.gz");
        let bundle = deployment::Bundle { sdist, ..deployment::Bundle::default() };
        Stages { fetch: Some(fetch), bundle: Some(bundle), ..Stages::default() }
    }

    fn spec() -> Spec {
        let [bucket, route, model, version] = ["b", "r", "m", "v1"].map(|text| Some(text.into()));
        Spec { bucket, route, model, version, ..Spec::default() }
    }

    /// In the order of bytes, `-` and `.` come before `/`, and the package's name
    /// among the model's.
    #[test]
    fn what_is_planned_is_found_and_the_rest_is_extra() {
        let stages = stages(&["a/b", "a-b", "a.b", "z"]);
        let plan = Plan::make(&spec(), &stages).unwrap();
        let names: Vec<_> = plan.items.iter().map(Item::name).collect();
        for name in &names {
            assert_eq!(plan.get(name).unwrap().name(), *name);
        }
        let model = &plan.model_prefix;
        let others = ["a", "a/", "a/bb", "zz", ""].map(|path| format!("{model}{path}"));
        assert!(others.iter().all(|name| plan.get(name).is_none()));
        let object = |name: &String| ObjectMeta {
            name: name.clone(),
            size: 0,
            crc32c: None,
            generation: 1,
            created: None,
        };
        let there: Vec<_> = names.iter().chain(&others).map(object).collect();
        let there = There::from(there);
        let extra: Vec<_> = plan.extra(&there).iter().map(|extra| extra.name.clone()).collect();
        assert_eq!(extra, [4, 0, 1, 2, 3].map(|at| others[at].clone()));
    }

    #[test]
    fn one_object_has_one_file() {
        let stages = stages(&["a", "b", "a"]);
        let failure = Plan::make(&spec(), &stages).unwrap_err();
        assert!(failure.is(deployment::Kind::Input), "{failure:?}");
    }
}
