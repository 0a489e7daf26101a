//! aip-bundle
