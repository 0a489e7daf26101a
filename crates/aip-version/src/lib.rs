//! aip-version
