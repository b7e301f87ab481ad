"""The site under test. It is made by the first test that needs it, and taken away after the last one if it was not there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.site import SCENARIOS, Run, Site

# Which stages are run, at which line the run is killed, and how many seconds later: in the middle of what each stage does. The next one goes on with the
# stage that was killed; the last run is of the whole site, which looks at everything again.
INTERRUPTIONS = (
    ("bundle,machines", "PLAY [Make the machines]", 5),
    ("machines,nodes,cluster", "PLAY [Start the control plane]", 12),
    ("cluster", "PLAY [Join the workers]", 6),
    ("cluster,storage", "PLAY [Serve the volumes]", 3),
    ("storage,login", "PLAY [Register the hub at the login provider]", 2),
    ("login,hub", "PLAY [Start the hub]", 6),
)

# They take hub, controller or registration away for a while, so nobody may work meanwhile.
DISTURBING = {"hub_login", "jupyterhub", "user_spaces"}


@pytest.fixture(scope="session")
def built() -> Iterator[tuple[Site, list[Run]]]:
    """The site and the runs that made it: none when it was up already; a new one is killed at every stage and completed.

    E2E_INTERRUPT=0 makes a new site in one go. E2E_KEEP=1 leaves it there at the end.
    """
    site = Site()
    was_there = Path(site.values["hub_state_dir"]).exists()
    runs = []
    if not was_there:
        site.plan = site.run_playbook("site.yml", "--check", "--diff")
        site.made_by_plan = Path(site.values["hub_state_dir"]).exists()
    if not was_there and os.environ.get("E2E_INTERRUPT") != "0":
        for stages, marker, seconds in INTERRUPTIONS:
            runs.append(site.run_playbook("site.yml", "--tags", stages, kill_at=marker, kill_delay_seconds=seconds))
    if not (was_there and site.up()):
        runs.append(site.run_playbook().must_pass())
    site.made_here = not was_there
    yield site, runs
    site.send_home()
    if site.temporary and Path(site.values["hub_state_dir"]).exists():
        site.destroy().must_pass()


@pytest.fixture(scope="session")
def beside(request: pytest.FixtureRequest, built: tuple[Site, list[Run]]) -> Iterator[dict[str, Future[Run]]]:
    """The scenarios that disturb nobody, of those asked for: they go on one after the other beside the tests of people, who mostly wait."""
    asked_for = [item.callspec.params.get("scenario") for item in request.session.items if hasattr(item, "callspec")]
    pool = ThreadPoolExecutor(1)
    yield {name: pool.submit(built[0].verify_role, name) for name in SCENARIOS if name in asked_for and name not in DISTURBING}
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def site(built: tuple[Site, list[Run]]) -> Iterator[Site]:
    """The site; people whom a test made are sent home after it."""
    site, _runs = built
    yield site
    site.send_home()
