//! Python environments and the workers that run in them.
