//! mlf-fetch
