//! MLflow: resolve a model URI, list and download artifacts, read MLmodel.
