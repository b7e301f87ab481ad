"""Machines that die, and machines that are added."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import Site, eventually

pytestmark = pytest.mark.site

# What a new worker has to do with; the login and the hub know nothing of machines.
STAGES = ("--tags", "machines,nodes,cluster,storage")
EXTRA = """\
all:
  children:
    hub_workers:
      hosts:
        worker3:
          ansible_host: 10.77.0.23
          local_machines_memory_mib: 2048
"""


def nodes(site: Site) -> dict[str, str]:
    """Whether each node is Ready: True, False or Unknown."""
    return {node.metadata.name: condition.status for node in site.core.list_node().items for condition in node.status.conditions if condition.type == "Ready"}


@pytest.fixture
def extra(site: Site, tmp_path: Path) -> Iterator[Path]:
    """An inventory with one more worker, which is taken away again."""
    path = tmp_path / "extra.yml"
    path.write_text(EXTRA)
    yield path
    site.send_home()  # a server may be on the machine that goes away, where nothing could stop it any more
    site.kubectl("delete", "node", "worker3", "--ignore-not-found")
    arguments: dict[str, Any] = {
        "site": site.values["hub_site"],
        "state_dir": str(site.state),
        "cidr": "10.77.0.0/24",
        "gateway": "10.77.0.1",
        "private_key": str(site.state / "ssh" / "id_ed25519"),
        "known_hosts": str(site.state / "known_hosts"),
        "machines": [{"name": "worker3", "address": "10.77.0.23", "memory_mib": 2048}],
        "state": "absent",
    }
    site.module("airavata.jupyterhub.local_machine", **arguments)
    assert "worker3" not in site.machine_states()


def test_a_worker_that_died_comes_back_and_a_new_one_joins(site: Site, extra: Path) -> None:
    before = {name: machine["pid"] for name, machine in site.machine_states().items()}
    os.kill(before["worker2"], signal.SIGKILL)
    seen = eventually("worker2 said to be dead", lambda: (states := site.machine_states())["worker2"]["state"] == "dead" and states, 30)
    assert {name: machine["state"] for name, machine in seen.items() if name != "worker2"} == {name: "running" for name in site.machines if name != "worker2"}
    assert "worker2" in site.module("airavata.jupyterhub.local_machine_info", site=site.values["hub_site"], state_dir=str(site.state))["problems"][0]

    arguments = (*STAGES, "-e", json.dumps(site.settings))
    run = site.run_playbook("site.yml", *arguments, inventories=[extra]).must_pass()
    assert {"localhost", "worker3"} <= set(run.changed)
    elsewhere = [task for task in run.changed_tasks if any(f"[{name}]" in task for name in ("control1", "worker1"))]
    assert all("node_base : Set the kernel, swap and names" in task for task in elsewhere), f"the others learn its name, no more: {elsewhere}"
    eventually("every node Ready", lambda: nodes(site) == dict.fromkeys(("control1", "worker1", "worker2", "worker3"), "True"), 120)
    after = {name: machine["pid"] for name, machine in site.machine_states().items()}
    assert {name for name in before if after[name] != before[name]} == {"worker2"}, "the machines that were there were not touched"

    again = site.run_playbook("site.yml", *arguments, inventories=[extra]).must_pass()
    assert again.changed == {}, again.changed_tasks
    # Proxy or hub may have been on the machine that died, and no stage of this run waits for them.
    eventually("the login page", site.up, 240)
    person = site.person("alice")
    person.start()
    assert person.run("6 * 7") == "42"
