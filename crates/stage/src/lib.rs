//! The process around a stage.
