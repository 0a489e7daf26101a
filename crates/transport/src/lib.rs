//! How bytes move: what the MLflow and the Google clients share.
//!
//! One place each for hashing, retrying, what an HTTP error says, whether a
//! host may be trusted with a credential, how fast bytes may move, and work on
//! many files at once.

mod agent;
mod answer;
mod error;
mod host;
mod parallel;
mod proxy;
mod rate;
mod retry;

pub use agent::{agent, agent_with, sending_agent, silence};
pub use answer::{Answer, no_answer, no_answer_within, success};
pub use checksum::{Crc32c, Digest, Hashed, Hasher, crc32c_base64};
pub use error::{HttpError, MAX_ERROR_BODY};
pub use host::{is_link_local, is_loopback, may_carry_credentials, redact, without_secrets};
pub use parallel::for_each;
pub use rate::{NoRate, Paced, Rate, bytes_of, is_rate_limited, limit_rate, pace};
pub use retry::{Policy, Stop, Transient, retry, retry_moving};
