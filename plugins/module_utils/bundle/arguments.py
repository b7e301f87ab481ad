# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that ``bundle`` and ``bundle_info`` share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.facade import HAS_YAML, Wish

SPEC: dict[str, dict[str, Any]] = {
    "cache_dir": {"type": "path", "required": True},
    "source": {"type": "str", "choices": ["build", "download"], "default": "build"},
    "versions_file": {"type": "path"},
    "programs_dir": {"type": "path"},
    "images_dir": {"type": "path"},
    "images": {"type": "list", "elements": "str", "default": []},
    "disks": {"type": "list", "elements": "str", "default": []},
    "checksums": {"type": "dict", "default": {}},
    "download_bases": {"type": "dict", "default": {}},
    "debian_archive": {"type": "str", "default": ""},
}


def wish_of(params: Mapping[str, Any]) -> Wish:
    """Turn a module's parameters into a wish."""
    return Wish(
        source=params["source"],
        cache_dir=Path(params["cache_dir"]),
        versions_file=Path(params["versions_file"]),
        programs_dir=Path(params["programs_dir"]),
        images_dir=Path(params["images_dir"]),
        images=tuple(params["images"]),
        disks=tuple(params["disks"]),
        checksums={str(name): str(value).lower() for name, value in params["checksums"].items()},
        bases={str(name): str(value).rstrip("/") for name, value in params["download_bases"].items()},
        archive=params["debian_archive"].rstrip("/"),
    )


def require_libraries(module: AnsibleModule) -> None:
    """Fail with the name of a Python library that is missing."""
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
