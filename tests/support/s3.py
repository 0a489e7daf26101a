"""An S3 on this machine, over a link that can break, seen by what is asked of it."""

import boto3

from .between import Between
from .link import Link
from .places import python
from .process import Background, free_port


class S3:
    """moto's. `seen` are the requests; `link` is where faults can be set."""

    def __init__(self, directory, env):
        directory.mkdir()
        port = free_port()
        self.process = Background(
            [python(3), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env=env, log=directory / "s3.log",
        )
        self.process.listens(port, timeout=60)
        self.between = Between(f"http://127.0.0.1:{port}").__enter__()
        self.link = Link(self.between.url).__enter__()
        # What a server needs to use it; nobody else has these keys.
        self.env = {
            "MLFLOW_S3_ENDPOINT_URL": self.link.url,
            "AWS_ACCESS_KEY_ID": "the-servers-own",
            "AWS_SECRET_ACCESS_KEY": "the-servers-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

        self.client = boto3.client(
            "s3", endpoint_url=self.between.url, region_name="us-east-1",
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    def bucket(self, name):
        self.client.create_bucket(Bucket=name)
        return f"s3://{name}"

    @property
    def seen(self):
        return self.between.requests

    def end(self):
        self.link.__exit__()
        self.between.__exit__()
        self.process.end()
