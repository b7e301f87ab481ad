# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the inputs of all roles, to check an inventory against them before a site is touched."""

from __future__ import annotations

DOCUMENTATION = r"""
name: role_options
short_description: Inputs of roles, from their argument specs
version_added: 0.1.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Merges the argument specs of all roles in a folder to one dictionary of options.
options:
  _input:
    description: Folder of the roles.
    type: path
    required: true
"""

EXAMPLES = r"""
options: "{{ 'roles' | airavata.jupyterhub.role_options }}"
"""

RETURN = r"""
_value:
  description: The options, by name.
  type: dict
"""

from pathlib import Path
from typing import Any

import yaml


def role_options(roles: str) -> dict[str, Any]:
    """Merge the argument specs of all roles in the folder ``roles``."""
    options: dict[str, Any] = {}
    for path in sorted(Path(roles).glob("*/meta/argument_specs.yml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in spec["argument_specs"].values():
            options.update(entry.get("options") or {})
    return options


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"role_options": role_options}
