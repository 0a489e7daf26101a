//! Container images without a daemon: references, layers, image layouts, and
//! the protocol that registries speak.
//!
//! Formats: the OCI image specification 1.1 (manifests, indexes, configurations
//! and layouts) and, to read, Docker's schema 2, which is the same under other
//! names. Protocol: the OCI distribution specification 1.1.

mod archive;
mod blobs;
mod digest;
mod error;
mod gzip;
mod image;
mod layout;
mod reference;
mod registry;

pub use archive::{Archive, Layer, Packed};
pub use blobs::{Blobs, NewBlob};
pub use digest::{Digest, DigestError};
pub use error::Error;
pub use image::{
    ContainerConfig, Descriptor, History, ImageConfig, Index, Manifest, Platform, RootFs, media,
};
pub use layout::{Image, Layout};
pub use reference::{Reference, ReferenceError};
pub use registry::{Credential, Missing, Push, Pushed, Registry, Resolved};
