//! Resumable uploads: a session takes an object in chunks, and whatever
//! breaks, it can be asked how much it has.

use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::watch;

use super::checksum::{Expected, md5_of};
use super::content::Pieces;
use super::params::Origin;
use super::range::ContentRange;
use super::session::{Appender, Partial, Session, State};
use super::store::Content;
use super::upload::{Draft, header};
use crate::error::ApiError;
use crate::state::App;

/// The body of the request that starts a session is the object's metadata.
const MAX_METADATA: usize = 1024 * 1024;

/// What the session's address begins with: what its first request asked to be
/// told, it is told in the end.
pub(super) fn address(path: &str, query: &str) -> String {
    let fields = query.split('&').find(|pair| pair.starts_with("fields="));
    let fields = fields.map(|fields| format!("&{fields}")).unwrap_or_default();
    format!("{path}?uploadType=resumable{fields}")
}

/// Starts a session, whose address is all that is needed to use it.
pub(super) async fn start(
    app: &App,
    address: &str,
    mut draft: Draft,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let metadata = axum::body::to_bytes(body, MAX_METADATA).await;
    draft.describe(&metadata.map_err(|err| invalid(&err.to_string()))?)?;
    if draft.settings.content_type.is_none() {
        draft.settings.content_type = header(headers, "x-upload-content-type");
    }
    draft.check(app)?;
    let declared = header(headers, "x-upload-content-length")
        .map(|length| length.parse().map_err(|_| invalid("Invalid X-Upload-Content-Length.")))
        .transpose()?;
    let id = app.sessions.start(&app.storage, draft, declared)?;
    let location = format!("{address}&upload_id={id}");
    Ok([(LOCATION, location), (HeaderName::from_static("x-guploader-uploadid"), id)]
        .into_response())
}

/// A request to a session's address.
pub(super) async fn request(
    app: &App,
    origin: &Origin,
    id: &str,
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let session = app.sessions.get(id)?;
    session.requests.send_modify(|count| *count += 1);
    let newer = session.requests.subscribe();
    let mut state = session.state.lock().await;
    if method == Method::DELETE {
        *state = State::Gone;
        app.sessions.ended(id);
        return Err(ApiError::storage(499, "cancelled", "The upload was cancelled."));
    }
    let partial = match &mut *state {
        State::Open(partial) => partial,
        // The answer to the last request may have been lost
        State::Done(object) => return Ok(Json(object.resource(origin)).into_response()),
        State::Gone => return Err(ApiError::storage(410, "gone", "The upload session is gone.")),
    };
    let range = content_range(headers)?;
    let expected = Expected::from_headers(headers)?;
    let total = known_total(range, partial)?;
    let length = check(range, total, partial.persisted, headers)?;
    partial.total = total;
    let before = (partial.persisted, partial.hasher.clone());
    let mut upload = Upload { range, length, partial, newer };
    let outcome = upload.receive(body).await;
    if outcome.as_ref().is_err_and(|err| err.code() == 400) {
        (partial.persisted, partial.hasher) = before;
    }
    let end = outcome?;
    let total = if range == ContentRange::Whole { total.or(Some(end)) } else { total };
    if total != Some(end) {
        return Ok(incomplete(partial.persisted, headers));
    }
    app.sessions.ended(id);
    finalize(app, origin, &session, &mut state, &expected)
}

fn content_range(headers: &HeaderMap) -> Result<ContentRange, ApiError> {
    let Some(header) = header(headers, CONTENT_RANGE.as_str()) else {
        return Ok(ContentRange::Whole);
    };
    ContentRange::parse(&header)
        .ok_or_else(|| invalid(&format!("Failed to parse Content-Range header '{header}'.")))
}

/// The object's size, as this request or one before says.
fn known_total(range: ContentRange, partial: &Partial) -> Result<Option<u64>, ApiError> {
    let total = range.total().or(partial.total);
    if let (Some(known), Some(total)) = (partial.total, total)
        && known != total
    {
        return Err(invalid(&format!(
            "The object's size is {total} according to the Content-Range header, and was {known} \
             according to a request before."
        )));
    }
    if let (Some(end), Some(total)) = (range.end(), total)
        && end > total
    {
        return Err(invalid("The Content-Range header goes beyond the object's size."));
    }
    if total.is_some_and(|total| total < partial.persisted) {
        return Err(invalid("The object's size is less than what has been uploaded already."));
    }
    Ok(total)
}

/// Refuses what would hide a mistake of the client; gives the length of the
/// request's body, if it is known.
fn check(
    range: ContentRange,
    total: Option<u64>,
    persisted: u64,
    headers: &HeaderMap,
) -> Result<Option<u64>, ApiError> {
    if range.first() > persisted {
        let message = format!(
            "Invalid request.  According to the Content-Range header, the upload offset is {} \
             byte(s), which exceeds already uploaded size of {persisted} byte(s).",
            range.first()
        );
        return Err(ApiError::storage(503, "backendError", message));
    }
    if range.is_ragged(total) {
        return Err(invalid(
            "Invalid request.  The number of bytes uploaded is required to be a multiple of \
             262144, except for the final request.",
        ));
    }
    let declared = match range {
        ContentRange::Whole => total,
        _ => range.length(),
    };
    let sent: Option<u64> = header(headers, CONTENT_LENGTH.as_str()).and_then(|l| l.parse().ok());
    match (declared, sent) {
        (Some(declared), Some(sent)) if declared != sent => Err(mismatch(declared, sent)),
        (declared, _) => Ok(declared),
    }
}

/// The content of one request.
struct Upload<'a> {
    range: ContentRange,
    length: Option<u64>,
    partial: &'a mut Partial,
    newer: watch::Receiver<u64>,
}

impl Upload<'_> {
    /// Appends what is new, and gives where the content now ends. What the
    /// session has already is skipped: it is safe, the resent bytes may not be.
    async fn receive(&mut self, body: Body) -> Result<u64, ApiError> {
        let mut pieces = Pieces::new(body);
        let mut appender = Appender::new(self.partial)?;
        let mut received = 0;
        let mut skip = self.partial.persisted - self.range.first();
        while let Some(piece) = self.next(&mut pieces).await? {
            received += piece.len() as u64;
            if let Some(length) = self.length
                && received > length
            {
                return Err(mismatch(length, received));
            }
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            skip -= known as u64;
            appender.write(&piece[known..], self.partial)?;
        }
        match self.length {
            Some(length) if received != length => Err(mismatch(length, received)),
            _ => {
                appender.save(self.partial);
                Ok(appender.position())
            }
        }
    }

    async fn next(&mut self, pieces: &mut Pieces) -> Result<Option<bytes::Bytes>, ApiError> {
        tokio::select! {
            piece = pieces.next() => piece,
            _ = self.newer.changed() => {
                Err(ApiError::storage(503, "backendError", "A newer request took over."))
            }
        }
    }
}

/// Makes the object, or ends the session: what has been sent is not what was
/// promised, and sending more does not change that.
fn finalize(
    app: &App,
    origin: &Origin,
    session: &Session,
    state: &mut State,
    expected: &Expected,
) -> Result<Response, ApiError> {
    let State::Open(partial) = std::mem::replace(state, State::Gone) else {
        return Err(ApiError::storage(410, "gone", "The upload session is gone."));
    };
    let Partial { path, persisted: size, hasher, .. } = partial;
    let mut sums = hasher.finish();
    let draft = &session.draft;
    if sums.md5.is_none() && draft.expected.iter().chain([expected]).any(Expected::needs_md5) {
        sums.md5 = Some(md5_of(&path)?);
    }
    expected.check(&sums)?;
    draft.expected.iter().try_for_each(|expected| expected.check(&sums))?;
    let content = Content { path, size, sums, component_count: None };
    let settings = draft.settings.clone();
    let object =
        app.storage.put(&draft.bucket, &draft.name, settings, content, &draft.conditions)?;
    let answer = Json(object.resource(origin)).into_response();
    *state = State::Done(object);
    Ok(answer)
}

/// "Resume Incomplete", with how much there is. Go's HTTP client takes 308 for
/// a redirect, so Google's lets the server say it in another way.
fn incomplete(persisted: u64, headers: &HeaderMap) -> Response {
    let no_308 = header(headers, "x-guploader-no-308").is_some_and(|value| value == "yes");
    let mut answer = if no_308 {
        [("x-http-status-code-override", "308")].into_response()
    } else {
        StatusCode::PERMANENT_REDIRECT.into_response()
    };
    if persisted > 0
        && let Ok(range) = format!("bytes=0-{}", persisted - 1).parse()
    {
        answer.headers_mut().insert(RANGE, range);
    }
    answer
}

fn mismatch(length: u64, received: u64) -> ApiError {
    invalid(&format!(
        "Invalid request.  According to the headers the request holds {length} byte(s), but it \
         holds {received}."
    ))
}

fn invalid(message: &str) -> ApiError {
    ApiError::storage(400, "invalid", message)
}
