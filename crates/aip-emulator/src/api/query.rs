//! The parameters of a request's address.

use std::collections::HashMap;

use axum::extract::Query;
use axum::http::Uri;

use super::mask::camel;
use super::refusal::{malformed, unimplemented};
use crate::error::ApiError;

/// What every method has, also with a `$` before it. Clients send `trace`
/// although no document names it.
const STANDARD: [&str; 12] = [
    "xgafv",
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "trace",
    "uploadType",
    "upload_protocol",
];

/// The parameters, by their names in camel case. One that is neither standard
/// nor the method's `own` is a mistake that would otherwise go unnoticed.
pub(crate) fn read(uri: &Uri, own: &[&str]) -> Result<HashMap<String, String>, ApiError> {
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| malformed("The query of the request cannot be read."))?;
    let mut query = HashMap::new();
    for (name, value) in given {
        let standard = name.strip_prefix('$').unwrap_or(&name);
        let standard = standard.strip_prefix('.').unwrap_or(standard);
        if standard == "alt" {
            check_alt(&value)?;
        } else if own.contains(&camel(&name).as_str()) {
            query.insert(camel(&name), value);
        } else if !STANDARD.contains(&standard) {
            return Err(unknown(&name));
        }
    }
    Ok(query)
}

/// Answers are JSON, in which enumerations are words.
fn check_alt(alt: &str) -> Result<(), ApiError> {
    let (format, options) = alt.split_once(';').unwrap_or((alt, ""));
    let options_known = options.is_empty() || options.starts_with("enum-encoding=");
    match format {
        "json" if options_known => Ok(()),
        "media" | "proto" => Err(unimplemented("answers in another format than JSON")),
        _ => Err(malformed(&format!("Invalid value \"{alt}\" for the query parameter 'alt'."))),
    }
}

fn unknown(name: &str) -> ApiError {
    let text = format!(
        "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. \
         Field '{name}' could not be found in request message."
    );
    malformed(&text).with_field("", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(query: &str) -> Result<HashMap<String, String>, ApiError> {
        let uri = format!("http://h/v1/projects/p/models?{query}").parse().unwrap();
        read(&uri, &["filter", "pageSize", "pageToken"])
    }

    #[test]
    fn what_every_method_has_is_taken() {
        let standard = "alt=json&$alt=json%3Benum-encoding%3Dint&prettyPrint=false&fields=a&key=k\
                        &access_token=t&oauth_token=t&quotaUser=q&callback=c&uploadType=u\
                        &upload_protocol=u&$.xgafv=2";
        assert_eq!(models(standard).unwrap(), HashMap::new());
        let own = models("page_size=5&pageToken=x&alt=json").unwrap();
        assert_eq!((own["pageSize"].as_str(), own["pageToken"].as_str()), ("5", "x"));
    }

    #[test]
    fn what_no_method_has_is_refused() {
        let text = "Invalid JSON payload received. Unknown name \"bogus\": Cannot bind query \
                    parameter. Field 'bogus' could not be found in request message.";
        assert_eq!(models("bogus=1").unwrap_err().message(), text);
        for (query, code) in
            [("updateMask=x", 400), ("pagesize=1", 400), ("alt=xml", 400), ("alt=media", 501)]
        {
            assert_eq!(models(query).unwrap_err().code(), code, "{query}");
        }
    }
}
