//! How bytes move: what the MLflow and the Google clients share.
