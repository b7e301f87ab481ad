"""What a gateway may hand over to a new server: repositories to clone and data to mount. Pure, no JupyterHub needed.

A gateway sends people to ``/hub/spawn/<user>/<server>?git=<repository>&dataPath=<data>``, each parameter any number of times.
``rules`` are the site's: ``{"git": ["https://github.com", ...], "data": {"<name or path>": {"claim": "..."} or {"volume": {...}}}}``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

GIT, DATA = "git", "dataPath"
AT_MOST = 10  # of each in one link
DATA_DIR = "/data"
GIT_VARIABLE = "HUB_GIT_URLS"
DATA_VARIABLE = "HUB_DATA_PATHS"
PREFIX = "data-"  # of the volumes made here

Rules = Mapping[str, Any]
Launch = dict[str, list[str]]

# Nothing that a shell, a URL library or git could read in two ways.
_PATH = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._~+-]*)+")
_DATA = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class LaunchRefusedError(ValueError):
    """What a link asks for is not allowed here. Its text is one sentence for the person."""


def split(query: Mapping[str, Sequence[str]]) -> tuple[Launch, dict[str, Sequence[str]]]:
    """Return what a link hands over, unchecked, and the rest of its parameters (a profile, for example)."""
    launch = {name: [value for value in query[name] if value] for name in (GIT, DATA) if query.get(name)}
    return {name: values for name, values in launch.items() if values}, without(query)


def without(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are no launch."""
    return {name: value for name, value in options.items() if name not in (GIT, DATA)}


def kept(options: Any) -> Launch:
    """Return the launch in a server's saved options, which may be anything: what it was started with it is started with again."""
    return {name: options[name] for name in (GIT, DATA) if name in options} if isinstance(options, dict) else {}


def check(launch: Mapping[str, Any], rules: Rules) -> Launch:
    """Return the launch with each value in its one form. Raises LaunchRefusedError."""
    found: Launch = {}
    for name, read in ((GIT, repository), (DATA, data_path)):
        values = launch.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values) or len(values) > AT_MOST:
            raise LaunchRefusedError(f"The link's {name} has to be at most {AT_MOST} texts.")
        if values:
            found[name] = list(dict.fromkeys(read(value, rules) for value in values))
    folders = [folder_of(url).lower() for url in found.get(GIT, [])]
    if len(set(folders)) < len(folders):
        raise LaunchRefusedError("The link names two repositories that would be cloned into the same folder.")
    return found


def repository(url: str, rules: Rules) -> str:
    """Return the address of a repository that the site allows. Raises LaunchRefusedError."""
    allowed = [text.rstrip("/") if "://" in text else f"https://{text.rstrip('/')}" for text in rules.get("git") or ()]
    shown = url if url.isprintable() and len(url) <= 200 else "The link's repository"
    if not allowed:
        raise LaunchRefusedError("This hub clones no repositories from links.")
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError as error:
        raise LaunchRefusedError(f"{shown} is not the address of a repository.") from error
    if found.username is not None or found.password is not None:
        raise LaunchRefusedError("The link's repository has a user name or a password in its address, where everybody can read it.")
    path = found.path.rstrip("/")
    if found.scheme not in ("https", "http") or not found.hostname or found.query or found.fragment or not _PATH.fullmatch(path) or url != url.strip():
        raise LaunchRefusedError(f"{shown} is not the address of a repository, which looks like https://github.com/owner/name.")
    address = f"{found.scheme}://{found.hostname}{f':{port}' if port else ''}{path}"
    if not any(address.startswith(f"{origin}/") for origin in allowed):
        raise LaunchRefusedError(f"Repositories of {found.scheme}://{found.netloc} are not cloned here, only those of {', '.join(allowed)}.")
    folder_of(address)
    return address


def folder_of(url: str) -> str:
    """Return the folder in the home that a repository is cloned into. Raises LaunchRefusedError."""
    name = url.rpartition("/")[2].removesuffix(".git")
    if not _FOLDER.fullmatch(name):
        raise LaunchRefusedError(f"{url} does not end with the name of a repository.")
    return name


def data_path(path: str, rules: Rules) -> str:
    """Return a data path that the site allows: a name of its list, or something below it. Raises LaunchRefusedError."""
    shown = path if path.isprintable() and len(path) <= 200 else "The link's data path"
    if _DATA.fullmatch(path):
        name = posixpath.normpath(path)
        if source_of(name, rules)[0]:
            return name
    known = ", ".join(sorted(rules.get("data") or {})) or "nothing"
    raise LaunchRefusedError(f"{shown} is not among the data that this hub offers, which is: {known}.")


def source_of(path: str, rules: Rules) -> tuple[str, str]:
    """Return the entry of the site's list that a checked path belongs to (the longest; "" for none), and the path below it."""
    data = rules.get("data") or {}
    for name in sorted(data, key=len, reverse=True):
        if path == name or path.startswith(f"{name}/"):
            return name, path[len(name) + 1 :]
    return "", ""


def volume_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the volume, in Kubernetes' words, of an entry of the site's list. What is a claim is mounted read-only as a whole."""
    if "claim" in entry:
        return {"persistentVolumeClaim": {"claimName": entry["claim"], "readOnly": True}}
    return dict(entry["volume"])


def pod_parts(launch: Launch, rules: Rules) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """Return environment, volumes and mounts (by key) of a checked launch. Every mount is read-only."""
    environment, volumes, mounts = {}, {}, {}
    entries: dict[str, str] = {}
    for number, path in enumerate(launch.get(DATA, [])):
        name, below = source_of(path, rules)
        entry = rules["data"][name]
        key = entries.setdefault(name, f"{PREFIX}{len(entries)}")
        volumes[key] = {"name": key, **volume_of(entry)}
        sub_path = posixpath.join(entry.get("sub_path") or "", below)
        mount = {"name": key, "mountPath": f"{DATA_DIR}/{path.strip('/')}", "readOnly": True}
        mounts[f"{PREFIX}{number}"] = {**mount, **({"subPath": sub_path} if sub_path else {})}
    if launch.get(GIT):
        environment[GIT_VARIABLE] = " ".join(launch[GIT])
    if mounts:
        environment[DATA_VARIABLE] = " ".join(mount["mountPath"] for mount in mounts.values())
    return environment, volumes, mounts


def airavata_environment(airavata: Mapping[str, Any], issuer: str) -> dict[str, str]:
    """Return what Airavata's SDK reads from the environment. ``airavata`` is the site's; login server and realm follow from Keycloak's issuer.

    A false value is left out: the SDK takes any text, "false" too, for true.
    """
    if not airavata:
        return {}
    server, found, realm = issuer.rpartition("/realms/")
    known = {"auth_server_url": server, "auth_realm": realm} if found and "/" not in realm else {}
    return {NAMES[name]: str(value) for name, value in {**known, **airavata}.items() if name in NAMES and value not in (None, "", False)}


NAMES = {
    "auth_server_url": "AUTH_SERVER_URL",
    "auth_realm": "AUTH_REALM",
    "auth_client_id": "AUTH_CLIENT_ID",
    "api_server_hostname": "API_SERVER_HOSTNAME",
    "api_server_port": "API_SERVER_PORT",
    "api_server_url": "API_SERVER_URL",
    "api_server_secure": "API_SERVER_SECURE",
    "file_service_url": "FILE_SVC_URL",
    "gateway_id": "GATEWAY_ID",
    "gateway_url": "GATEWAY_URL",
    "gateway_data_store_dir": "GATEWAY_DATA_STORE_DIR",
    "storage_resource_host": "STORAGE_RESOURCE_HOST",
    "sftp_port": "SFTP_PORT",
}
