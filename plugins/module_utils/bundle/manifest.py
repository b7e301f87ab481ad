# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest: what the bundle holds, by the names that every role uses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Catalogue
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.registry import damaged, repository
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Record, damage

SCHEMA = 1


def manifest(source: str, versions: Mapping[str, str], catalogue: Catalogue, records: Mapping[str, Record]) -> dict[str, Any]:
    """Put the manifest together from the items' records. Raises :class:`BundleError` when an item has none."""
    programs: dict[str, Any] = {}
    disks: dict[str, Any] = {}
    numbers = dict(versions)
    for name, item in catalogue.items.items():
        if not any(path.startswith(("programs/", "disks/")) for path in item.outputs) or name not in records:
            continue
        record = records[name]
        for path in item.outputs:
            found = record.outputs[path]
            if path.startswith("programs/"):
                version = str(record.facts.get("version", ""))
                programs[path.removeprefix("programs/")] = {"version": version, "sha256": found["sha256"], "size": found["size"], "path": path}
            elif path.endswith(".ext4"):
                disks[Path(path).stem] = {"path": path, "sha256": found["sha256"], "size": found["size"]}
        if item.kind == "kernel":
            numbers["linux"] = str(record.facts["version"])
    if "registry" not in records:
        raise BundleError("The registry was not filled.")
    pushed = records["registry"].facts["images"]
    images = {short: {"reference": facts["reference"], "digest": facts["digest"]} for short, facts in pushed.items()}
    content = {"schema": SCHEMA, "source": source, "programs": programs, "images": images, "disks": disks, "versions": numbers}
    return {key: dict(sorted(value.items())) if isinstance(value, dict) else value for key, value in content.items()}


def problems(content: Any, bundle: Path, times: Mapping[str, int], verify: bool = False) -> list[str]:
    """Say, one sentence each, how the files of a bundle differ from its manifest.

    ``times`` are modification times (ns) at which the content was last known to be right, by path; a file of another time is read.
    """
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return [f"The manifest of {bundle} is not of schema {SCHEMA}."]
    try:
        return [*_broken_files(content, bundle, times, verify), *_broken_images(content, bundle, verify)]
    except (KeyError, TypeError, AttributeError) as error:
        return [f"The manifest of {bundle} cannot be understood ({type(error).__name__}: {error})."]


def _broken_files(content: Mapping[str, Any], bundle: Path, times: Mapping[str, int], verify: bool) -> list[str]:
    found = []
    for kind, word in (("programs", "program"), ("disks", "disk")):
        for name, entry in sorted(content.get(kind, {}).items()):
            path = entry["path"]
            problem = damage(bundle / path, {"size": entry["size"], "sha256": entry["sha256"], "mtime_ns": times.get(path)}, verify)
            if problem:
                found.append(f"{word} {name}: {bundle / path} {problem}")
    return found


def _broken_images(content: Mapping[str, Any], bundle: Path, verify: bool) -> list[str]:
    found = []
    for short, entry in sorted(content.get("images", {}).items()):
        parts = damaged(bundle / "registry", repository(entry["reference"].rsplit(":", 1)[0]), entry["digest"], verify)
        if parts:
            found.append(f"image {short}: {parts[0][1]} in {bundle / 'registry'}")
    return found
