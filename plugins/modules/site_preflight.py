#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: site_preflight
short_description: Check an inventory and the deploy host before a site is touched
version_added: 0.1.0
description:
  - Looks at the inventory's groups and variables and at the machine it runs on, and fails with one sentence for each thing that would
    make a later stage fail.
  - Reads only.
author: The airavata.jupyterhub developers (@airavata)
options:
  groups:
    description: The inventory's groups, each with its hosts.
    type: dict
    required: true
  variables:
    description: Names of the variables that the inventory sets.
    type: list
    elements: str
    default: []
  options:
    description: Argument specs of all documented inputs of all roles, by name.
    type: dict
    default: {}
  inputs:
    description: Values of those inputs that the inventory sets, checked against O(options). Leave secrets out.
    type: dict
    default: {}
  roles_dir:
    description: Folder of the roles; a variable that begins with the name of one must be an input of it.
    type: path
    required: true
  cache_dir:
    description: Folder of the bundle cache. It need not exist.
    type: path
    required: true
  state_dir:
    description: Folder of the site's state. It need not exist.
    type: path
    required: true
  provider:
    description: Who makes the machines.
    type: str
    required: true
  bundle_source:
    description: Where programs and images come from.
    type: str
    default: build
  listen:
    description: Addresses, as C(address:port), that programs on this machine will listen on.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Check before anything changes
  airavata.jupyterhub.site_preflight:
    groups: "{{ groups }}"
    roles_dir: roles
    cache_dir: /var/cache/airavata-jupyterhub
    state_dir: /var/lib/airavata-jupyterhub/local
    provider: local
"""

RETURN = r"""
facts:
  description: What was seen of the deploy host.
  type: dict
  returned: always
  sample: {"root": true, "disk_free_gib": 80.1, "disk_needed_gib": 35, "busy_ports": []}
problems:
  description: One sentence per problem; empty on success.
  type: list
  elements: str
  returned: always
"""

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.preflight import group_problems, host_problems, type_problems, unknown_inputs

COLD_GIB = 35  # measured: compile caches, package roots, images and one base disk of a cold bundle
WARM_GIB = 6  # copy-on-write files of four machines and the homes of a trial


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _busy(listen: list[str]) -> list[str]:
    busy = []
    for entry in listen:
        address, _colon, port = entry.rpartition(":")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, int(port)))
            except OSError:
                busy.append(entry)
    return busy


def _facts(params: dict[str, Any]) -> dict[str, Any]:
    cache = Path(params["cache_dir"])
    cold = not (cache / "bundle" / "manifest.json").exists()
    filesystems = Path("/proc/filesystems").read_text(encoding="utf-8").split()
    # A site that runs already listens on its own ports; its pid files say so.
    running = any(Path(params["state_dir"], "run").glob("*")) if Path(params["state_dir"], "run").is_dir() else False
    return {
        "root": os.geteuid() == 0,
        "needs_root": params["provider"] == "local" or params["bundle_source"] == "build",
        "builds": params["bundle_source"] == "build" and cold,
        "apt": shutil.which("apt-get") is not None,
        "overlay": "overlay" in filesystems,
        "python": list(sys.version_info[:2]),
        "cache_dir": str(cache),
        "disk_free_gib": round(shutil.disk_usage(_existing(cache)).free / 2**30, 1),
        "disk_needed_gib": COLD_GIB if cold else WARM_GIB,
        "busy_ports": [] if running else _busy(params["listen"]),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "groups": {"type": "dict", "required": True},
            "variables": {"type": "list", "elements": "str", "default": []},
            "options": {"type": "dict", "default": {}},
            "inputs": {"type": "dict", "default": {}},
            "roles_dir": {"type": "path", "required": True},
            "cache_dir": {"type": "path", "required": True},
            "state_dir": {"type": "path", "required": True},
            "provider": {"type": "str", "required": True},
            "bundle_source": {"type": "str", "default": "build"},
            "listen": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    facts = _facts(module.params)
    roles = ["hub", *(path.name for path in Path(module.params["roles_dir"]).iterdir() if path.is_dir())]
    problems = (
        group_problems(module.params["groups"])
        + unknown_inputs(module.params["variables"], module.params["options"], roles)
        + type_problems(module.params["options"], module.params["inputs"])
        + host_problems(facts)
    )
    if problems:
        module.fail_json(msg=" ".join(problems), problems=problems, facts=facts)
    module.exit_json(changed=False, facts=facts, problems=[])


if __name__ == "__main__":
    main()
