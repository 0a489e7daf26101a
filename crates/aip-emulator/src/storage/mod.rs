//! Cloud Storage, JSON API v1.

mod buckets;
mod checksum;
mod content;
mod copy;
mod disk;
mod download;
#[doc(hidden)]
pub mod fuzzing;
mod list;
mod multipart;
mod name;
mod object;
mod objects;
mod page;
mod params;
mod precondition;
mod range;
mod resumable;
mod rewrite;
mod service;
mod session;
mod store;
mod transcode;
mod upload;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{any, get, post};

pub(crate) use multipart::{boundary, first_part};
pub(crate) use rewrite::Rewrites;
pub(crate) use service::NewObject;
pub(crate) use session::Sessions;
pub use store::{NoSuchBucket, ObjectMeta, Store};

use crate::fields;
use crate::state::App;

/// An object's name is one segment of the path: its slashes come as `%2F`.
pub(crate) fn router() -> Router<App> {
    let objects =
        get(objects::get).delete(objects::delete).patch(objects::patch).put(objects::update);
    Router::new()
        .route("/storage/v1/b", get(buckets::list).post(buckets::insert))
        .route("/storage/v1/b/{bucket}", get(buckets::get).delete(buckets::delete))
        .route("/storage/v1/b/{bucket}/storageLayout", get(buckets::storage_layout))
        .route("/storage/v1/b/{bucket}/o", get(list::list))
        .route("/storage/v1/b/{bucket}/o/{object}", objects)
        .route("/storage/v1/b/{bucket}/o/{object}/compose", post(copy::compose))
        .route("/storage/v1/b/{b}/o/{o}/rewriteTo/b/{bucket}/o/{object}", post(rewrite::rewrite))
        .route("/storage/v1/b/{b}/o/{o}/copyTo/b/{bucket}/o/{object}", post(copy::copy))
        .route("/download/storage/v1/b/{bucket}/o/{object}", get(download::get))
        .route("/upload/storage/v1/b/{bucket}/o", any(upload::handle))
        .route("/resumable/upload/storage/v1/b/{bucket}/o", any(upload::handle))
        .layer(from_fn(fields::select))
}
