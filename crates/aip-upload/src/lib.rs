//! aip-upload
