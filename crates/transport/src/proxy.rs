//! Which proxy stands before a host, by the variables that all tools read.

use std::net::IpAddr;

use ureq::Proxy;
use url::{Host, Url};

use crate::host::{is_link_local, is_loopback};

/// The scheme's own proxy, else everybody's; none for hosts that are excepted.
/// A proxy that is set and cannot be used is said, for what is behind it will
/// not be reached.
pub(crate) fn proxy(url: &str) -> Option<Proxy> {
    let (name, value) = set(url)?;
    match Proxy::new(&value) {
        Ok(proxy) => Some(proxy),
        Err(error) => {
            log::warn!("environment variable '{name}' names no usable proxy: {error}");
            None
        }
    }
}

/// The variable that names the proxy before a host: what fails may be its fault.
pub(crate) fn named_by(url: &str) -> Option<String> {
    set(url).map(|(name, _)| name)
}

/// None stands before this machine, nor before a metadata server.
fn set(url: &str) -> Option<(String, String)> {
    if is_loopback(url) || is_link_local(url) {
        return None;
    }
    choose(url, |name| std::env::var(name).ok())
}

fn choose(url: &str, env: impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let url = Url::parse(url).ok()?;
    // The small names count more, and a web server sets HTTP_PROXY from a
    // request's header `Proxy`, which nobody should believe.
    let find = |name: String| {
        let upper = name.to_ascii_uppercase();
        let names = if upper == "HTTP_PROXY" && env("REQUEST_METHOD").is_some() {
            vec![name]
        } else {
            vec![name, upper]
        };
        names.into_iter().find_map(|name| {
            let value = env(&name).filter(|value| !value.trim().is_empty())?;
            Some((name, value.trim().to_owned()))
        })
    };
    let found = find(format!("{}_proxy", url.scheme())).or_else(|| find("all_proxy".into()))?;
    let excepted = find("no_proxy".into()).is_some_and(|(_, list)| is_excepted(&url, &list));
    (!excepted).then_some(found)
}

/// `NO_PROXY`: hosts with all that is below them, addresses, networks, `*`; a
/// port after a host narrows it.
fn is_excepted(url: &Url, list: &str) -> bool {
    let Some(host) = url.host() else { return false };
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        match &host {
            Host::Domain(name) => {
                let (entry, port) = match entry.rsplit_once(':') {
                    Some((entry, port)) => (entry, port.parse().ok()),
                    None => (entry, None),
                };
                let entry = entry.trim_start_matches("*.").trim_start_matches('.');
                let name = name.trim_end_matches('.');
                let below = name.len().checked_sub(entry.len()).map(|at| name.split_at(at));
                let same = below.is_some_and(|(front, end)| {
                    end.eq_ignore_ascii_case(entry) && (front.is_empty() || front.ends_with('.'))
                });
                same && port.is_none_or(|port| url.port_or_known_default() == Some(port))
            }
            Host::Ipv4(address) => in_network((*address).into(), entry, url),
            Host::Ipv6(address) => in_network((*address).into(), entry, url),
        }
    })
}

fn in_network(address: IpAddr, entry: &str, url: &Url) -> bool {
    if let Ok(socket) = entry.parse::<std::net::SocketAddr>() {
        return socket.ip() == address && url.port_or_known_default() == Some(socket.port());
    }
    let (network, length) = entry.split_once('/').unwrap_or((entry, ""));
    let network = network.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let Ok(network) = network else { return false };
    let length = if length.is_empty() { Some(128) } else { length.parse::<u32>().ok() };
    let Some(length) = length.filter(|length| *length <= 128) else { return false };
    let differing = (bits(network) ^ bits(address)).checked_shr(128 - length).unwrap_or(0);
    network.is_ipv4() == address.is_ipv4() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, env: &[(&str, &str)]) -> Option<String> {
        let find = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).into());
        choose(url, find).map(|(_, value)| value)
    }

    #[test]
    fn each_scheme_has_its_own() {
        let http = ("http_proxy", "http://plain");
        let https = ("HTTPS_PROXY", "http://tls");
        let all = ("ALL_PROXY", "http://all");
        assert_eq!(chosen("http://h", &[https, http]).unwrap(), "http://plain");
        assert_eq!(chosen("https://h", &[https, http]).unwrap(), "http://tls");
        assert_eq!(chosen("http://h", &[https]), None);
        assert_eq!(chosen("http://h", &[https, all]).unwrap(), "http://all");
        assert_eq!(chosen("http://h", &[("HTTP_PROXY", " ")]), None);
        let cgi = [("HTTP_PROXY", "http://evil"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen("http://h", &cgi), None);
    }

    #[test]
    fn some_hosts_have_none() {
        for (url, list, excepted) in [
            ("http://mlflow.example.com", "example.com", true),
            ("http://mlflow.example.com", ".example.com", true),
            ("http://mlflow.example.com", "*.example.com", true),
            ("http://MLflow.example.com", "mlflow.EXAMPLE.com", true),
            ("http://myexample.com", "example.com", false),
            ("http://example.com", "a.example.com", false),
            ("http://h:5000", "h:5000", true),
            ("http://h:5001", "h:5000", false),
            ("https://h", "h:443", true),
            ("http://h", "x, h", true),
            ("http://h", "*", true),
            ("http://10.1.2.3", "10.0.0.0/8", true),
            ("http://11.1.2.3", "10.0.0.0/8", false),
            ("http://10.1.2.3", "10.1.2.3", true),
            ("http://10.1.2.3:5000", "10.1.2.3:5000", true),
            ("http://10.1.2.3", "10.1.2", false),
            ("http://10.1.2.3", "10.0.0.0/x", false),
            ("http://10.1.2.3", "0.0.0.0/0", true),
            ("http://[fd00::1]", "fd00::/8", true),
            ("http://[fd00::1]", "10.0.0.0/8", false),
        ] {
            let chosen =
                chosen(url, &[("http_proxy", "p"), ("https_proxy", "p"), ("NO_PROXY", list)]);
            assert_eq!(chosen.is_none(), excepted, "{url} {list}");
        }
    }
}
