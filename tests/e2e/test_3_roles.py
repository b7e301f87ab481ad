"""What each role promises, checked on this site by the verify playbook of its molecule scenario.

That the roles change nothing a second time, test_1_site.py sees for all at once.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import Future

import pytest

from tests.e2e.site import BIN, SCENARIOS, TOP, Run, Site

pytestmark = pytest.mark.site


def test_every_role_has_a_scenario() -> None:
    roles = {path.parents[1].name for path in (TOP / "roles").glob("*/tasks/main.yml")}
    assert roles == set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_role_keeps_its_promises(site: Site, beside: dict[str, Future[Run]], scenario: str) -> None:
    run = (beside[scenario].result() if scenario in beside else site.verify_role(scenario)).must_pass()
    assert run.recap, "a scenario that runs on no host proves nothing"


def test_a_scenario_runs_under_molecule(site: Site) -> None:
    """Converge, converge again, verify: as a developer types it. One does for all: molecule adds seconds to each, and no check."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_FORCE_COLOR": "false", "NO_COLOR": "1"}
    line = [str(BIN / "molecule"), "test", "--scenario-name", "site_preflight"]
    done = subprocess.run(line, cwd=TOP, env=environment, capture_output=True, text=True, check=False, timeout=600)
    output = done.stdout + done.stderr
    assert done.returncode == 0, "\n".join(output.splitlines()[-40:])
    assert output.count("PLAY RECAP") >= 3
