//! Which parameters a method's address has, as Google's description says.

const LIST: &[&str] = &["filter", "orderBy", "pageSize", "pageToken", "readMask"];
const ENDPOINTS: &[&str] = &["filter", "gdcZone", "orderBy", "pageSize", "pageToken", "readMask"];
const JOBS: &[&str] = &["filter", "pageSize", "pageToken", "readMask"];
const OPERATIONS: &[&str] = &["filter", "pageSize", "pageToken", "returnPartialSuccess"];

pub(super) fn of(method: &str, segments: &[&str], verb: &str) -> &'static [&'static str] {
    match (method, segments, verb) {
        ("GET", ["models"], "") | ("GET", ["models", _], "listVersions") => LIST,
        ("GET", ["endpoints"], "") => ENDPOINTS,
        ("GET", ["batchPredictionJobs"], "") => JOBS,
        ("GET", [.., "operations"], "") => OPERATIONS,
        ("POST", [.., "operations", _], "wait") => &["timeout"],
        ("POST", ["endpoints"], "") => &["endpointId"],
        ("PATCH", _, "") => &["updateMask"],
        (_, _, "getIamPolicy") => &["options.requestedPolicyVersion"],
        (_, _, "testIamPermissions") => &["permissions"],
        _ => &[],
    }
}
