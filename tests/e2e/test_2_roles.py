"""What each role promises, checked on this site by the verify playbook of its molecule scenario.

That the roles change nothing a second time, test_1_site.py sees for all at once.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.site import BIN, TOP, Run, Site

pytestmark = pytest.mark.site

SCENARIOS = sorted(path.parent.name for path in (TOP / "molecule").glob("*/verify.yml"))
# Waits more than it works, and touches nothing of what those before it in the alphabet look at: it goes on beside them.
LONG = "nfs_provisioner"


def verify(site: Site, scenario: str) -> Run:
    """Runs a scenario's verify playbook."""
    return site.run_playbook(f"molecule/{scenario}/verify.yml")


@pytest.fixture(scope="module")
def started(request: pytest.FixtureRequest, built: tuple[Site, list[Run]]) -> Iterator[dict[str, Future[Run]]]:
    """The scenario that goes on in the background, when it is among those asked for."""
    asked_for = any(f"[{LONG}]" in item.name for item in request.session.items)
    with ThreadPoolExecutor() as pool:
        yield {LONG: pool.submit(verify, built[0], LONG)} if asked_for else {}


def test_every_role_has_a_scenario() -> None:
    roles = {path.parents[1].name for path in (TOP / "roles").glob("*/tasks/main.yml")}
    assert roles == set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_role_keeps_its_promises(site: Site, started: dict[str, Future[Run]], scenario: str) -> None:
    run = (started[scenario].result() if scenario in started else verify(site, scenario)).must_pass()
    assert run.recap, "a scenario that runs on no host proves nothing"


def test_a_scenario_runs_under_molecule(site: Site) -> None:
    """Converge, converge again, verify: as a developer types it. One does for all: molecule adds seconds to each, and no check."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_FORCE_COLOR": "false", "NO_COLOR": "1"}
    line = [str(BIN / "molecule"), "test", "--scenario-name", "site_preflight"]
    done = subprocess.run(line, cwd=TOP, env=environment, capture_output=True, text=True, check=False, timeout=600)
    output = done.stdout + done.stderr
    assert done.returncode == 0, "\n".join(output.splitlines()[-40:])
    assert output.count("PLAY RECAP") >= 3
