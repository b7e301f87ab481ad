"""What lies on the disk and belongs to nothing, what is missing from it, what is archived: one report for each review. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import pattern, plan
from .archives import Summary
from .limits import Usage
from .plan import Archive, Object, Settings
from .volumes import Folder


def build(
    folders: Iterable[Folder],
    archives: Iterable[tuple[Archive, Summary | None]],
    volumes: Iterable[Object],
    used: Mapping[str, Usage],
    stray: Mapping[int, Usage],
    settings: Settings,
    now: str,
) -> dict[str, Any]:
    """The report, as it is written to ``.hub/report.json``.

    :param volumes: all volumes of the cluster.
    :param used: usage by volume, for those of ours whose directory is there.
    :param stray: limits whose tree was not found.
    :param now: UTC as in names of archives.
    """
    folders, volumes = list(folders), list(volumes)
    ours = {item["metadata"]["name"]: item for item in volumes if plan.is_ours(item, settings)}
    taken = {path for path in (plan.path_of(item, settings) for item in volumes) if path}
    shared = []
    for folder in folders:
        if "shared" in folder.mark:
            views = [name for name, item in ours.items() if plan.is_shared(item) and plan.path_of(item, settings) == folder.path]
            usage = next((used[name] for name in views if name in used), None)
            shared.append({"path": "/".join(folder.path), "gid": folder.mark.get("gid"), "claims": len(views), "used_bytes": usage.used if usage else None})
    return {
        "written_at": now,
        "export": f"{settings.server}:{settings.export}",
        "orphans": {
            "directories": [
                {"path": "/".join(folder.path), "uid": folder.uid, **{key: folder.mark.get(key) for key in ("volume", "namespace", "claim")}}
                for folder in folders
                if "volume" in folder.mark and folder.mark["volume"] not in ours
            ],
            "unknown_directories": [{"path": "/".join(folder.path), "uid": folder.uid} for folder in folders if not folder.mark and folder.path not in taken],
            "volumes": [_of_volume(item, settings) for name, item in sorted(ours.items()) if name not in used],
            "projects": [{"project": project, "used_bytes": usage.used, "limit_bytes": usage.limit} for project, usage in sorted(stray.items())],
        },
        "shared_folders": shared,
        "archives": [_of_archive(archive, summary) for archive, summary in archives],
    }


def _of_volume(item: Object, settings: Settings) -> dict[str, Any]:
    reference = item["spec"].get("claimRef") or {}
    path = plan.path_of(item, settings) or ()
    return {"volume": item["metadata"]["name"], "path": "/".join(path), "namespace": reference.get("namespace"), "claim": reference.get("name")}


def _of_archive(archive: Archive, summary: Summary | None) -> dict[str, Any]:
    return {
        "name": archive.name,
        "namespace": archive.namespace,
        "claim": archive.claim,
        "uid": archive.uid,
        "archived_at": pattern.archived_at(archive.name),
        "used_bytes": archive.usage.used,
        "files": summary.files if summary else None,
        "manifest_sha256": summary.sha256 if summary else None,
    }
