//! An endpoint and what is deployed to it, as they are kept and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::Place;
use super::split::Traffic;
use crate::api::shown::extend;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Endpoint {
    /// The fields that the client set, without the traffic
    pub spec: Map<String, Value>,
    pub create_time: String,
    pub update_time: String,
    pub etag: String,
    pub traffic: Traffic,
    pub deployed: BTreeMap<String, Deployed>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Deployed {
    /// The fields that the client set, without id and model
    pub spec: Map<String, Value>,
    pub model: String,
    pub version: u32,
    pub create_time: String,
}

impl Endpoint {
    pub(super) fn is_dedicated(&self) -> bool {
        self.spec.get("dedicatedEndpointEnabled").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Of what is deployed
    pub(super) fn ids(&self) -> Vec<&str> {
        self.deployed.keys().map(String::as_str).collect()
    }

    /// The resource as the API shows it; `dns` is where dedicated endpoints
    /// are asked.
    pub(super) fn show(&self, place: &Place, id: &str, dns: &str) -> Value {
        let mut shown = json!({ "name": place.endpoint(id) });
        extend(&mut shown, &self.spec);
        if self.is_dedicated() {
            shown["dedicatedEndpointDns"] = dns.into();
        }
        let deployed = self.deployed.iter().map(|(id, deployed)| deployed.show(place, id));
        let deployed: Vec<Value> = deployed.collect();
        if !deployed.is_empty() {
            shown["deployedModels"] = deployed.into();
        }
        if !self.traffic.is_empty() {
            shown["trafficSplit"] = json!(self.traffic);
        }
        shown["createTime"] = self.create_time.clone().into();
        shown["updateTime"] = self.update_time.clone().into();
        shown["etag"] = self.etag.clone().into();
        shown
    }
}

impl Deployed {
    pub(super) fn show(&self, place: &Place, id: &str) -> Value {
        let model = format!("{}@{}", place.model(&self.model), self.version);
        let mut shown = json!({ "id": id, "model": model });
        extend(&mut shown, &self.spec);
        shown["modelVersionId"] = self.version.to_string().into();
        shown["createTime"] = self.create_time.clone().into();
        shown
    }
}
