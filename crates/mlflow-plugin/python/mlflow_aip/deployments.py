"""What MLflow loads for the target `aiplatform`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional

from mlflow.deployments.base import BaseDeploymentClient

from . import settings, target

if TYPE_CHECKING:
    from mlflow.deployments import PredictionsResponse

    Config = Optional[Mapping[str, Any]]

__all__ = ["AIPlatformDeploymentClient", "run_local", "target_help"]


class AIPlatformDeploymentClient(BaseDeploymentClient):
    """Deploys MLflow models to Vertex AI, or to AI Platform.

    A deployment's name is that of the service's endpoint (AI Platform calls it a
    model), and stands for whichever version is live there. With `endpoint`, that
    is the endpoint's name and the deployment's is the version's.
    """

    def __init__(self, target_uri: str) -> None:
        super().__init__(target_uri)  # type: ignore[no-untyped-call]
        self._target = target.parse(target_uri)

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: Optional[str] = None,
        config: Config = None,
        endpoint: Optional[str] = None,
    ) -> dict[str, Any]:
        from . import pipeline

        return pipeline.create(self._target, name, model_uri, flavor, config, endpoint)

    def update_deployment(
        self,
        name: str,
        model_uri: Optional[str] = None,
        flavor: Optional[str] = None,
        config: Config = None,
        endpoint: Optional[str] = None,
    ) -> dict[str, Any]:
        from . import pipeline

        return pipeline.update(self._target, name, model_uri, flavor, config, endpoint)

    def delete_deployment(
        self, name: str, config: Config = None, endpoint: Optional[str] = None
    ) -> None:
        from . import endpoints

        endpoints.remove(self._target, name, config, endpoint)

    def list_deployments(self, endpoint: Optional[str] = None) -> list[dict[str, Any]]:
        from . import listing

        return listing.deployments(self._target, endpoint)

    def get_deployment(self, name: str, endpoint: Optional[str] = None) -> dict[str, Any]:
        from . import listing

        return listing.deployment(self._target, name, endpoint)

    def predict(
        self,
        deployment_name: Optional[str] = None,
        inputs: Any = None,
        endpoint: Optional[str] = None,
    ) -> PredictionsResponse:
        from . import predict

        return predict.predict(self._asked(deployment_name, endpoint), inputs)

    def predict_stream(
        self,
        deployment_name: Optional[str] = None,
        inputs: Any = None,
        endpoint: Optional[str] = None,
    ) -> Iterator[dict[str, Any]]:
        from . import predict

        return predict.stream(self._asked(deployment_name, endpoint), inputs)

    def explain(
        self,
        deployment_name: Optional[str] = None,
        df: Any = None,
        endpoint: Optional[str] = None,
    ) -> Any:
        from . import predict

        return predict.explain(self._asked(deployment_name, endpoint), df)

    def create_endpoint(self, name: str, config: Config = None) -> dict[str, Any]:
        from . import endpoints

        return endpoints.create(self._target, name, config)

    def update_endpoint(self, endpoint: str, config: Config = None) -> dict[str, Any]:
        from . import endpoints

        return endpoints.update(self._target, endpoint, config)

    def delete_endpoint(self, endpoint: str) -> None:
        from . import endpoints

        endpoints.delete(self._target, endpoint)

    def list_endpoints(self) -> list[dict[str, Any]]:
        from . import listing

        return listing.deployments(self._target, None)

    def get_endpoint(self, endpoint: str) -> dict[str, Any]:
        from . import listing

        return listing.deployment(self._target, endpoint, None)

    def _asked(self, name: Optional[str], endpoint: Optional[str]) -> settings.Settings:
        return settings.subject(self._target, name, endpoint, os.environ)


def run_local(
    name: str, model_uri: str, flavor: Optional[str] = None, config: Config = None
) -> Any:
    """Serves what would be deployed on this machine alone."""
    from . import local

    return local.run_local(name, model_uri, flavor, config)


def target_help() -> str:
    """What `mlflow deployments help -t aiplatform` prints."""
    from . import guide

    return guide.text()
