"""A folder to run the roles of the login stage in, as a playbook on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.services.custos_double.server import free_port, make_certificates

TOP = Path(__file__).resolve().parents[3]
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  roles: {roles}
- hosts: localhost
  gather_facts: false
  tags: [never, stop]
  tasks:
    - airavata.jupyterhub.local_service:
        name: custos-double
        state_dir: "{{{{ hub_state_dir }}}}"
        state: absent
"""


class Site:
    """A folder with an inventory, and a way to run roles on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        (self.state / "ca").mkdir(parents=True, mode=0o700)
        make_certificates(self.state / "ca")
        port = free_port()
        self.values: dict[str, Any] = {
            "hub_site": "test",
            "hub_state_dir": str(self.state),
            "hub_machines_provider": "local",
            "hub_deploy_address": "127.0.0.1",
            "hub_ca_certificate": str(self.state / "ca" / "ca.crt"),
            "hub_url": "https://localhost:8443",
            "hub_login_issuer": f"https://127.0.0.1:{port}",
            "hub_login_front_url": f"https://localhost:{port}",
            "local_login_provider_listen": [f"127.0.0.1:{port}"],
            "local_login_provider_users": ["alice", "bob"],
        }

    def run(self, *arguments: str, roles: tuple[str, ...] = ("local_login_provider", "hub_login"), **values: Any) -> subprocess.CompletedProcess[str]:
        playbook, inventory, variables = (self.folder / name for name in ("play.yml", "hosts.yml", "values.json"))
        playbook.write_text(PLAYBOOK.format(roles=json.dumps([f"airavata.jupyterhub.{role}" for role in roles])))
        python = json.dumps(sys.executable)
        inventory.write_text(f"all: {{hosts: {{localhost: {{ansible_connection: local, ansible_python_interpreter: {python}}}}}}}")
        variables.write_text(json.dumps({**self.values, **values}))
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "-i", str(inventory), "-e", f"@{variables}", str(playbook), *arguments]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(TOP / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def kept(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "secrets" / name).read_text())
        return content


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed something, after checking that none failed."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"changed=(\d+)\s+unreachable=0\s+failed=0", done.stdout)
    assert found, done.stdout
    return int(found[1])


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a run that failed said, on one line."""
    assert done.returncode != 0, done.stdout
    return " ".join((done.stdout + done.stderr).split())
