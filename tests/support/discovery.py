"""Google's discovery documents as the judge of requests and answers.

A discovery document says of each method which path, parameters and bodies it
has. Its schemas become JSON Schemas in which everything unknown is an error.
"""

import functools
import json
import re
from importlib.resources import files
from urllib.parse import parse_qsl, unquote

import jsonschema

DOCUMENTS = files("googleapiclient") / "discovery_cache" / "documents"

RFC3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
FORMATS = {
    "int64": r"^-?\d{1,19}$",
    "uint64": r"^\d{1,20}$",
    "byte": r"^([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-]{2}(==)?|[A-Za-z0-9+/_-]{3}=?)?$",
    "date-time": RFC3339,
    "google-datetime": RFC3339,
    "date": r"^\d{4}-\d\d-\d\d$",
    "google-duration": r"^-?\d+(\.\d{1,9})?s$",
    "google-fieldmask": r"^[\w.,]*$",
}

# What every error answer looks like; only Cloud Storage lists `errors`.
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string", "minLength": 1},
                "status": {"type": "string", "pattern": "^[A-Z_]+$"},
                "details": {"type": "array", "items": {"type": "object", "required": ["@type"]}},
                "errors": {
                    "type": "array",
                    "items": {"type": "object", "required": ["message", "domain", "reason"]},
                },
            },
        }
    },
}


def json_schema(node, kind):
    """A node of a discovery schema as JSON Schema, for what is sent ("request",
    "patch") or comes back ("answer"). What the service alone writes (`readOnly`)
    does not belong into a request; a patch may carry it."""
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    basic = node.get("type")
    if basic == "any":
        return {}
    schema = {"type": basic}
    if basic == "object":
        properties = node.get("properties", {})
        schema["properties"] = {
            name: json_schema(child, kind)
            for name, child in properties.items()
            if not (kind == "request" and is_output(child))
        }
        others = node.get("additionalProperties")
        schema["additionalProperties"] = json_schema(others, kind) if others else False
    elif basic == "array":
        schema["items"] = json_schema(node["items"], kind)
    elif basic == "string" and node.get("format") in FORMATS:
        schema["pattern"] = FORMATS[node["format"]]
        if kind != "answer" and node["format"] in ("int64", "uint64"):
            # Google reads either, and its own clients send either.
            schema["type"] = ["string", "integer"]
    if "enum" in node:
        schema["enum"] = node["enum"]
        if kind != "answer":
            # Google's own clients send the numbers behind the words.
            schema["type"] = ["string", "integer"]
            schema["enum"] = node["enum"] + list(range(64))
    return schema


def is_output(node):
    """Older documents say it in words."""
    return node.get("readOnly") or node.get("description", "").startswith("Output only")


class Method:
    """One method of an API."""

    def __init__(self, api, described):
        self.id, self.verb = described["id"], described["httpMethod"]
        self.request = described.get("request", {}).get("$ref")
        self.response = described.get("response", {}).get("$ref")
        self.parameters = api.parameters | {
            name: parameter
            for name, parameter in described.get("parameters", {}).items()
            if parameter["location"] == "query"
        }
        media = described.get("mediaUpload", {}).get("protocols", {})
        self.uploads = [self.pattern(described, way["path"]) for way in media.values()]
        roots = [api.service_path]
        if described.get("supportsMediaDownload"):
            roots.append(f"/download{api.service_path}")
        self.paths = [self.pattern(described, root + described["path"]) for root in roots]
        self.weight = max(len(path.pattern) for path in self.paths)

    @staticmethod
    def pattern(described, path):
        """`{name}` is one segment, `{+name}` what its own pattern says."""

        def variable(match):
            name = match[2]
            if match[1] == "+":
                # Without one, it is the rest of the path.
                return described["parameters"][name].get("pattern", ".+").strip("^$")
            return "[^/]+"

        parts = re.split(r"(\{\+?\w+\})", path)
        return re.compile(
            "".join(
                re.sub(r"\{(\+?)(\w+)\}", variable, part) if part.startswith("{") else re.escape(part)
                for part in parts
            )
        )

    def matches(self, verb, path):
        return verb == self.verb and any(
            pattern.fullmatch(path) for pattern in [*self.paths, *self.uploads]
        )


class Api:
    def __init__(self, name):
        document = json.loads((DOCUMENTS / f"{name}.json").read_text())
        self.service_path = "/" + document["servicePath"]
        self.parameters = document["parameters"]
        self.methods = [Method(self, described) for described in methods(document)]
        self.schemas = document["schemas"]

    @functools.cache
    def validator(self, name, kind):
        needed = closure(self.schemas, name)
        definitions = {name: json_schema(self.schemas[name], kind) for name in needed}
        schema = {"$ref": f"#/$defs/{name}", "$defs": definitions}
        return jsonschema.Draft202012Validator(schema)

    def problems(self, name, value, kind):
        for error in self.validator(name, kind).iter_errors(value):
            yield f"{name}{error.json_path[1:]}: {error.message}"


# By which name `@type` begins, and how its schemas are called.
TYPES = {
    "type.googleapis.com/google.cloud.ml.v1.": "GoogleCloudMlV1__",
    "type.googleapis.com/google.cloud.aiplatform.v1.": "GoogleCloudAiplatformV1",
    "type.googleapis.com/google.devtools.cloudbuild.v1.": "",
}

# Requests whose body is the container's business.
CONTENT = {"GoogleCloudAiplatformV1RawPredictRequest", "GoogleCloudAiplatformV1InvokeRequest"}

EMPTY = {"GoogleProtobuf__Empty", "GoogleProtobufEmpty"}
HTTP_BODY = {"GoogleApi__HttpBody", "GoogleApiHttpBody"}


def closure(schemas, name):
    """A schema's name, and the names of all that it is made of."""
    found, todo = set(), [name]
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            todo += references(schemas[name])
    return found


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def methods(node):
    yield from node.get("methods", {}).values()
    for resource in node.get("resources", {}).values():
        yield from methods(resource)


@functools.cache
def apis():
    # The newer of two first: where both have a method, it has more parameters.
    names = (
        "aiplatform.v1", "ml.v1", "storage.v1", "cloudbuild.v1", "logging.v2", "sts.v1",
        "iamcredentials.v1",
    )
    return [Api(name) for name in names]


@functools.lru_cache(maxsize=4096)
def find(verb, path):
    """Of several, the one that says most: a name may be taken for one with a
    verb after it. Google's clients ask Vertex AI under other roots as well."""
    path = re.sub(r"^/(v1beta1|ui)/", "/v1/", path)
    found = [
        (api, method) for api in apis() for method in api.methods if method.matches(verb, path)
    ]
    return max(found, key=lambda pair: pair[1].weight, default=(None, None))


def query_problems(method, query):
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameter = method.parameters.get(name)
        if name == "$alt":
            continue  # Google's generated clients: how enumerations are written.
        if parameter is None:
            yield f"unknown query parameter '{name}'"
        # gcloud writes them as Python does.
        elif parameter["type"] == "boolean" and value.lower() not in ("true", "false"):
            yield f"query parameter {name}={value} is no boolean"
        elif parameter["type"] == "integer" and not value.isdecimal():
            yield f"query parameter {name}={value} is no integer"
        elif "enum" in parameter and value not in parameter["enum"]:
            yield f"query parameter {name}={value} is not one of {parameter['enum']}"


def body_problems(api, method, entry):
    body = entry.get("requestBody")
    if "uploadType=media" in (entry.get("query") or ""):
        return  # The body is content.
    if method.request in CONTENT:
        return
    if method.request is None:
        if body not in (None, {}, ""):
            yield f"a request body that {method.id} does not have"
    elif body is not None and method.request != "GoogleCloudMlV1__PredictRequest":
        is_patch = method.verb == "PATCH"
        # google-auth writes them for what it does not set.
        if is_patch or method.id.startswith("iamcredentials."):
            body = without_nulls(body)
        # A patch may carry what it does not mask, and the default version's name.
        yield from api.problems(method.request, body, "patch" if is_patch else "request")


def without_nulls(value):
    """In a patch, null takes a field away, whatever its type."""
    if isinstance(value, dict):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    return value


def answer_problems(api, method, entry):
    status, body = entry["status"], entry.get("responseBody")
    is_media = "alt=media" in entry.get("query", "") or entry["path"].startswith("/download/")
    if status >= 400:
        # Media has no envelope to put an error in, nor has a model; RFC 6749 has
        # another.
        is_oauth = method.id.startswith("sts.")
        is_model = method.request in CONTENT
        if status != 499 and not (is_media or is_oauth or is_model):
            for error in jsonschema.Draft202012Validator(ERROR).iter_errors(body):
                yield f"error{error.json_path[1:]}: {error.message}"
            error = body.get("error") if isinstance(body, dict) else None
            if isinstance(error, dict) and error.get("code") != status:
                yield f"status {status} but code {error.get('code')}"
        return
    if status in (204, 308) or is_media or method.response in HTTP_BODY:
        return
    if "uploadType=resumable" in entry.get("query", "") and not body:
        return
    if method.response and method.response not in EMPTY:
        if body is None:
            yield f"no {method.response} in the answer"
            return
        yield from api.problems(method.response, body, "answer")
        yield from typed_problems(api, body)


def typed_problems(api, body):
    """Inside an operation, `@type` says which schema holds."""
    for part in ("metadata", "response"):
        value = body.get(part) if isinstance(body, dict) else None
        if not isinstance(value, dict) or "@type" not in value:
            continue
        rest = {key: child for key, child in value.items() if key != "@type"}
        if value["@type"].endswith("google.protobuf.Empty"):
            if rest:
                yield f"{part}: an Empty that is not empty"
            continue
        prefix, name = value["@type"].rsplit(".", 1)
        if f"{prefix}." not in TYPES:
            yield f"{part}: unknown type {value['@type']}"
            continue
        name = TYPES[f"{prefix}."] + name
        # Of some metadata the discovery document has no schema.
        if name in api.schemas:
            yield from api.problems(name, rest, "answer")


ROOTS = (
    "/v1/", "/v1beta1/", "/ui/", "/v2/entries", "/storage/", "/upload/", "/resumable/", "/download/",
)


def entry_problems(entry):
    """All that is wrong with one request and its answer."""
    path = entry["path"]
    if path == "/v1/oauthtoken":
        return  # The Security Token Service has it, its document has not.
    if not path.startswith(ROOTS):
        return  # No API of Google's: tokens, faults, health, images.
    api, method = find(entry["method"], path)
    query = entry.get("query") or ""
    if method is None and "upload_id=" in query:
        # A session belongs to the upload that began it.
        api, method = find("POST", path)
        if entry["status"] in (200, 201):
            yield from answer_problems(api, method, entry)
        return
    is_ours = "mlflow-aip/" in json.dumps(entry.get("requestHeaders", {}))
    # Others may try what is wrong; they must be told so. Ours never do.
    if is_ours or entry["status"] < 400:
        if method is None:
            yield "no such method"
            return
        if "upload_id=" not in query:
            yield from query_problems(method, query)
            yield from body_problems(api, method, entry)
    if method is not None:
        yield from answer_problems(api, method, entry)


def problems(entries):
    # What a fault took away, nobody saw.
    for entry in (entry for entry in entries if not entry.get("lost")):
        for problem in entry_problems(entry):
            what = f"{entry['method']} {unquote(entry['path'])}?{entry.get('query') or ''}"
            yield f"{what} -> {entry['status']}: {problem}"
