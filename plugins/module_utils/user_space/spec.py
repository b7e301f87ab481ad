# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a site says about all spaces (`Policy`) and about one (`Space`), checked. Pure.

Plain dictionaries come in (values of a role, the ``spec`` of a UserSpace, a row of a list); every refusal is a `SpaceError` with a sentence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from . import names, quantity
from .errors import SpaceError

STATES = ("active", "disabled", "archived")
MINIMUM_ID = 1000
MINIMUM_GID = 100
MAXIMUM_ID = 2**31 - 1
NOBODY = (65534, 65535)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _refuse(message: str) -> SpaceError:
    return SpaceError("Refused", message)


def check_id(what: str, value: Any, minimum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= MAXIMUM_ID or value in NOBODY:
        raise _refuse(f"{what} is {value!r}: it must be a number from {minimum} to {MAXIMUM_ID}, and not {NOBODY[0]} or {NOBODY[1]}")
    return value


def _check_quantities(what: str, values: Mapping[str, Any]) -> dict[str, str]:
    for name, value in values.items():
        try:
            if quantity.parse(value) < 0:
                raise ValueError(f"{value!r} is less than nothing")
        except ValueError as error:
            raise _refuse(f"{what}, {name}: {error}") from error
    return {name: str(value) for name, value in values.items()}


def _known(what: str, given: Mapping[str, Any], known: Any) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise _refuse(f"{what} has {', '.join(unknown)}, which is not known; known are {', '.join(sorted(known))}")


@dataclass(frozen=True)
class Policy:
    """What holds for every space of a site. `Policy.read` checks it; `prefix` must not change while there are users."""

    prefix: str = "hub-user-"
    hub_namespace: str = ""  # empty: there is no hub, so nobody is let in
    hub_service_account: str = "hub"
    first_uid: int = 20001
    gid: int = 100
    storage_class: str = "hub-home"
    provisioner: str = "hub.airavata.org/nfs"
    home_size: str = "10Gi"
    denied_networks: tuple[str, ...] = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
    quota: Mapping[str, str] = field(default_factory=lambda: {"pods": "10"})
    container_defaults: Mapping[str, str] = field(default_factory=lambda: {"cpu": "1", "memory": "1Gi"})
    container_requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "50m", "memory": "256Mi"})

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Policy:
        """Return the policy in a dictionary with the names of the fields above; what is not there has its default.

        Raises SpaceError with a sentence for the first thing that is wrong.
        """
        _known("the policy", given, [item.name for item in fields(cls)])
        policy = cls(**{**given, **({"denied_networks": tuple(dict.fromkeys(given["denied_networks"]))} if "denied_networks" in given else {})})
        if not re.fullmatch(r"[a-z][a-z0-9-]*-", policy.prefix) or len(policy.prefix) > names.PREFIX_LENGTH:
            raise _refuse(f"the prefix of namespaces is {policy.prefix!r}: it must be a-z 0-9 -, end with -, and have at most {names.PREFIX_LENGTH} characters")
        check_id("first_uid", policy.first_uid, MINIMUM_ID)
        check_id("gid", policy.gid, MINIMUM_GID)
        _check_quantities("the policy's home_size", {"storage": policy.home_size})
        quantities: dict[str, Any] = {
            name: _check_quantities(f"the policy's {name}", getattr(policy, name)) for name in ("quota", "container_defaults", "container_requests")
        }
        for network in policy.denied_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise _refuse(f"denied_networks has {network!r}: {error}") from error
        return replace(policy, **quantities)


@dataclass(frozen=True)
class SharedFolder:
    """A folder that several people have. Its storage class ``shared-<name>`` says where it is and how big."""

    name: str
    gid: int | None = None
    read_only: bool = False
    size: str = "1Gi"  # what the claim asks for; the folder's limit is its class's affair


@dataclass(frozen=True)
class StorageClass:
    """A storage class of one's own. ``parameters`` are the provisioner's; those not given are the site's defaults."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    mount_options: tuple[str, ...] | None = None
    reclaim_policy: str = "Delete"


@dataclass(frozen=True)
class Space:
    """What one user is to have. `Space.read` checks it."""

    user: str
    uid: int | None = None  # a wish; the list of ids decides
    gid: int | None = None
    state: str = "active"
    home_size: str | None = None
    storage_class: str | None = None
    own_class: StorageClass | None = None
    restore: str = ""
    quota: Mapping[str, str] = field(default_factory=dict)
    shared_folders: tuple[SharedFolder, ...] = ()

    @property
    def name(self) -> str:
        """Name of the UserSpace."""
        return names.space_name(self.user)

    @classmethod
    def read(cls, spec: Mapping[str, Any]) -> Space:
        """Return the space that the ``spec`` of a UserSpace describes. Raises SpaceError."""
        user = spec.get("user")
        if not isinstance(user, str) or not user or len(user) > 255 or not user.isprintable():
            raise _refuse(f"user is {user!r}: it must be 1 to 255 printable characters")
        who = f"the space of {user}"
        _known(who, spec, ("user", "uid", "gid", "state", "home", "quota", "sharedFolders"))
        if spec.get("state", "active") not in STATES:
            raise _refuse(f"{who} has state {spec['state']!r}; states are {', '.join(STATES)}")
        home = spec.get("home") or {}
        _known(f"the home of {user}", home, ("size", "storageClass", "ownClass", "restore"))
        if home.get("size") is not None and quantity.parse(_check_quantities(f"the home of {user}", {"size": home["size"]})["size"]) <= 0:
            raise _refuse(f"the home of {user} has the size {home['size']!r}: it must be more than nothing")
        if home.get("storageClass") and home.get("ownClass") is not None:
            raise _refuse(f"the home of {user} has both storageClass and ownClass; give one of them")
        return cls(
            user=user,
            uid=None if spec.get("uid") is None else check_id(f"uid of {user}", spec["uid"], MINIMUM_ID),
            gid=None if spec.get("gid") is None else check_id(f"gid of {user}", spec["gid"], MINIMUM_GID),
            state=spec.get("state", "active"),
            home_size=home.get("size"),
            storage_class=home.get("storageClass"),
            own_class=None if home.get("ownClass") is None else read_class(f"the class of {user}", home["ownClass"]),
            restore=home.get("restore") or "",
            quota=_check_quantities(f"the quota of {user}", spec.get("quota") or {}),
            shared_folders=tuple(_read_folder(user, folder) for folder in spec.get("sharedFolders") or []),
        )


def read_class(what: str, given: Mapping[str, Any]) -> StorageClass:
    """Return the storage class that a dictionary with parameters, mountOptions, reclaimPolicy describes. Raises SpaceError."""
    _known(what, given, ("parameters", "mountOptions", "reclaimPolicy"))
    parameters = {str(key): str(value) for key, value in (given.get("parameters") or {}).items()}
    if any(part in (".", "..") for part in parameters.get("pathPattern", "").split("/")):
        raise _refuse(f"{what} has the pathPattern {parameters['pathPattern']!r}: '.' and '..' are no names of directories")
    policy = given.get("reclaimPolicy") or "Delete"
    if policy not in ("Delete", "Retain"):
        raise _refuse(f"{what} has the reclaimPolicy {policy!r}; it is Delete (the provisioner archives) or Retain")
    options = given.get("mountOptions")
    return StorageClass(parameters, None if options is None else tuple(options), policy)


def _read_folder(user: str, given: Mapping[str, Any]) -> SharedFolder:
    what = f"a shared folder of {user}"
    _known(what, given, ("name", "gid", "readOnly", "size"))
    name = given.get("name")
    if not isinstance(name, str) or not _LABEL.fullmatch(name) or len(name) > names.NAME_LENGTH:
        raise _refuse(f"{what} has the name {name!r}: it must be a-z 0-9 -, at most {names.NAME_LENGTH} characters")
    gid = None if given.get("gid") is None else check_id(f"gid of the shared folder {name}", given["gid"], MINIMUM_GID)
    return SharedFolder(name, gid, bool(given.get("readOnly")), _check_quantities(f"the shared folder {name}", {"size": given.get("size") or "1Gi"})["size"])
