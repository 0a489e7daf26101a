//! projects.locations.endpoints.deployModel

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::container_spec::is_invokable;
use super::endpoint::{Deployed, Endpoint};
use super::endpoints::touch;
use super::names::{Place, check_deployed_model_id, check_display_name, split_version};
use super::operation::{new_id, with_type};
use super::plan::{Plan, Tenant};
use super::refusal::{exists, invalid, no_model};
use super::router::Call;
use super::server::{NotServing, Server};
use super::split::read_new;
use super::{resources, schema};
use crate::api::outcome::{FAILED_PRECONDITION, Outcome};
use crate::api::stamp::precise_now;
use crate::error::ApiError;
use crate::say::say;
use crate::state::App;

/// One model on its way to an endpoint.
struct Deployment {
    app: App,
    place: Place,
    endpoint: String,
    id: String,
    deployed: Deployed,
    split: Option<Value>,
    operation: String,
}

pub(super) fn deploy(call: &Call, endpoint: &str) -> Result<Response, ApiError> {
    let mut request = schema::read("DeployModelRequest", &call.body)?;
    let Some(Value::Object(mut spec)) = request.remove("deployedModel") else {
        return Err(invalid("DeployModelRequest.deployed_model is required."));
    };
    let split = request.remove("trafficSplit");
    resources::check(&mut spec)?;
    let place = &call.place;
    let (id, deployed, operation) = call.vertex().catalog.change(|catalog| {
        let found = catalog.endpoint(place, endpoint)?;
        let id = new_deployed_id(&mut spec, found, &place.endpoint(endpoint))?;
        let deployed = resolve(catalog, place, spec, found)?;
        read_new(split.as_ref(), &found.ids(), &id)?;
        let target = format!("endpoints/{endpoint}");
        let operation = catalog.begin(place, &target, "DeployModelOperationMetadata");
        Ok((id, deployed, operation))
    })?;
    let deployment = Deployment {
        app: call.app.clone(),
        place: place.clone(),
        endpoint: endpoint.to_owned(),
        id,
        deployed,
        split,
        operation: operation.clone(),
    };
    deployment.note("STARTING_DEPLOYMENT");
    Ok(call.app.vertex.spawn(place, &operation, deployment.run()))
}

fn new_deployed_id(
    spec: &mut Map<String, Value>,
    endpoint: &Endpoint,
    name: &str,
) -> Result<String, ApiError> {
    let Some(Value::String(id)) = spec.remove("id").filter(|id| id != "") else {
        return Ok(new_id());
    };
    check_deployed_model_id(&id)?;
    if endpoint.deployed.contains_key(&id) {
        return Err(exists(&format!("{name}/deployedModels/{id}")));
    }
    Ok(id)
}

/// Finds the version that is meant, and completes the deployed model with it.
fn resolve(
    catalog: &Catalog,
    place: &Place,
    mut spec: Map<String, Value>,
    endpoint: &Endpoint,
) -> Result<Deployed, ApiError> {
    let Some(Value::String(name)) = spec.remove("model") else {
        return Err(invalid("DeployedModel.model is required."));
    };
    let found = place.id_in("models", &name).ok_or_else(|| no_model(&name))?;
    let (id, wanted) = split_version(found);
    let model = catalog.model(place, id)?;
    let version = model.find(&place.model(id), wanted)?;
    let found = &model.versions[&version];
    if is_invokable(found.container()) && !endpoint.is_dedicated() {
        let text = "A Model with invoke_route_prefix can only be deployed to a dedicated endpoint.";
        return Err(invalid(text));
    }
    let display_name =
        spec.entry("displayName").or_insert_with(|| found.text("displayName").into());
    check_display_name("DeployedModel", display_name.as_str().unwrap_or_default())?;
    Ok(Deployed { spec, model: id.to_owned(), version, create_time: precise_now() })
}

impl Deployment {
    fn note(&self, stage: &str) {
        self.app.vertex.note(&self.place, &self.operation, "deploymentStage", stage);
    }

    async fn run(self) {
        self.note("PREPARING_MODEL");
        let vertex = &self.app.vertex;
        let started = match vertex.plan(&self.place, &self.endpoint, &self.id, &self.deployed) {
            Ok(plan) => Server::start(vertex.host(&self.app), plan, |stage| self.note(stage)).await,
            Err(err) => Err(NotServing(err.message().to_owned())),
        };
        match started {
            Ok(server) => self.succeed(server).await,
            Err(failed) => self.fail(failed),
        }
    }

    async fn succeed(&self, server: Server) {
        let (vertex, name) = (&self.app.vertex, self.place.endpoint(&self.endpoint));
        vertex.0.serving.put(&name, &self.id, server).await;
        self.note("SUCCESSFULLY_DEPLOYED");
        let mut is_in = false;
        vertex.finish(&self.place, &self.operation, |catalog| {
            let shown = self.enter(catalog)?;
            is_in = true;
            Ok(Outcome::Response(with_type(
                "DeployModelResponse",
                json!({ "deployedModel": shown }),
            )))
        });
        if is_in {
            say(&format!("{}/{}: serving {}", self.endpoint, self.id, self.deployed.model));
        } else {
            self.note("FAILED_TO_DEPLOY");
            vertex.0.serving.stop(&name, &self.id).await;
        }
    }

    /// Puts it where requests find it; gives the resource. What was checked
    /// when the request came may have changed meanwhile.
    fn enter(&self, catalog: &mut Catalog) -> Result<Value, ApiError> {
        let found = catalog.model(&self.place, &self.deployed.model)?;
        let version = self.deployed.version.to_string();
        found.find(&self.place.model(&self.deployed.model), Some(&version))?;
        let endpoint = catalog.endpoint_mut(&self.place, &self.endpoint)?;
        let name = self.place.endpoint(&self.endpoint);
        if endpoint.deployed.contains_key(&self.id) {
            return Err(exists(&format!("{name}/deployedModels/{}", self.id)));
        }
        let traffic = read_new(self.split.as_ref(), &endpoint.ids(), &self.id)?;
        if !traffic.is_empty() {
            endpoint.traffic = traffic;
        }
        endpoint.deployed.insert(self.id.clone(), self.deployed.clone());
        touch(endpoint);
        Ok(self.deployed.show(&self.place, &self.id))
    }

    fn fail(&self, NotServing(message): NotServing) {
        say(&format!("{}/{}: {message}", self.endpoint, self.id));
        self.note("FAILED_TO_DEPLOY");
        self.app.vertex.finish(&self.place, &self.operation, |_| {
            Ok(Outcome::Error { code: FAILED_PRECONDITION, message })
        });
    }
}

impl super::Vertex {
    /// How the container of a deployed model is run.
    pub(super) fn plan(
        &self,
        place: &Place,
        endpoint: &str,
        id: &str,
        deployed: &Deployed,
    ) -> Result<Plan, ApiError> {
        self.0.catalog.read(|catalog| {
            let model = catalog.model(place, &deployed.model)?;
            let version = model.versions.get(&deployed.version);
            let version = version.ok_or_else(|| no_model(&place.model(&deployed.model)))?;
            let tenant = Tenant {
                place: place.clone(),
                project_id: catalog.project_id(&place.number).to_owned(),
                endpoint: endpoint.to_owned(),
                deployed_model: id.to_owned(),
                model: deployed.model.clone(),
                model_display_name: version.text("displayName").to_owned(),
                version: deployed.version,
            };
            let resources = deployed.spec.get("dedicatedResources").unwrap_or(&Value::Null);
            Ok(Plan::new(tenant, version, &resources["machineSpec"]))
        })
    }
}
