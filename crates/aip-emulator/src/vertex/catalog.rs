//! What exists, by project number and location.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::job::Job;
use super::model::Model;
use super::names::Place;
use super::operation::Operation;
use super::refusal::{no_endpoint, no_model, not_found};
use crate::api::outcome::{Outcome, UNAVAILABLE};
use crate::error::ApiError;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Catalog {
    /// The ids of projects, by number, as far as they were ever named by id
    pub projects: BTreeMap<String, String>,
    places: BTreeMap<String, Contents>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    pub models: BTreeMap<String, Model>,
    pub endpoints: BTreeMap<String, Endpoint>,
    pub jobs: BTreeMap<String, Job>,
    pub operations: BTreeMap<String, Operation>,
}

impl Catalog {
    pub(super) fn at(&self, place: &Place) -> Option<&Contents> {
        self.places.get(&place.to_string())
    }

    pub(super) fn at_mut(&mut self, place: &Place) -> &mut Contents {
        self.places.entry(place.to_string()).or_default()
    }

    pub(super) fn model(&self, place: &Place, id: &str) -> Result<&Model, ApiError> {
        let found = self.at(place).and_then(|contents| contents.models.get(id));
        found.ok_or_else(|| no_model(&place.model(id)))
    }

    pub(super) fn model_mut(&mut self, place: &Place, id: &str) -> Result<&mut Model, ApiError> {
        let found = self.at_mut(place).models.get_mut(id);
        found.ok_or_else(|| no_model(&place.model(id)))
    }

    pub(super) fn endpoint(&self, place: &Place, id: &str) -> Result<&Endpoint, ApiError> {
        let found = self.at(place).and_then(|contents| contents.endpoints.get(id));
        found.ok_or_else(|| no_endpoint(&place.endpoint(id)))
    }

    pub(super) fn endpoint_mut(
        &mut self,
        place: &Place,
        id: &str,
    ) -> Result<&mut Endpoint, ApiError> {
        let found = self.at_mut(place).endpoints.get_mut(id);
        found.ok_or_else(|| no_endpoint(&place.endpoint(id)))
    }

    pub(super) fn job(&self, place: &Place, id: &str) -> Result<&Job, ApiError> {
        let found = self.at(place).and_then(|contents| contents.jobs.get(id));
        found.ok_or_else(|| not_found("BatchPredictionJob", &place.job(id)))
    }

    pub(super) fn job_mut(&mut self, place: &Place, id: &str) -> Result<&mut Job, ApiError> {
        let found = self.at_mut(place).jobs.get_mut(id);
        found.ok_or_else(|| not_found("BatchPredictionJob", &place.job(id)))
    }

    /// Where a model, or one of its versions, is deployed: pairs of endpoint
    /// and deployed model.
    pub(super) fn deployments<'a>(
        &'a self,
        place: &Place,
        model: &'a str,
        version: Option<u32>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let endpoints = self.at(place).into_iter().flat_map(|contents| &contents.endpoints);
        endpoints.flat_map(move |(endpoint, found)| {
            let of_model = found.deployed.iter().filter(move |(_, deployed)| {
                deployed.model == model && version.is_none_or(|wanted| wanted == deployed.version)
            });
            of_model.map(|(id, _)| (endpoint.as_str(), id.as_str()))
        })
    }

    /// The name by which people know a project, or its number.
    pub(super) fn project_id<'a>(&'a self, number: &'a str) -> &'a str {
        self.projects.get(number).map_or(number, String::as_str)
    }

    /// Ends what was under way when the emulator stopped.
    pub(super) fn close_interrupted(&mut self) {
        let message = "The emulator was stopped while the operation ran.";
        for contents in self.places.values_mut() {
            for operation in contents.operations.values_mut() {
                let message = message.to_owned();
                operation.finish(Outcome::Error { code: UNAVAILABLE, message });
            }
            for job in contents.jobs.values_mut() {
                job.interrupt(message);
            }
        }
    }
}
