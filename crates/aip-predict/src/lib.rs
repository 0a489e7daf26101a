//! aip-predict
