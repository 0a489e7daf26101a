//! What Google's newer APIs have in common on the wire, and their emulations
//! behind it.

pub(crate) mod labels;
pub(crate) mod mask;
pub(crate) mod outcome;
pub(crate) mod project;
pub(crate) mod query;
pub(crate) mod refusal;
pub(crate) mod running;
pub(crate) mod saved;
pub(crate) mod schema;
pub(crate) mod shown;
pub(crate) mod stamp;
