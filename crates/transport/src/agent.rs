//! The HTTP client that moves bytes.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::proxy::proxy;

/// A client for this host. Errors come back as answers, so that their bodies
/// can be read; redirects are not followed, for a credential would go along
/// and a resumable upload answers 308. No proxy stands before loopback, nor before a
/// metadata server.
///
/// There is no limit on a whole transfer, only on silence.
pub fn agent(url: &str) -> Agent {
    agent_with(url, TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build(), silence())
}

/// The same where somebody says whom to trust, or who we are, and how long the
/// other side may say nothing.
pub fn agent_with(url: &str, tls: TlsConfig, silence: Duration) -> Agent {
    build(url, tls, silence, 128 * 1024, 128 * 1024)
}

/// The same for many that send at once and are told little: each connection has
/// its buffers, and most of a tool's memory is theirs.
pub fn sending_agent(url: &str) -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    build(url, tls, silence(), 16 * 1024, 64 * 1024)
}

/// As many connections as there may be workers: one that a worker has used is
/// there for its next file.
const CONNECTIONS: usize = 256;

fn build(url: &str, tls: TlsConfig, silence: Duration, input: usize, output: usize) -> Agent {
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_per_read(Some(silence))
        .timeout_per_write(Some(silence))
        .max_idle_connections(CONNECTIONS)
        .max_idle_connections_per_host(CONNECTIONS)
        .input_buffer_size(input)
        .output_buffer_size(output)
        .user_agent(concat!("mlflow-aip/", env!("CARGO_PKG_VERSION")))
        .proxy(proxy(url));
    config.build().into()
}

/// How long the other side may say nothing: `AIP_HTTP_TIMEOUT` in seconds, else
/// two minutes. A model that is asked for predictions may think for one.
pub fn silence() -> Duration {
    let seconds = std::env::var("AIP_HTTP_TIMEOUT").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.filter(|seconds| *seconds > 0).unwrap_or(120))
}
