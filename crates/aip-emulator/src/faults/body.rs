//! A body to which something happens on the way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use super::Armed;
use super::instruction::Fault;

/// How long what came before a break has to reach the peer.
const GRACE: Duration = Duration::from_millis(20);

/// Lets `left` bytes pass, then breaks off or stalls. The second value tells,
/// once the body has been read, whether the fault has struck.
pub(super) fn wrap(body: Body, left: u64, armed: Armed) -> (Body, Arc<AtomicBool>) {
    let struck = Arc::new(AtomicBool::new(false));
    let faulty = Faulty {
        stream: body.into_data_stream(),
        left,
        held: (left == 0).then(Bytes::new),
        armed: Some(armed),
        struck: struck.clone(),
    };
    let pieces = stream::unfold(faulty, |mut faulty| async move {
        faulty.next().await.map(|piece| (piece, faulty))
    });
    (Body::from_stream(pieces), struck)
}

struct Faulty {
    stream: BodyDataStream,
    left: u64,
    /// The bytes behind the point, once it has been reached
    held: Option<Bytes>,
    armed: Option<Armed>,
    struck: Arc<AtomicBool>,
}

impl Faulty {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Some(held) = self.held.take() {
            if let Err(err) = self.strike().await {
                return Some(Err(err));
            }
            if !held.is_empty() {
                return Some(Ok(held));
            }
        }
        let mut piece = match self.stream.next().await? {
            Ok(piece) => piece,
            Err(err) => return Some(Err(io::Error::other(err))),
        };
        if self.armed.is_some() && piece.len() as u64 >= self.left {
            let before = piece.split_to(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.held = Some(piece);
            return Some(Ok(before));
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        Some(Ok(piece))
    }

    async fn strike(&mut self) -> io::Result<()> {
        let Some(armed) = self.armed.take().filter(Armed::strike) else { return Ok(()) };
        self.struck.store(true, Ordering::SeqCst);
        if let Fault::Stall(time) = armed.instruction.fault {
            sleep(time).await;
            return Ok(());
        }
        sleep(GRACE).await;
        Err(io::Error::other("broken off on request"))
    }
}
