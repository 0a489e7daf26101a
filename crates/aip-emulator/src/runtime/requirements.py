"""Says what packages require, without running any code of theirs.

    requirements.py PACKAGE...

Prints one JSON object: `requires`, a list, or null when a package's metadata
does not say; `legacy`, the packages that only setup.py can build; and
`has_pip`, whether this interpreter can install the others.
"""

import email
import importlib.util
import json
import re
import sys
import tarfile
import zipfile


def read_tar(path):
    with tarfile.open(path) as archive:
        for member in archive:
            yield member.name, lambda: archive.extractfile(member).read()


def read_zip(path):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name, lambda: archive.read(name)


def metadata(path):
    """The files of the archive that say something, by kind."""
    found = {}
    for name, read in read_zip(path) if zipfile.is_zipfile(path) else read_tar(path):
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if path.endswith(".whl"):
            if len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] == "METADATA":
                found["wheel"] = read()
        elif len(parts) == 2 and parts[1] in ("PKG-INFO", "pyproject.toml"):
            found[parts[1]] = read()
        elif len(parts) > 2 and parts[-2].endswith(".egg-info"):
            found.setdefault("egg-info", b"")
            if parts[-1] == "requires.txt":
                found["egg-info"] = read()
    return found


def is_extra(requirement):
    return re.search(r";.*\bextra\s*==", requirement) is not None


def from_headers(message):
    return [line for line in message.get_all("Requires-Dist") or [] if not is_extra(line)]


def from_requires_txt(text):
    """The lines of requires.txt; its sections are `[extra]` or `[:marker]`."""
    requires, marker = [], ""
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
            marker = None if extra else marker
        elif line and marker is not None:
            requires.append("%s ; %s" % (line, marker) if marker else line)
    return requires


def requires(found):
    """What the package requires, or None when only building it would tell."""
    if "wheel" in found:
        return from_headers(email.message_from_bytes(found["wheel"]))
    headers = email.message_from_bytes(found.get("PKG-INFO", b""))
    if "Requires-Dist" in headers:
        return from_headers(headers)
    if "egg-info" in found:
        return from_requires_txt(found["egg-info"].decode("utf-8"))
    version = [int(part) for part in re.findall(r"\d+", headers.get("Metadata-Version", "0"))]
    dynamic = [name.lower() for name in headers.get_all("Dynamic") or []]
    return [] if version >= [2, 2] and "requires-dist" not in dynamic else None


# A name, and what may follow it: extras, a version, a marker, an address.
REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*\s*($|[\[(<>=!~;@])", re.ASCII)


def refuse_others(lines):
    """What pip would read as an option, a file or an address as an argument,
    and refuses to read so in metadata."""
    for line in lines:
        if not REQUIREMENT.match(line):
            sys.exit("'%s' is not a requirement" % line)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement):
    return normal(re.match(r"[\w.-]*", requirement.strip()).group())


def main():
    together, legacy, given = [], [], set()
    for path in sys.argv[1:]:
        found = metadata(path)
        wanted = requires(found)
        refuse_others(wanted or [])
        together = None if together is None or wanted is None else together + wanted
        headers = email.message_from_bytes(found.get("wheel", found.get("PKG-INFO", b"")))
        given.add(normal(headers.get("Name", "")))
        if "wheel" not in found and "pyproject.toml" not in found:
            legacy.append(path)
    if together is not None:
        # Packages may need each other; no index has those.
        together = [line for line in together if name_of(line) not in given]
    has_pip = importlib.util.find_spec("pip") is not None
    json.dump({"requires": together, "legacy": legacy, "has_pip": has_pip}, sys.stdout)


if __name__ == "__main__":
    main()
