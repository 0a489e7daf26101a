//! Stores behind the server, which URLs that it makes lead to.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use transport::HttpError;
use ureq::Agent;
use url::Url;

use crate::login::Tls;

/// One client for each store, by scheme, host and port: a handshake serves the
/// next file as well. A store is not the server: it is trusted as any host on
/// the network is, and not told who we are.
#[derive(Debug)]
pub(crate) struct Stores {
    tls: Tls,
    agents: Mutex<BTreeMap<String, Agent>>,
}

impl Stores {
    pub(crate) fn new(tls: Tls) -> Self {
        Self { tls, agents: Mutex::default() }
    }

    pub(crate) fn agent(&self, url: &str) -> Result<Agent, HttpError> {
        let unusable = |error: &dyn Display| HttpError::unreadable("GET", url, &error);
        let parsed = Url::parse(url).map_err(|error| unusable(&error))?;
        let origin = parsed.origin().ascii_serialization();
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&origin) {
            return Ok(agent.clone());
        }
        let tls = self.tls.of_stores(url).map_err(|error| unusable(&error))?;
        let agent = transport::agent_with(url, tls, transport::silence());
        agents.insert(origin, agent.clone());
        Ok(agent)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers as often as it is asked; how often somebody came is counted.
    fn store() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let came = Arc::new(AtomicUsize::new(0));
        let count = came.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    for _ in lines.map_while(Result::ok).filter(String::is_empty) {
                        stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\nx").unwrap();
                    }
                });
            }
        });
        (url, came)
    }

    #[test]
    fn who_is_asked_again_is_not_greeted_again() {
        let ((one, came_to_one), (other, came_to_other)) = (store(), store());
        let stores = Stores::new(Tls::default());
        for signature in 0..3 {
            for store in [&one, &other] {
                let url = format!("{store}/x?signature={signature}");
                let mut answer = stores.agent(&url).unwrap().get(&url).call().unwrap();
                assert_eq!(answer.body_mut().read_to_string().unwrap(), "x");
            }
        }
        let came = [came_to_one, came_to_other].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(came, [1, 1]);
        assert!(stores.agent("no URL").is_err());
    }
}
