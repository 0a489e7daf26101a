//! Copies within the service: no byte comes here.

use transport::{HttpError, retry, success};
use ureq::SendBody;

use super::call::{Idempotency, read_json, with_query};
use super::{GsUri, ObjectMeta, Storage, uri};
use crate::Error;

/// What is copied where.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    pub from: &'a GsUri,
    /// The generation that it must still be.
    pub generation: Option<u64>,
    pub bucket: &'a str,
    pub name: &'a str,
    pub size: u64,
    /// As the service spells it.
    pub crc32c: &'a str,
    /// The generation this replaces; 0 where there must be none.
    pub replaces: u64,
}

impl Rewrite<'_> {
    fn is_done_by(&self, object: &ObjectMeta) -> bool {
        object.holds(self.size, self.crc32c)
    }
}

enum Step {
    Done(ObjectMeta),
    /// So much is done, and this token is for the next request.
    Until(u64, String),
}

impl Storage {
    /// Copies an object, across buckets and locations. `moved` hears how much
    /// of it is done. What someone else has put there meanwhile, with the same
    /// content, is as good.
    pub fn rewrite(
        &self,
        rewrite: &Rewrite,
        moved: &(dyn Fn(u64) + Sync),
    ) -> Result<ObjectMeta, Error> {
        let (mut token, mut done) = (None, 0);
        let idempotency = Idempotency::new();
        loop {
            if self.line.stop.is_set() {
                return Err(Error::Stopped);
            }
            // Each step that ends is progress, so the count of failures begins anew.
            let step = retry(&self.policy, || {
                self.with_token(|| self.rewrite_step(rewrite, token.as_deref(), &idempotency))
            });
            match step {
                Ok(Step::Until(so_far, next)) => {
                    moved(so_far.saturating_sub(done));
                    (token, done) = (Some(next), done.max(so_far));
                }
                Ok(Step::Done(object)) if rewrite.is_done_by(&object) => {
                    moved(rewrite.size.saturating_sub(done));
                    return Ok(object);
                }
                Ok(Step::Done(object)) => return Err(other(rewrite, &object)),
                Err(error) if error.status() == Some(412) => {
                    let there = self.get(rewrite.bucket, rewrite.name)?;
                    return there.filter(|there| rewrite.is_done_by(there)).ok_or(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// As a dry run shows it.
    pub fn describe_rewrite(&self, rewrite: &Rewrite) -> String {
        format!("POST {}", self.rewrite_url(rewrite, None))
    }

    fn rewrite_step(
        &self,
        rewrite: &Rewrite,
        token: Option<&str>,
        idempotency: &Idempotency,
    ) -> Result<Step, Error> {
        let url = self.rewrite_url(rewrite, token);
        let headers = [("content-length", "0".to_owned()), idempotency.header()];
        let answer = self.send("POST", &url, &headers, SendBody::none())?;
        let answer = read_json("POST", &url, success("POST", &url, answer)?)?;
        if answer["done"] == true {
            return Ok(Step::Done(ObjectMeta::parse("POST", &url, &answer["resource"])?));
        }
        let done = answer["totalBytesRewritten"].as_str().and_then(|text| text.parse().ok());
        let Some((done, token)) = done.zip(answer["rewriteToken"].as_str()) else {
            let message = "the answer is neither done nor has it a token to go on with";
            return Err(HttpError::unreadable("POST", &url, &message).into());
        };
        Ok(Step::Until(done, token.to_owned()))
    }

    fn rewrite_url(&self, rewrite: &Rewrite, token: Option<&str>) -> String {
        let replaces = rewrite.replaces.to_string();
        let generation = rewrite.generation.map(|generation| generation.to_string());
        let fields = "done,rewriteToken,totalBytesRewritten,\
            resource(name,size,crc32c,generation)";
        let mut query = vec![("ifGenerationMatch", replaces.as_str()), ("fields", fields)];
        query.extend(generation.as_deref().map(|text| ("ifSourceGenerationMatch", text)));
        query.extend(token.map(|token| ("rewriteToken", token)));
        let from = self.object_url(&rewrite.from.bucket, &rewrite.from.name);
        let (bucket, name) = (uri::segment(rewrite.bucket), uri::segment(rewrite.name));
        with_query(&format!("{from}/rewriteTo/b/{bucket}/o/{name}"), &query)
    }
}

/// It is there all the same, and so is said aloud.
fn other(rewrite: &Rewrite, object: &ObjectMeta) -> Error {
    let message =
        format!("the copy has {}, not {} with {}", object.content(), rewrite.size, rewrite.crc32c);
    HttpError::unreadable("POST", &format!("gs://{}/{}", rewrite.bucket, rewrite.name), &message)
        .into()
}
