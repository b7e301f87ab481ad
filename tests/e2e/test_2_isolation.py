"""The isolation matrix, from inside real notebooks and with the hub's own account. `make test-isolation` runs it alone."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from site_verify.scenario import Person

from tests.e2e.isolation import CLOSED, FROM_HUB, OPEN, SILENT, Cell, HubAccount, matrix, met, probe_all, table
from tests.e2e.site import TOP, Run, Site, eventually

pytestmark = [pytest.mark.site, pytest.mark.usefixtures("beside")]
SERVICE = "isolation"


@dataclass
class Matrix:
    """Cells, and what was seen of each."""

    site: Site
    cells: list[Cell]
    seen: list[str]


@pytest.fixture(scope="module")
def probed(built: tuple[Site, list[Run]]) -> Iterator[Matrix]:
    """The whole matrix, probed once from alice's notebook while bob's runs, with a service before it."""
    site, _runs = built
    people = [Person(name, site.users[name], site.browser()) for name in ("alice", "bob")]
    bob_namespace = site.user_namespace("bob")
    account = HubAccount(site)
    try:
        for person in people:
            person.session.login(person.username, person.password)
            person.start()
        [pod] = [pod for pod in site.user_pods("bob") if pod.status.pod_ip and not pod.metadata.deletion_timestamp][:1]
        selector = {key: pod.metadata.labels[key] for key in ("component", "hub.jupyter.org/servername") if key in pod.metadata.labels}
        body = {"metadata": {"name": SERVICE}, "spec": {"selector": selector, "ports": [{"port": 8888, "protocol": "TCP"}]}}
        service = site.core.create_namespaced_service(bob_namespace, body)
        cells = matrix(site, service.spec.cluster_ip, pod.status.pod_ip)
        for cell in cells:
            if cell.answers:
                eventually(f"an answer of {cell.target} to the {cell.answers}", lambda cell=cell: answers(site, cell), 30)
        found = Matrix(site, cells, probe_all(cells, people[0], account))
        text = table(found.cells, found.seen)
        site.log_dir.mkdir(parents=True, exist_ok=True)
        (site.log_dir / "isolation.md").write_text(text)
        if os.environ.get("ISOLATION_DOCS"):
            page = TOP / "docs" / "security.md"
            page.write_text(re.sub(r"(?s)(<!-- isolation: begin -->\n).*(<!-- isolation: end -->)", lambda match: match[1] + text + match[2], page.read_text()))
        yield found
    finally:
        for service in site.core.list_namespaced_service(bob_namespace).items:
            if service.metadata.name == SERVICE:
                site.core.delete_namespaced_service(SERVICE, bob_namespace)
        for person in people:
            person.stop()
            person.session.client.close()
        account.close()


def answers(site: Site, cell: Cell) -> bool:
    """Whether a target answers where it may: without that, silence would prove nothing."""
    _kind, host, port = cell.probe
    if cell.answers == "host":
        socket.create_connection((host, port), timeout=5).close()
        return True
    line = ("exec", "-n", site.values["hub_namespace"], site.hub_pod().metadata.name, "--", "python3", "-c", FROM_HUB, str(host), str(port))
    return "connected" in site.kubectl(*line)


def test_every_cell_is_as_expected(probed: Matrix) -> None:
    wrong = [
        f"{cell.subject} -> {cell.target}: expected {cell.expected}, seen {got}" for cell, got in zip(probed.cells, probed.seen) if not met(cell.expected, got)
    ]
    assert wrong == []
    assert len(probed.seen) == len(probed.cells) >= 45


def test_the_matrix_has_ways_that_are_open(probed: Matrix) -> None:
    """A notebook without any network would pass the rest."""
    by_target = dict(zip((cell.target for cell in probed.cells), probed.seen))
    assert (by_target["hub"], by_target["names"], by_target["hub API: own user"]) == (OPEN, "resolved", "200")
    assert by_target["start a restricted pod in a user's namespace"] == "done"


def test_expectations_tell_apart(tmp_path: Path) -> None:
    assert met(SILENT, SILENT)
    assert not met(SILENT, OPEN)
    assert not met(CLOSED, OPEN)
    assert met(CLOSED, "not connected (EHOSTUNREACH)")
    assert "**connected**" in table([Cell("notebook", "x", ("tcp", "h", 1), SILENT)], [OPEN])
