//! Content that is stored compressed, for clients that did not ask for it so.

use std::fs::File;
use std::io::Read as _;

use axum::body::{Body, Bytes};
use flate2::read::MultiGzDecoder;
use tokio::sync::mpsc;

use super::object::Object;

const PIECE: usize = 64 * 1024;

/// Does the service unpack this object before sending it?
pub(super) fn applies(object: &Object, accept_encoding: Option<&str>) -> bool {
    let stored = object.settings.content_encoding.as_deref() == Some("gzip");
    let cache_control = object.settings.cache_control.as_deref().unwrap_or_default();
    let accepted = accept_encoding.is_some_and(|accepted| accepted.contains("gzip"));
    stored && !accepted && !cache_control.contains("no-transform")
}

/// Unpacks on a thread of its own, no faster than the client reads.
pub(super) fn unpack(file: File) -> Body {
    let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(2);
    tokio::task::spawn_blocking(move || {
        let mut reader = MultiGzDecoder::new(file);
        let mut piece = vec![0; PIECE];
        loop {
            let read = match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => Ok(Bytes::copy_from_slice(&piece[..read])),
                Err(err) => Err(err),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    Body::from_stream(futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    }))
}
