//! Content on its way to disk.

use std::fs::File;
use std::io::Write as _;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use tempfile::TempPath;

use super::checksum::{Expected, Hasher, md5_of};
use super::store::{Content, Store};
use crate::error::ApiError;

/// Writes and hashes in one pass, in constant memory.
///
/// Writes block, but only for as long as it takes to copy a piece into the
/// page cache, which is less than handing it to another thread would take.
pub(super) struct Writer {
    file: File,
    path: TempPath,
    size: u64,
    hasher: Hasher,
}

impl Writer {
    pub(super) fn new(store: &Store, with_md5: bool) -> Result<Self, ApiError> {
        let (file, path) = store.incoming()?;
        Ok(Self { file, path, size: 0, hasher: Hasher::new(with_md5) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn finish(self, expected: &[Expected]) -> Result<Content, ApiError> {
        let mut sums = self.hasher.finish();
        if sums.md5.is_none() && expected.iter().any(Expected::needs_md5) {
            sums.md5 = Some(md5_of(&self.path)?);
        }
        for expected in expected {
            expected.check(&sums)?;
        }
        Ok(Content { path: self.path, size: self.size, sums, component_count: None })
    }
}

/// A request's body, piece by piece.
pub(super) struct Pieces(BodyDataStream);

impl Pieces {
    pub(super) fn new(body: Body) -> Self {
        Self(body.into_data_stream())
    }

    pub(super) async fn next(&mut self) -> Result<Option<bytes::Bytes>, ApiError> {
        let piece = self.0.next().await.transpose();
        piece.map_err(|err| {
            let message = format!("The request's body broke off: {err}");
            ApiError::storage(503, "backendError", message)
        })
    }
}
