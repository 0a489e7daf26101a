//! Google Cloud on loopback.
