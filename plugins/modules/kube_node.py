#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_node
short_description: Settings of the kernel and of /etc that a Kubernetes node needs
version_added: 0.1.0
description:
  - Loads kernel modules, sets kernel parameters, turns swap off and names the machines of the site in C(/etc/hosts), now and for every boot.
  - One call, so that a second run on a machine costs one short connection.
author: The airavata.jupyterhub developers (@airavata)
options:
  state:
    description:
      - With V(absent) the files and the block in C(/etc/hosts) are taken away. Live kernel settings and modules stay until the next boot, and
        swap stays off.
    type: str
    choices: [present, absent]
    default: present
  kernel_modules:
    description: Kernel modules to load. One that is compiled into the kernel counts as loaded.
    type: list
    elements: str
    default: []
  sysctl:
    description: Kernel parameters and their values.
    type: dict
    default: {}
  swap:
    description: Whether swap may be on. With V(false) it is turned off and its entries in C(/etc/fstab) become comments.
    type: bool
    default: false
  hosts:
    description: Names and addresses for the block in C(/etc/hosts).
    type: dict
    default: {}
attributes:
  check_mode: {support: full, description: Says what would change.}
  diff_mode: {support: full, description: Shows the files and settings before and after.}
seealso:
  - module: airavata.jupyterhub.kube_node_info
"""

EXAMPLES = r"""
- name: Set what a node needs
  airavata.jupyterhub.kube_node:
    kernel_modules: [overlay, br_netfilter]
    sysctl:
      net.ipv4.ip_forward: "1"
    hosts:
      control1: 10.77.0.11
"""

RETURN = r"""
actions:
  description: What was done, or would be.
  type: list
  elements: str
  returned: success
  sample: ["write /etc/modules-load.d/90-airavata-jupyterhub.conf", "load br_netfilter", "set net.ipv4.ip_forward"]
"""

import os
import platform
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.node import (
    active_swaps,
    differing_sysctl,
    modules_file,
    sysctl_file,
    sysctl_path,
    with_hosts,
    without_swap,
)
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import forget_state, write_text

MODULES_FILE = "/etc/modules-load.d/90-airavata-jupyterhub.conf"
SYSCTL_FILE = "/etc/sysctl.d/90-airavata-jupyterhub.conf"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return None


def _file_plan(params: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """Return (path, text now, text wanted) of every file; a wanted None is a file that shall be gone."""
    present = params["state"] == "present"
    hosts = _read("/etc/hosts") or ""
    fstab = _read("/etc/fstab")
    plan: list[tuple[str, str | None, str | None]] = [
        (MODULES_FILE, _read(MODULES_FILE), modules_file(params["kernel_modules"]) if present and params["kernel_modules"] else None),
        (SYSCTL_FILE, _read(SYSCTL_FILE), sysctl_file(params["sysctl"]) if present and params["sysctl"] else None),
        ("/etc/hosts", hosts, with_hosts(hosts, params["hosts"] if present else {})),
    ]
    if present and not params["swap"] and fstab is not None:
        plan.append(("/etc/fstab", fstab, without_swap(fstab)))
    return [entry for entry in plan if entry[1] != entry[2]]


def _unloaded(module: AnsibleModule, names: list[str]) -> list[str]:
    """Return the modules that are neither loaded nor compiled in (these are known to modprobe by modules.builtin)."""
    missing = [name for name in names if not os.path.isdir(f"/sys/module/{name.replace('-', '_')}")]
    builtin = _read(f"/lib/modules/{platform.release()}/modules.builtin") or ""
    compiled = {os.path.basename(line).removesuffix(".ko").replace("-", "_") for line in builtin.splitlines()}
    return [name for name in missing if name.replace("-", "_") not in compiled]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "kernel_modules": {"type": "list", "elements": "str", "default": []},
            "sysctl": {"type": "dict", "default": {}},
            "swap": {"type": "bool", "default": False},
            "hosts": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    params["sysctl"] = {key: str(value) for key, value in params["sysctl"].items()}
    live = params["state"] == "present"
    files = _file_plan(params)
    actions = [f"{'remove' if after is None else 'write'} {path}" for path, _before, after in files]
    for path, _before, after in files if not module.check_mode else []:
        if after is None:
            forget_state(path)
        else:
            write_text(path, after, 0o644)

    unloaded = _unloaded(module, params["kernel_modules"]) if live else []
    actions += [f"load {name}" for name in unloaded]
    for name in unloaded if not module.check_mode else []:
        rc, _out, err = module.run_command(["modprobe", "--", name])
        if rc:
            kernel = f"Its kernel is {platform.release()}; use one that has it."
            module.fail_json(msg=f"{platform.node()} cannot load the kernel module {name}: {err.strip()}. {kernel}")

    swaps = active_swaps(_read("/proc/swaps") or "") if live and not params["swap"] else []
    if swaps:
        actions.append(f"turn swap off on {', '.join(swaps)}")
        if not module.check_mode:
            module.run_command(["swapoff", "-a"], check_rc=True)

    # Only now: keys such as net.bridge.* exist from the moment their module is loaded.
    before = {key: (_read(sysctl_path(key)) or "").strip() or None for key in params["sysctl"]} if live else {}
    settings = differing_sysctl(params["sysctl"], before) if live else []
    actions += [f"set {key}" for key in settings]
    for key in settings if not module.check_mode else []:
        try:
            with open(sysctl_path(key), "w", encoding="utf-8") as stream:
                stream.write(params["sysctl"][key])
        except OSError as error:
            module.fail_json(msg=f"{platform.node()} cannot set {key} to {params['sysctl'][key]}: {error}. Is the kernel module that owns it loaded?")

    diff: list[dict[str, Any]] = [{"before_header": path, "after_header": path, "before": old or "", "after": new or ""} for path, old, new in files]
    if settings:
        diff.append(
            {
                "before_header": "sysctl",
                "after_header": "sysctl",
                "before": {key: before[key] for key in settings},
                "after": {key: params["sysctl"][key] for key in settings},
            }
        )
    module.exit_json(changed=bool(actions), actions=actions, diff=diff)


if __name__ == "__main__":
    main()
