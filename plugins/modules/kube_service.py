#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_service
short_description: A systemd unit together with the files it is configured by
version_added: 0.1.0
description:
  - Writes the files of a service, enables its unit, and restarts it if it was last started with other files or other programs than it has now.
  - What it was last started with is remembered on the machine, so a run that ended after writing a file and before restarting is made good by the next one.
  - One call for all files of a service, so that a second run on a machine costs one short connection.
author: The airavata.jupyterhub developers (@airavata)
options:
  name:
    description: Name of the unit, with its suffix.
    type: str
    required: true
  files:
    description: Files of the service.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the file belongs. Folders are made.
        type: path
        required: true
      content:
        description: Its whole text.
        type: str
        required: true
      mode:
        description: Its mode.
        type: str
        default: "0644"
      restart:
        description: Whether the service reads this file only when it starts.
        type: bool
        default: true
  watch:
    description: Files made by others, such as its programs, whose change asks for a restart.
    type: list
    elements: path
    default: []
  start:
    description: Whether to start the unit. With V(false) it is only restarted, and only if it runs.
    type: bool
    default: true
  start_limit_seconds:
    description: How long the unit may take to be active.
    type: int
    default: 90
attributes:
  check_mode: {support: full, description: Says what would change.}
  diff_mode: {support: full, description: Shows the files before and after.}
"""

EXAMPLES = r"""
- name: Run containerd
  airavata.jupyterhub.kube_service:
    name: containerd.service
    files:
      - path: /etc/containerd/config.toml
        content: "{{ lookup('ansible.builtin.template', 'config.toml.j2') }}"
    watch: [/usr/local/bin/containerd]
"""

RETURN = r"""
actions:
  description: What was done, or would be.
  type: list
  elements: str
  returned: success
  sample: ["write /etc/containerd/config.toml", "restart"]
"""

import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import STATE_DIR, read_state, write_state, write_text
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.units import (
    UnitState,
    digest_inputs,
    parse_show,
    plan_files,
    plan_unit,
    unit_problem,
)

SHOWN = ("ActiveState", "SubState", "Result", "UnitFileState", "NeedDaemonReload")


def _present(paths: list[str]) -> dict[str, tuple[str, str]]:
    """Return text and mode of those files that exist."""
    found = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                found[path] = (stream.read(), f"{stat.S_IMODE(os.fstat(stream.fileno()).st_mode):04o}")
        except FileNotFoundError:
            continue
    return found


def _identity(path: str) -> str:
    """Return what changes when a file is replaced; programs are replaced whole, never written in place."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return "absent"
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


class Unit:
    """One systemd unit, by systemctl."""

    def __init__(self, module: AnsibleModule, name: str) -> None:
        self.module = module
        self.name = name

    def show(self) -> dict[str, str]:
        """Return the shown properties of the unit."""
        _rc, out, _err = self.module.run_command(["systemctl", "show", "-p", ",".join(SHOWN), self.name], check_rc=True)
        return parse_show(out)

    def do(self, verb: str, limit_seconds: int) -> None:
        """Run one systemctl verb, or fail the module with a sentence about the unit."""
        arguments = ["systemctl", verb] + ([] if verb == "daemon-reload" else [self.name])
        rc, _out, err = self.module.run_command(["timeout", str(limit_seconds), *arguments])
        if rc == 0:
            return
        if verb in ("start", "restart"):
            _rc, journal, _err = self.module.run_command(["journalctl", "-u", self.name, "-n", "10", "--no-pager", "-o", "cat"])
            self.module.fail_json(msg=unit_problem(self.name, self.show(), journal.splitlines()))
        self.module.fail_json(msg=f"systemctl {verb} {self.name} failed: {err.strip() or f'no answer in {limit_seconds} s'}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                    "restart": {"type": "bool", "default": True},
                },
            },
            "watch": {"type": "list", "elements": "path", "default": []},
            "start": {"type": "bool", "default": True},
            "start_limit_seconds": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    params = module.params
    limit = params["start_limit_seconds"]
    memory = f"{STATE_DIR}/units/{params['name']}.json"
    changes = plan_files(params["files"], _present([entry["path"] for entry in params["files"]]))
    for change in changes if not module.check_mode else []:
        write_text(change.path, change.after, int(change.mode_after, 8))

    unit = Unit(module, params["name"])
    shown = unit.show()
    if shown.get("NeedDaemonReload") == "yes" and not module.check_mode:
        unit.do("daemon-reload", limit)
        shown = unit.show()
    digest = digest_inputs(params["files"], {path: _identity(path) for path in params["watch"]})
    state = UnitState(
        active=shown.get("ActiveState") in ("active", "reloading"),
        enabled=shown.get("UnitFileState") == "enabled",
        started_with=read_state(memory).get("digest"),
    )
    steps = plan_unit(state, digest, True, params["start"])
    for step in steps if not module.check_mode else []:
        unit.do(step, limit)
    # Kept only after success. A unit that is left to others to start will read today's files when they do.
    if not module.check_mode and state.started_with != digest:
        write_state(memory, {"digest": digest})

    module.exit_json(
        changed=bool(changes or steps),
        actions=[f"write {change.path}" for change in changes] + steps,
        diff=[{"before_header": change.path, "after_header": change.path, "before": change.before or "", "after": change.after} for change in changes],
    )


if __name__ == "__main__":
    main()
