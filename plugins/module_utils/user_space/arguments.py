# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Arguments of module user_space, and what they mean in the words of a UserSpace."""

from __future__ import annotations

from typing import Any

SPACE = {
    "user": {"type": "str", "required": True},
    "uid": {"type": "int"},
    "gid": {"type": "int"},
    "state": {"type": "str", "choices": ["active", "disabled", "archived"]},
    "home_size": {"type": "str"},
    "storage_class": {"type": "str"},
    "own_class": {"type": "dict"},
    "restore": {"type": "str"},
    "quota": {"type": "dict"},
    "shared_folders": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "gid": {"type": "int"},
            "read_only": {"type": "bool", "default": False},
            "size": {"type": "str"},
        },
    },
}


def spec_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a UserSpace for one element of ``spaces``: only what was given."""
    spec = {key: given[key] for key in ("user", "uid", "gid", "state") if given[key] is not None}
    words = {"size": "home_size", "storageClass": "storage_class", "ownClass": "own_class", "restore": "restore"}
    home = {word: given[name] for word, name in words.items() if given[name] is not None}
    if home:
        spec["home"] = home
    if given["quota"] is not None:
        spec["quota"] = {key: str(value) for key, value in given["quota"].items()}
    if given["shared_folders"] is not None:
        spec["sharedFolders"] = [
            {"readOnly" if key == "read_only" else key: value for key, value in folder.items() if value not in (None, False)}
            for folder in given["shared_folders"]
        ]
    return spec
