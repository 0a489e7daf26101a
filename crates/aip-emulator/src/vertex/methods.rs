//! The names of the API's methods, as Google's description has them.

macro_rules! in_place {
    ($($name:literal $verb:ident $path:literal;)*) => {
        &[$((concat!("aiplatform.projects.locations.", $name), stringify!($verb), $path)),*]
    };
}

/// Below a place. `*` is one segment, `**` all that follow.
const IN_PLACE: &[(&str, &str, &str)] = in_place! {
    "models.upload" POST "models:upload";
    "models.list" GET "models";
    "models.get" GET "models/*";
    "models.patch" PATCH "models/*";
    "models.delete" DELETE "models/*";
    "models.listVersions" GET "models/*:listVersions";
    "models.deleteVersion" DELETE "models/*:deleteVersion";
    "models.mergeVersionAliases" POST "models/*:mergeVersionAliases";
    "endpoints.create" POST "endpoints";
    "endpoints.list" GET "endpoints";
    "endpoints.get" GET "endpoints/*";
    "endpoints.patch" PATCH "endpoints/*";
    "endpoints.update" POST "endpoints/*:update";
    "endpoints.delete" DELETE "endpoints/*";
    "endpoints.deployModel" POST "endpoints/*:deployModel";
    "endpoints.undeployModel" POST "endpoints/*:undeployModel";
    "endpoints.mutateDeployedModel" POST "endpoints/*:mutateDeployedModel";
    "endpoints.predict" POST "endpoints/*:predict";
    "endpoints.rawPredict" POST "endpoints/*:rawPredict";
    "endpoints.streamRawPredict" POST "endpoints/*:streamRawPredict";
    "endpoints.explain" POST "endpoints/*:explain";
    "endpoints.invoke.invoke" POST "endpoints/*/invoke/**";
    "endpoints.deployedModels.invoke.invoke" POST "endpoints/*/deployedModels/*/invoke/**";
    "batchPredictionJobs.create" POST "batchPredictionJobs";
    "batchPredictionJobs.list" GET "batchPredictionJobs";
    "batchPredictionJobs.get" GET "batchPredictionJobs/*";
    "batchPredictionJobs.cancel" POST "batchPredictionJobs/*:cancel";
    "batchPredictionJobs.delete" DELETE "batchPredictionJobs/*";
    "operations.list" GET "operations";
    "operations.get" GET "operations/*";
    "operations.wait" POST "operations/*:wait";
    "operations.cancel" POST "operations/*:cancel";
    "operations.delete" DELETE "operations/*";
};

const LOGS: &str = "logging.entries.list";

pub(crate) fn is_method(name: &str) -> bool {
    name == LOGS || IN_PLACE.iter().any(|(known, ..)| *known == name)
}

/// The method that a request calls. Operations have the same one whatever they
/// belong to.
pub(crate) fn method(verb: &str, path: &str) -> Option<&'static str> {
    if verb == "POST" && path == "/v2/entries:list" {
        return Some(LOGS);
    }
    let mut segments = path.trim_start_matches('/').splitn(6, '/');
    let root = segments.next()?;
    let fixed = [segments.next()?, segments.nth(1)?];
    let rest = segments.nth(1)?;
    if !["v1", "v1beta1", "ui"].contains(&root) || fixed != ["projects", "locations"] {
        return None;
    }
    let rest = rest.find("/operations").map_or(rest, |at| &rest[at + 1..]);
    let found =
        IN_PLACE.iter().find(|(_, known, pattern)| *known == verb && matches(pattern, rest));
    found.map(|(name, ..)| *name)
}

fn matches(pattern: &str, path: &str) -> bool {
    if let Some(start) = pattern.strip_suffix("/**") {
        let count = start.split('/').count();
        let mut parts = path.splitn(count + 1, '/');
        let is_start = start.split('/').all(|wanted| parts.next().is_some_and(|p| same(wanted, p)));
        return is_start && parts.next().is_some();
    }
    let (pattern, wanted) = split_verb(pattern);
    let (path, verb) = split_verb(path);
    wanted == verb
        && pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(|(wanted, part)| same(wanted, part))
}

fn same(wanted: &str, part: &str) -> bool {
    wanted == "*" || wanted == part
}

fn split_verb(path: &str) -> (&str, Option<&str>) {
    path.rsplit_once(':').map_or((path, None), |(name, verb)| (name, Some(verb)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_find_their_method() {
        for (verb, path, expected) in [
            ("POST", "models:upload", Some("models.upload")),
            ("GET", "models/iris@2", Some("models.get")),
            ("POST", "endpoints/e:predict", Some("endpoints.predict")),
            ("GET", "endpoints/e/operations/1", Some("operations.get")),
            ("POST", "operations/1:wait", Some("operations.wait")),
            (
                "POST",
                "endpoints/e/deployedModels/1/invoke/a/b:c",
                Some("endpoints.deployedModels.invoke.invoke"),
            ),
            ("GET", "endpoints/e:predict", None),
            ("GET", "builds", None),
        ] {
            for root in ["v1", "v1beta1", "ui"] {
                let path = format!("/{root}/projects/p/locations/l/{path}");
                let expected = expected.map(|name| format!("aiplatform.projects.locations.{name}"));
                assert_eq!(method(verb, &path), expected.as_deref(), "{verb} {path}");
                assert!(expected.is_none_or(|name| is_method(&name)));
            }
        }
        assert_eq!(method("POST", "/v2/entries:list"), Some("logging.entries.list"));
        assert_eq!(method("GET", "/v1/projects/p/models"), None);
        assert!(!is_method("aiplatform.projects.locations.models.fly"));
    }
}
