//! Google Cloud: credentials, storage, AI Platform.
