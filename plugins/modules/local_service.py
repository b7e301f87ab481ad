#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_service
short_description: Run a program on the deploy host that outlives the playbook
version_added: 0.1.0
description:
  - Starts a program in a session of its own, with a bounded log and a record of pid and start time, and waits until it is ready.
  - Needs no systemd. Starts it anew when its command, its environment or the content of a watched file changed, or when it died or fell silent.
  - The record is in C(STATE_DIR/run/NAME.json), the log in C(STATE_DIR/log/NAME.log).
author: The airavata.jupyterhub developers (@airavata)
options:
  name:
    description: Name of the service. Letters, digits, dashes and underscores.
    type: str
    required: true
  state_dir:
    description: Folder of everything that the deploy host keeps for this site.
    type: path
    required: true
  state:
    description: V(absent) also deletes the log.
    type: str
    choices: [started, stopped, absent]
    default: started
  command:
    description: The program and its arguments. No secrets here, anyone on the host can read them. Needed for O(state=started).
    type: list
    elements: str
  environment:
    description: Environment of the program besides C(PATH) and C(LANG). May hold secrets; neither shown nor written down.
    type: dict
    default: {}
  watch_files:
    description: Files whose content is a part of the service, such as its configuration or certificate.
    type: list
    elements: path
    default: []
  ready_address:
    description: C(host:port) that must accept connections.
    type: str
    default: ''
  ready_timeout_seconds:
    description: How long it may take until then.
    type: int
    default: 30
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: full, description: Shows what is and what will be.}
"""

EXAMPLES = r"""
- name: Serve the images
  airavata.jupyterhub.local_service:
    name: registry
    state_dir: /var/lib/airavata-jupyterhub/local
    command: [/var/cache/airavata-jupyterhub/bundle/programs/registry, serve, /var/lib/airavata-jupyterhub/local/registry.yml]
    watch_files: [/var/lib/airavata-jupyterhub/local/registry.yml]
    ready_address: 10.77.0.1:5000
"""

RETURN = r"""
service:
  description: The service as it is now.
  type: dict
  returned: always
  contains:
    name: {description: Its name., type: str, returned: always}
    state: {description: "One of running, stopped, silent, dead.", type: str, returned: always}
    reason: {description: Why it is said to be in that state., type: str, returned: always}
    pid: {description: Its process., type: int, returned: always}
    log: {description: Its output., type: str, returned: always}
why:
  description: Why it was started, or would be; empty when it was not.
  type: str
  returned: always
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import services
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError


def run(module: AnsibleModule) -> None:
    """Bring the service to the wanted state."""
    params = module.params
    if not re.fullmatch(r"[A-Za-z0-9_-]+", params["name"]):
        raise LocalError(f"The service name '{params['name']}' has other characters than letters, digits, dashes and underscores.")
    service = services.Service(
        name=params["name"],
        state_dir=Path(params["state_dir"]),
        command=tuple(params["command"] or ()),
        environment=tuple((name, str(value)) for name, value in params["environment"].items()),
        watch_files=tuple(Path(path) for path in params["watch_files"]),
        ready_address=params["ready_address"],
        ready_timeout_seconds=params["ready_timeout_seconds"],
    )
    before, why = services.look(service), ""
    if params["state"] == "started":
        why = services.start(service, check=module.check_mode)
        changed = bool(why)
    else:
        changed = services.stop(service, check=module.check_mode)
        logs = [path for path in (service.log, Path(f"{service.log}.1")) if path.exists()]
        if params["state"] == "absent" and logs:
            changed = True
            for path in [] if module.check_mode else logs:
                path.unlink()
    now = services.look(service) if changed and not module.check_mode else before
    now.pop("fingerprint", None)
    module.exit_json(
        changed=changed,
        service=now,
        why=why,
        diff={
            "before": {"state": before["state"], "reason": why or before["reason"]} if changed else {},
            "after": {"state": "running" if params["state"] == "started" else "stopped"} if changed else {},
        },
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "command": {"type": "list", "elements": "str"},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "watch_files": {"type": "list", "elements": "path", "default": []},
            "ready_address": {"type": "str", "default": ""},
            "ready_timeout_seconds": {"type": "int", "default": 30},
        },
        required_if=[("state", "started", ("command",))],
        supports_check_mode=True,
    )
    try:
        run(module)
    except LocalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
