//! The tool as it is run: arguments and servers in; stdout, stderr, status and
//! files out.
#![cfg(test)]

mod fetch;
mod hostile;
mod logged;
mod login;
mod resume;
mod routes;
mod sources;
mod support;
