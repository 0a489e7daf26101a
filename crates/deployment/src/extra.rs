//! Fields this build does not know: kept as they came.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub type Extra = serde_json::Map<String, serde_json::Value>;

/// [`Extra`] of what there may be a hundred thousand of: a pointer, for there
/// hardly ever is any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rest(Option<Box<Extra>>);

impl Rest {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<Extra> for Rest {
    fn from(extra: Extra) -> Self {
        Self((!extra.is_empty()).then(|| Box::new(extra)))
    }
}

impl Serialize for Rest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(extra) => extra.serialize(serializer),
            None => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Extra::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use crate::File;

    #[test]
    fn unknown_fields_of_a_file_are_kept_and_take_no_place_where_there_are_none() {
        let text = r#"{"path":"a","size":1,"sha256":"s","crc32c":"c","big":[1.50]}"#;
        let file: File = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&file).unwrap(), text);
        assert!(!file.extra.is_empty() && File::default().extra.is_empty());
        assert!(size_of::<File>() <= 128, "{}", size_of::<File>());
    }
}
