"""The site as a whole: interrupted runs complete, a second run changes nothing, a person can use it."""

from __future__ import annotations

import json

import pytest

from tests.e2e.site import PLAIN, Run, Site, waited

pytestmark = pytest.mark.site


def test_a_check_works_before_the_first_run(built: tuple[Site, list[Run]]) -> None:
    site, _runs = built
    if site.plan is None:
        pytest.skip("this site was there before the tests: there was no first run to look ahead to")
    site.plan.must_pass()
    assert not site.made_by_plan, "a check makes nothing"
    assert "localhost" in site.plan.changed, "a check of a site that is not there has something to do"


def test_a_site_killed_at_every_stage_completes(built: tuple[Site, list[Run]]) -> None:
    site, runs = built
    assert [run.code for run in runs[:-1]] == [-9] * (len(runs) - 1 if runs else 0)
    assert {name: machine["state"] for name, machine in site.machine_states().items()} == dict.fromkeys(site.machines, "running")
    ready = {node.metadata.name: condition.status for node in site.core.list_node().items for condition in node.status.conditions if condition.type == "Ready"}
    assert ready == {name: "True" for name in site.machines if name != "storage1"}


def test_a_second_run_changes_nothing_without_mitogen(site: Site) -> None:
    run = site.run_playbook(environment=PLAIN).must_pass()
    assert run.changed == {}, run.changed_tasks
    assert set(run.recap) == {"localhost", *site.machines}
    assert run.deprecations == set()
    print(f"second run: {run.seconds:.1f} s")


def test_a_check_run_finds_nothing_to_do(site: Site) -> None:
    run = site.run_playbook("site.yml", "--check", "--diff").must_pass()
    assert run.changed == {}, run.changed_tasks


def test_a_person_can_use_the_site(site: Site) -> None:
    with waited("make verify", 240):
        run = site.run_playbook("playbooks/verify-site.yml").must_pass()
    assert "works (" in run.output
    report = json.loads((site.state / "reports" / "verify-full.json").read_text())
    assert report["passed"]
    assert [step["name"] for step in report["steps"] if step["status"] != "ok"] == []
    assert len(report["steps"]) >= 15
    leftover = [pod.metadata.name for pod in site.notebook_pods() if not pod.metadata.deletion_timestamp]
    assert leftover == [], "verification leaves no server behind"
