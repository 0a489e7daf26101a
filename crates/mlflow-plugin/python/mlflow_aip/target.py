"""Target URIs: which project, region and service a client means."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Optional
from urllib.parse import parse_qsl, unquote, urlsplit

from . import errors, keys

FORMS = "aiplatform, aiplatform:/PROJECT/REGION or aiplatform://PROJECT/REGION?target=vertex"
QUERY = ("project", "region", "target")


@dataclass(frozen=True)
class Target:
    """What a target URI says; what it leaves out comes from elsewhere."""

    project: Optional[str] = None
    region: Optional[str] = None
    target: Optional[str] = None

    def spec(self) -> dict[str, str]:
        """As fields of the document's spec."""
        return {name: value for name, value in vars(self).items() if value}


def parse(uri: str) -> Target:
    try:
        parts = urlsplit(str(uri))
    except ValueError as error:
        raise errors.invalid(f"'{uri}' is no URI: {error}", f"give {FORMS}") from None
    name = parts.scheme or parts.path
    if name != "aiplatform" or parts.fragment:
        raise errors.invalid(f"'{uri}' is not a target URI of this plugin", f"give {FORMS}")
    path = parts.path if parts.scheme else ""
    # A project id may have a domain, domain.com:project: all of it is the host.
    names = [unquote(part) for part in [parts.netloc, *path.split("/")] if part]
    if len(names) > 2:
        raise errors.invalid(f"'{uri}' has more than a project and a region", f"give {FORMS}")
    values = dict(zip(("project", "region"), names)) | query(uri, parts.query, len(names))
    return Target(**values)


def query(uri: str, text: str, positions: int) -> dict[str, str]:
    """The part after the question mark, beside so many names before it."""
    given = parse_qsl(text, keep_blank_values=True)
    taken = list(QUERY[:positions])
    for key, value in given:
        if key not in QUERY:
            near = difflib.get_close_matches(key, QUERY, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"it takes {', '.join(QUERY)}"
            raise errors.invalid(f"'{key}' in '{uri}' is unknown", hint)
        if key in taken:
            raise errors.invalid(f"'{uri}' gives the {key} twice", f"give {FORMS}")
        if not value:
            raise errors.invalid(f"'{key}' in '{uri}' is empty", f"give {FORMS}")
        taken.append(key)
    known = keys.fields()["target"].choices
    found = dict(given)
    if found.get("target", known[0]) not in known:
        raise errors.invalid(
            f"'{found['target']}' in '{uri}' is no target", f"it takes {' or '.join(known)}"
        )
    return found
