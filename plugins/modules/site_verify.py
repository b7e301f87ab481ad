#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: site_verify
short_description: Use a JupyterHub site as a person with a browser would
version_added: 0.1.0
description:
  - Runs the program C(site_verify) of this collection on the deploy host and returns what came of each step.
  - Level V(quick) asks whether the hub answers over TLS and whether its login leads to the provider's form.
  - Level V(full) logs two demo users in, starts servers, runs cells through the kernel's websocket, writes files, stops, starts again,
    reads back, makes sure that the second user is kept out of everything the first one has, removes the files, stops the servers, and
    logs out at the hub and at the provider.
  - It never stops a server that somebody else started. When a demo user's default server runs, a named one is used.
author: The airavata.jupyterhub developers (@airavata)
options:
  url:
    description: Public address of the hub, without a path.
    type: str
    required: true
  ca_path:
    description: Certificate authority that the site's certificates must come from. No other one is trusted.
    type: path
    required: true
  users_file:
    description:
      - JSON file with the demo users and their passwords, C({"users":[{"username":"alice","password":".."}]}).
      - Read by level V(full) only. Passwords are never on a command line or in a report.
    type: path
    required: true
  users:
    description: The two users to be.
    type: list
    elements: str
    default: [alice, bob]
  provider:
    description: A word in the title of the provider's login form.
    type: str
    default: Custos
  level:
    description: What to do. V(auto) is V(full) until a full run passed with the content that O(release_path) has now, then V(quick).
    type: str
    choices: [quick, full, auto]
    default: full
  release_path:
    description: A file that changes when the site's programs do, such as the bundle's manifest. Its hash goes into the report.
    type: path
  reports_dir:
    description: Folder for C(verify-<level>.json) and C(verify-<level>.xml) (JUnit).
    type: path
    required: true
  spawn_timeout_seconds:
    description: Limit for the start of one notebook server.
    type: int
    default: 180
  program_dir:
    description: Folder that holds the Python package C(site_verify).
    type: path
    required: true
requirements:
  - httpx
  - websockets
attributes:
  check_mode:
    support: full
    description: Nothing is tried in check mode, since a site that is not yet made cannot be used.
  diff_mode: {support: none, description: Changes nothing that lasts.}
"""

EXAMPLES = r"""
- name: Use the site as a person would
  airavata.jupyterhub.site_verify:
    url: https://localhost:8443
    ca_path: /var/lib/airavata-jupyterhub/local/ca/ca.crt
    users_file: /var/lib/airavata-jupyterhub/local/secrets/demo-users.json
    reports_dir: /var/lib/airavata-jupyterhub/local/reports
    program_dir: services/site_verify
"""

RETURN = r"""
passed:
  description: Whether every step went well.
  type: bool
  returned: when tried
level:
  description: The level that was run.
  type: str
  returned: when tried
seconds:
  description: How long all steps took.
  type: float
  returned: when tried
steps:
  description: What came of each step.
  type: list
  elements: dict
  returned: always
  sample: [{"name": "login", "title": "log in", "status": "ok", "seconds": 0.4, "message": "alice"}]
table:
  description: The same as lines for people.
  type: list
  elements: str
  returned: always
reports:
  description: Files that were written.
  type: list
  elements: str
  returned: when tried
"""

import json
import os
import sys
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def command(params: dict[str, Any], release: str) -> list[str]:
    """The command line that does what the parameters ask for."""
    return [
        *(sys.executable, "-m", "site_verify", "--json"),
        *("--url", params["url"]),
        *("--ca", params["ca_path"]),
        *("--users-file", params["users_file"]),
        *("--users", *params["users"]),
        *("--provider", params["provider"]),
        *("--level", params["level"]),
        *("--release", release),
        *("--reports", params["reports_dir"]),
        *("--spawn-seconds", str(params["spawn_timeout_seconds"])),
    ]


def result(code: int, output: str, errors: str) -> dict[str, Any]:
    """What the program said, as the module's result; C(msg) is set when the site, or the program, failed."""
    if code in (0, 1):
        try:
            report = json.loads(output)
        except ValueError:
            report = None
        if isinstance(report, dict):
            kept = {key: report[key] for key in ("passed", "level", "seconds", "steps", "table", "reports")}
            if not kept["passed"]:
                failed = next(step for step in kept["steps"] if step["status"] == "failed")
                kept["msg"] = f"{report['url']} does not work. '{failed['title']}' failed after {failed['seconds']} s: {failed['message'].rstrip('.')}."
            return kept
    if "No module named" in errors:
        errors = f"{errors.strip().splitlines()[-1]} in {sys.executable}; install requirements.txt of this collection there"
    return {"msg": f"The verification could not begin. {errors.strip()[-2000:]}", "steps": [], "table": []}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ca_path": {"type": "path", "required": True},
            "users_file": {"type": "path", "required": True},
            "users": {"type": "list", "elements": "str", "default": ["alice", "bob"]},
            "provider": {"type": "str", "default": "Custos"},
            "level": {"type": "str", "choices": ["quick", "full", "auto"], "default": "full"},
            "release_path": {"type": "path"},
            "reports_dir": {"type": "path", "required": True},
            "spawn_timeout_seconds": {"type": "int", "default": 180},
            "program_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if len(module.params["users"]) != 2 or module.params["users"][0] == module.params["users"][1]:
        module.fail_json(msg=f"users must name two different demo users, not {module.params['users']}.")
    if module.check_mode:
        module.exit_json(changed=False, steps=[], table=["check mode: nothing was tried"])
    search = os.pathsep.join(filter(None, [os.path.abspath(module.params["program_dir"]), os.environ.get("PYTHONPATH")]))
    release = module.params["release_path"] and module.sha256(module.params["release_path"])
    outcome = result(*module.run_command(command(module.params, release or ""), environ_update={"PYTHONPATH": search}))
    if "msg" in outcome:
        module.fail_json(changed=False, **outcome)
    module.exit_json(changed=False, **outcome)


if __name__ == "__main__":
    main()
