//! The document that the tools exchange: types, parsing, versions, JSON Schema.
