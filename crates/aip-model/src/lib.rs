//! aip-model
