//! The tool as it is run: arguments and servers in; stdout, stderr, status and
//! files out.

mod fetch;
mod hostile;
#[cfg(test)]
mod login;
#[cfg(test)]
mod resume;
mod routes;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod support;
