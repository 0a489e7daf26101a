//! The work, in order: find, list, look at MLmodel, download, record.

use std::io::Read;

use deployment::{Deployment, Fetch};
use mlflow::{Error, MAX_MLMODEL_BYTES, MlModel, ModelUri, Resolved, Store, resolve};
use stage::{Failure, Output, Process, settings};
use transport::{Digest, retry};

use crate::bring::bring;
use crate::origin::Origin;
use crate::record::{STAGE, describe, digest, note, undownloaded, warn};
use crate::{Args, connect, leave, origin, place};

pub(crate) fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    let mut document = process.document_or_default(args.document.as_deref())?;
    if let Some(rate) = args.limit_rate {
        transport::limit_rate(rate);
    }
    let spec = &mut document.spec;
    let (argument, flag) = (args.model.clone(), args.model_uri.clone());
    let wanted = settings::MODEL_URI.require_of(argument, flag, &mut spec.model_uri)?;
    let uri: ModelUri = wanted.trim().parse()?;
    let tracking = connect::connect(args, spec, &uri)?;
    let resolved = resolve(&uri, tracking.as_ref())?;
    log::debug!("{uri} is {}, kept at '{}'", resolved.uri, resolved.location);
    let mut origin = origin::find(args, tracking.as_ref(), &resolved)?;
    let mlmodel = read_mlmodel(&resolved, &origin)?;
    let model = MlModel::parse(&mlmodel)?;
    if model.pyfunc().is_none() {
        return Err(no_pyfunc(&model));
    }
    let left = leave::what(args, spec, &mut origin, &model)?;
    let store = Store::new(&place::directory(args, spec, &resolved, &origin)?)?;
    let store = store.of_part(origin.is_part).of_unfinished(resolved.served.unfinished);
    store.claim()?;
    let mut fetch = describe(&resolved, model, store.directory());
    let left = leave::describe(&resolved, left);
    if document.spec.dry_run {
        fetch.files = undownloaded(&origin.entries);
        process.would(&format!(
            "{} files, {} bytes, would go to '{}'",
            fetch.files.len(),
            fetch.files.iter().map(|file| file.size).sum::<u64>(),
            fetch.directory
        ));
        fetch.files.extend(left);
    } else {
        let identity = place::identity(&document.spec, &resolved, &mlmodel);
        let (files, came) = bring(process, args, &mut origin, &store, &identity, &fetch)?;
        fetch.files = files;
        note(&mut fetch, origin.way, came);
        fetch.files.extend(left);
        fetch.digest = digest(&fetch.files);
    }
    fetch.files.sort_by(|one, other| one.path.cmp(&other.path));
    // There may be a hundred thousand of them.
    drop(origin);
    finish(&mut document, &resolved, fetch);
    Ok(document.into())
}

/// Results of an earlier fetch go with it.
fn finish(document: &mut Deployment, resolved: &Resolved, fetch: Fetch) {
    document.forget_results(STAGE);
    warn(document, resolved, &fetch);
    document.stages.fetch = Some(fetch);
}

/// MLmodel is small and says whether the rest is worth the way.
fn read_mlmodel(resolved: &Resolved, origin: &Origin) -> Result<Vec<u8>, Failure> {
    let Some(entry) = origin.entries.iter().find(|entry| entry.path == "MLmodel") else {
        return Err(no_mlmodel(resolved, origin));
    };
    let read = || {
        let mut bytes = Vec::new();
        let content = origin.source.open(entry, None)?.content;
        let read = content.take(MAX_MLMODEL_BYTES + 1).read_to_end(&mut bytes);
        let (path, got) = (entry.path.clone(), bytes.len() as u64);
        read.map(|_| bytes).map_err(|source| Error::Interrupted { path, got, source })
    };
    let bytes = retry(&origin.source.retries(), read)?;
    if bytes.len() as u64 > MAX_MLMODEL_BYTES {
        return Err(Failure::failed("MLmodel is larger than 4 MiB"));
    }
    entry.check(&Digest::of_bytes(&bytes))?;
    Ok(bytes)
}

fn no_mlmodel(resolved: &Resolved, origin: &Origin) -> Failure {
    let paths = || origin.entries.iter().map(|entry| entry.path.as_str());
    let below: Vec<_> = paths().filter_map(|path| path.strip_suffix("/MLmodel")).take(10).collect();
    let hint = if below.is_empty() {
        let there: Vec<_> = paths().take(10).map(|path| format!("'{path}'")).collect();
        format!("it holds {}", there.join(", "))
    } else {
        let below: Vec<_> = below.iter().map(|path| format!("'{path}'")).collect();
        format!("there are models below it: add {}", below.join(" or "))
    };
    let message = format!("there is no MLmodel in '{}'", resolved.uri);
    Failure::from(Error::Missing { message, hint: Some(hint) })
}

fn no_pyfunc(model: &MlModel) -> Failure {
    let flavors: Vec<_> = model.flavors.keys().map(String::as_str).collect();
    Failure::failed("the model has no python_function flavor, so nothing here can serve it").hint(
        match flavors.as_slice() {
            [] => "MLmodel names no flavors at all".into(),
            _ => {
                format!("its flavors: {}; log it with an MLflow Python flavor", flavors.join(", "))
            }
        },
    )
}
