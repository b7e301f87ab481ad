"""Taking the site away, last of all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.site import Run, Site

pytestmark = pytest.mark.site


def test_a_destroy_without_the_sites_name_touches_nothing(site: Site) -> None:
    run = site.run_playbook("playbooks/destroy-site.yml")
    assert run.code != 0
    assert f"destroy_site_confirm={site.values['hub_site']}" in run.output
    assert site.up()


def test_nothing_is_left_but_the_bundle(built: tuple[Site, list[Run]]) -> None:
    site, _runs = built
    if not site.made_here:
        pytest.skip("this site was there before the tests: its users' files are not ours to delete")
    site.send_home()
    site.destroy().must_pass()
    left = {kind: found for kind, found in site.left_over().items() if found}
    assert left == {}
    assert not Path(site.values["hub_state_dir"]).exists()
    assert (Path(site.values["hub_cache_dir"]) / "bundle" / "manifest.json").exists()
