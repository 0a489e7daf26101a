"""MLflow deployments to Vertex AI and AI Platform, target `aiplatform`."""

__version__ = "0.1.0"
