"""What the hub asks of the controller of user spaces, and what it makes of the answer. Pure: no JupyterHub, no Kubernetes needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from user_space_names import GROUP, KIND, VERSION, shared_name, space_name

Object = dict[str, Any]
SHARED_FOLDER_ROOT = "/shared"
# Reasons that waiting does not mend.
_LASTING = ("Refused", "NamespaceTaken")


class SpaceRefusedError(Exception):
    """Why there is no server, in a sentence for the person who wanted one."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.jupyterhub_message = message


def groups_of(names: Iterable[str], auth_state: Mapping[str, Any] | None) -> set[str]:
    """Return a user's groups: those of the hub, and those that the login provider named."""
    told = (auth_state or {}).get("groups") or ((auth_state or {}).get("oauth_user") or {}).get("groups") or []
    return {*names, *(group.strip("/") for group in told if isinstance(group, str))}


def for_groups(items: Sequence[Mapping[str, Any]], groups: set[str]) -> list[Object]:
    """Return the profiles or folders that members of ``groups`` may have: those with one of the groups, and those that name none."""
    return [{key: value for key, value in item.items() if key != "groups"} for item in items if not item.get("groups") or groups & set(item["groups"])]


def folders(shared: Sequence[Mapping[str, Any]]) -> list[Object]:
    """Return ``sharedFolders`` of a UserSpace for folders in the words of role jupyterhub."""
    return [{"name": folder["name"], "readOnly": bool(folder.get("read_only")), **({"gid": folder["gid"]} if folder.get("gid") else {})} for folder in shared]


def request_for(user: str, namespace: str, shared: Sequence[Mapping[str, Any]], uid: int | None) -> Object:
    """Return the UserSpace to ask for."""
    spec: Object = {"user": user, **({"uid": uid} if uid else {}), **({"sharedFolders": folders(shared)} if shared else {})}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": {"name": space_name(user), "namespace": namespace}, "spec": spec}


def amended(item: Object, shared: Sequence[Mapping[str, Any]]) -> Object | None:
    """Return the UserSpace with the shared folders that are due now; None when it has just these."""
    wanted = folders(shared)
    known = [
        {"readOnly": False, **{key: folder[key] for key in folder if key in ("name", "readOnly", "gid")}} for folder in item["spec"].get("sharedFolders") or []
    ]
    if sorted(known, key=lambda folder: str(folder["name"])) == sorted(wanted, key=lambda folder: str(folder["name"])):
        return None
    return {**item, "spec": {**item["spec"], "sharedFolders": wanted}}


def is_ready(item: Mapping[str, Any]) -> bool:
    """Whether a server can be started in the space. Raises SpaceRefusedError when waiting will not help."""
    metadata, status = item["metadata"], item.get("status") or {}
    user, state = item["spec"]["user"], item["spec"].get("state", "active")
    if metadata.get("deletionTimestamp"):
        raise SpaceRefusedError(f"The account {user} is being removed. Ask the site's administrators if that is a mistake.")
    if state == "disabled":
        raise SpaceRefusedError(f"The account {user} is disabled. Your files are kept. Ask the site's administrators to enable it.")
    if state == "archived":
        raise SpaceRefusedError(f"The account {user} has been archived, with its files. Ask the site's administrators to bring them back.")
    ready = condition(item)
    if status.get("observedGeneration") != metadata.get("generation"):
        return False
    if ready.get("reason") in _LASTING:
        raise SpaceRefusedError(f"There is no place for {user}: {ready.get('message')}. Please tell the site's administrators.")
    return ready.get("status") == "True"


def condition(item: Mapping[str, Any]) -> Object:
    """Return the condition Ready, empty when there is none yet."""
    return next((dict(entry) for entry in (item.get("status") or {}).get("conditions") or [] if entry.get("type") == "Ready"), {})


def too_late(item: Mapping[str, Any], seconds: float) -> SpaceRefusedError:
    """Return what to say when a space was not ready within the limit."""
    metadata = item["metadata"]
    why = condition(item).get("message") or "nothing has looked at it; the controller of user spaces may be down"
    look = f"kubectl -n {metadata['namespace']} get userspace {metadata['name']} -o wide"
    return SpaceRefusedError(f"Your home was not ready within {seconds:.0f} s: {why}. Try again in a minute. Administrators: {look}")


def volume_parts(shared: Sequence[Mapping[str, Any]]) -> tuple[Object, Object]:
    """Return volumes and mounts of shared folders, by name: each at /shared/<name>."""
    volumes, mounts = {}, {}
    for folder in shared:
        name, read_only = shared_name(folder["name"]), bool(folder.get("read_only"))
        volumes[name] = {"name": name, "persistentVolumeClaim": {"claimName": name, "readOnly": read_only}}
        mounts[name] = {"name": name, "mountPath": f"{SHARED_FOLDER_ROOT}/{folder['name']}", "readOnly": read_only}
    return volumes, mounts
