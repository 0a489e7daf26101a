//! An image that Cloud Build makes from the bundle's Dockerfile.

mod failure;

use std::sync::Arc;
use std::time::Duration;

use aip::{Waiting, wait};
use deployment::{Extra, PushedImage};
use gcp::build::{self, Build, BuildState};
use gcp::images::{self, Access};
use gcp::storage::{Body, Insert, Storage};
use gcp::{Credentials, Outcome, Service};
use log::{debug, info};
use oci::{Archive, Packed, Reference};
use serde_json::{Value, json};
use stage::{Failure, Process};

use super::Done;
use super::push::pinned;
use crate::plan::Plan;
use crate::there::There;

/// The service's queue and the build's start take their time as well.
const BESIDES: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct CloudBuild {
    pub(in crate::image) context: Archive,
    pub(in crate::image) project: String,
    /// `projects/P/locations/L`.
    pub(in crate::image) location: String,
    /// `projects/P/serviceAccounts/EMAIL`.
    pub(in crate::image) service_account: Option<String>,
    pub(in crate::image) timeout: Duration,
    pub(in crate::image) to: Reference,
}

/// The packed context and where it goes.
struct Source {
    file: tempfile::NamedTempFile,
    packed: Packed,
    object: String,
    tags: Vec<String>,
}

impl CloudBuild {
    pub(in crate::image) fn dry(&self, process: &Process, plan: &Plan) -> Done {
        let object = format!("{}build/", plan.prefix);
        process.would(&format!("write the build's context below gs://{}/{object}", plan.bucket));
        let request = build::create(&self.location, &self.request(plan, &object, None, &[]));
        process.would(&format!("{} {}{}", request.method, gcp::build_endpoint(), request.path));
        let image = PushedImage { uri: self.to.to_string(), ..PushedImage::default() };
        Done { image, ..Done::default() }
    }

    pub(in crate::image) fn run(
        &self,
        process: &Process,
        credentials: Arc<Credentials>,
        storage: &Storage,
        plan: &Plan,
        there: &There,
    ) -> Result<Done, Failure> {
        let service = Service::new(gcp::build_endpoint(), credentials.clone())?;
        let source = self.source(plan)?;
        let name = match self.earlier(&service, &credentials, &source)? {
            Some(name) => name,
            None => self.begin(process, &service, storage, plan, there, &source)?,
        };
        let build = self.wait(process, &service, &name)?;
        match build::state(&build, &self.to.to_string()) {
            BuildState::Done { digest } => self.done(&name, &build, &digest),
            BuildState::Running(status) => Err(self.failed(&build, &status, None, None)),
            BuildState::Failed { status, detail, kind } => {
                self.show_log(&service, credentials, &build);
                Err(self.failed(&build, &status, detail, kind.as_deref()))
            }
        }
    }

    fn source(&self, plan: &Plan) -> Result<Source, Failure> {
        let unwritable =
            |error: std::io::Error| Failure::failed("cannot write a temporary file").cause(&error);
        let mut file = tempfile::NamedTempFile::new().map_err(unwritable)?;
        let packed = self.context.pack(std::io::BufWriter::new(file.as_file_mut()))?;
        let id = &packed.gzip.sha256[..32];
        let object = format!("{}build/{id}.tar.gz", plan.prefix);
        let tags = vec!["mlflow-aip".to_owned(), format!("context-{id}")];
        Ok(Source { file, packed, object, tags })
    }

    /// A build of the same context that runs, or whose image is still there:
    /// whoever was interrupted goes on with it.
    fn earlier(
        &self,
        service: &Service,
        credentials: &Arc<Credentials>,
        source: &Source,
    ) -> Result<Option<String>, Failure> {
        let request = build::tagged(&self.location, &source.tags[1]);
        let builds = service.all(request, "builds").map_err(|error| self.refused(error))?;
        let image = self.to.to_string();
        let of_image = |build: &&Value| {
            let images = build["images"].as_array().map(Vec::as_slice).unwrap_or_default();
            let tags = build["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
            images.iter().any(|one| *one == image) && tags.iter().any(|tag| *tag == source.tags[1])
        };
        for build in builds.iter().filter(of_image) {
            let usable = match build::state(build, &image) {
                BuildState::Running(_) => true,
                BuildState::Done { digest } => self.is_there(credentials, &digest),
                BuildState::Failed { .. } => false,
            };
            if usable {
                let name = build::name_of(&self.location, build);
                info!("going on with build '{}'", name.as_deref().unwrap_or_default());
                return Ok(name);
            }
        }
        Ok(None)
    }

    fn is_there(&self, credentials: &Arc<Credentials>, digest: &str) -> bool {
        let Ok(digest) = digest.parse() else { return false };
        let registry = images::registry(&self.to.host, credentials.clone(), Access::Read);
        match registry.digest(&self.to.at(&digest)) {
            Ok(found) => found.is_some(),
            Err(error) => {
                debug!("cannot look at '{}': {error}", self.to.at(&digest));
                false
            }
        }
    }

    fn begin(
        &self,
        process: &Process,
        service: &Service,
        storage: &Storage,
        plan: &Plan,
        there: &There,
        source: &Source,
    ) -> Result<String, Failure> {
        let generation = put(process, storage, plan, there, source)?;
        let build = self.request(plan, &source.object, Some(generation), &source.tags);
        let operation = service
            .call(&build::create(&self.location, &build))
            .map_err(|error| self.refused(error))?;
        let name = build::name_in(&self.location, &operation).ok_or_else(|| {
            Failure::failed(format!("cannot build the image '{}'", self.to))
                .because("the service's answer names no build")
        })?;
        let url = operation["metadata"]["build"]["logUrl"].as_str().unwrap_or("not known");
        info!("build '{name}' has begun; its log: {url}");
        Ok(name)
    }

    fn request<'a>(
        &'a self,
        plan: &'a Plan,
        object: &'a str,
        generation: Option<u64>,
        tags: &'a [String],
    ) -> Build<'a> {
        Build {
            bucket: &plan.bucket,
            object,
            generation,
            image: self.to.to_string(),
            tags,
            timeout: self.timeout,
            service_account: self.service_account.as_deref(),
        }
    }

    fn wait(&self, process: &Process, service: &Service, name: &str) -> Result<Value, Failure> {
        let waiting = Waiting {
            doing: format!("build the image '{}'", self.to),
            resume: "run aip-upload again; it goes on with the same build".into(),
            timeout: self.timeout + BESIDES,
        };
        let image = self.to.to_string();
        wait(process, &waiting, |progress| {
            let build = service.get(name)?;
            Ok(match build::state(&build, &image) {
                BuildState::Running(status) => {
                    progress.say(format!("{}: {}", waiting.doing, status.to_lowercase()));
                    Outcome::Running
                }
                BuildState::Done { .. } | BuildState::Failed { .. } => Outcome::Done(build),
            })
        })
    }

    fn done(&self, name: &str, build: &Value, digest: &str) -> Result<Done, Failure> {
        let digest: oci::Digest = digest.parse().map_err(oci::Error::from)?;
        let mut notes = Extra::new();
        notes.insert("build".into(), json!(name));
        notes.insert("buildLog".into(), build["logUrl"].clone());
        let image = pinned(&self.to, &digest);
        info!("the image is built: '{}'", image.uri);
        Ok(Done { image, notes, ..Done::default() })
    }
}

/// Writes the context, and gives the generation that the build is pinned to.
fn put(
    process: &Process,
    storage: &Storage,
    plan: &Plan,
    there: &There,
    source: &Source,
) -> Result<u64, Failure> {
    let digest = &source.packed.gzip;
    let before = there.get(&source.object);
    if let Some(object) = before.filter(|object| object.holds(digest.size, &digest.crc32c)) {
        return Ok(object.generation);
    }
    let insert = Insert {
        bucket: &plan.bucket,
        name: &source.object,
        content: Body::File(source.file.path(), 0),
        size: digest.size,
        crc32c: &digest.crc32c,
        replaces: before.map_or(0, |object| object.generation),
    };
    let progress = process.progress("the build's context", digest.size);
    let written = storage.insert(&insert, None, &|sent| progress.advance(sent));
    let object = written.map_err(|error| {
        let uri = format!("gs://{}/{}", plan.bucket, source.object);
        Failure::from(error).context(format!("cannot write '{uri}'"))
    })?;
    Ok(object.generation)
}
