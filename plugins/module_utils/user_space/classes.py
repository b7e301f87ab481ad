# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the words of module user_storage_class to a storage class. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import manifests, names
from .errors import SpaceError
from .spec import MINIMUM_GID, Space, check_id, read_class


def class_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the storage class for the module's parameters. Raises SpaceError for what contradicts itself or is out of range."""
    parameters = {str(key): str(value) for key, value in given["parameters"].items()}
    chosen: dict[str, Any] = {"pathPattern": given["path_pattern"], "softQuotaPercent": given["soft_quota_percent"], "filesPerGib": given["files_per_gib"]}
    if given["on_delete"] != "archive":
        chosen["onDelete"] = given["on_delete"]
    name, folder = given["name"], given["shared_folder"]
    if folder:
        # The same check as in a space, where the folder is named too.
        Space.read({"user": "x", "sharedFolders": [{"name": folder["name"], "gid": folder["gid"]}]})
        name = names.shared_name(folder["name"])
        chosen.update(pathPattern=f"shared/{folder['name']}", shared="true", gid=check_id("gid", folder["gid"], MINIMUM_GID), mode=folder["mode"])
        chosen["sizeGib"] = folder["size_gib"]
        if folder["size_gib"] < 1:
            raise SpaceError("Refused", f"the shared folder {folder['name']} has {folder['size_gib']} GiB; it must be at least 1")
    if given["soft_quota_percent"] is not None and not 1 <= given["soft_quota_percent"] <= 100:
        raise SpaceError("Refused", f"soft_quota_percent is {given['soft_quota_percent']}; it must be 1 to 100")
    if given["files_per_gib"] is not None and given["files_per_gib"] < 0:
        raise SpaceError("Refused", f"files_per_gib is {given['files_per_gib']}; it must be 0 (any number) or more")
    chosen = {key: str(value) for key, value in chosen.items() if value is not None}
    twice = sorted(set(chosen) & set(parameters))
    if twice:
        raise SpaceError("Refused", f"parameters has {', '.join(twice)}, for which there is an option; use that")
    words = {"parameters": {**parameters, **chosen}, "mountOptions": given["mount_options"], "reclaimPolicy": given["reclaim_policy"]}
    return manifests.storage_class(name, given["provisioner"], read_class(f"the class {name}", words), dict(manifests.MANAGED_BY))
