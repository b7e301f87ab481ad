"""The local_* modules as Ansible runs them, on a scratch folder: check mode, change, again, back."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import process

PACKAGE = "ansible_collections.airavata.jupyterhub.plugins.modules"
SITE = {"site": "unit", "cidr": "10.250.3.0/24", "gateway": "10.250.3.1"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a module; gives its answer. ``fails`` tells which end is expected."""

    def call(what: str, /, *, check: bool = False, fails: bool = False, **arguments: Any) -> dict[str, Any]:
        module = importlib.import_module(f"{PACKAGE}.{what}")
        with patch_module_args({**arguments, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(SystemExit) as end:
            module.main()
        answer = json.loads(capsys.readouterr().out)
        assert bool(end.value.code) is fails, answer
        return dict(answer)

    return call


def test_service(run: Any, tmp_path: Path) -> None:
    web = {
        "name": "sleeper",
        "state_dir": str(tmp_path),
        "command": [sys.executable, "-c", "import os, time; print(os.environ['SECRET'], flush=True); time.sleep(60)"],
        "environment": {"SECRET": "hidden-value"},
    }
    try:
        assert run("local_service", check=True, **web)["changed"]
        assert list(tmp_path.iterdir()) == []
        first = run("local_service", **web)
        assert first["changed"]
        assert first["service"]["state"] == "running"
        assert first["diff"]["after"] == {"state": "running"}
        assert "hidden-value" not in json.dumps(first)
        again = run("local_service", **web)
        assert not again["changed"]
        assert again["service"]["pid"] == first["service"]["pid"]
        assert run("local_service_info", state_dir=str(tmp_path))["services"][0]["pid"] == first["service"]["pid"]
        assert run("local_service", check=True, **{**web, "environment": {"SECRET": "other-value"}})["why"].startswith("its command")
        changed = run("local_service", **{**web, "environment": {"SECRET": "other-value"}})
        assert changed["service"]["pid"] != first["service"]["pid"]
        assert run("local_service", check=True, name="sleeper", state_dir=str(tmp_path), state="stopped")["changed"]
        os.kill(changed["service"]["pid"], 0)
    finally:
        assert run("local_service", name="sleeper", state_dir=str(tmp_path), state="stopped")["changed"]
    assert not run("local_service", name="sleeper", state_dir=str(tmp_path), state="stopped")["changed"]
    assert (tmp_path / "log" / "sleeper.log").exists()
    assert run("local_service", name="sleeper", state_dir=str(tmp_path), state="absent")["changed"]
    assert not (tmp_path / "log" / "sleeper.log").exists()
    assert not run("local_service", name="sleeper", state_dir=str(tmp_path), state="absent")["changed"]
    assert run("local_service_info", state_dir=str(tmp_path))["services"] == []


def test_service_mistakes(run: Any, tmp_path: Path) -> None:
    assert "command" in run("local_service", fails=True, name="x", state_dir=str(tmp_path))["msg"]
    assert "'../x'" in run("local_service", fails=True, name="../x", state_dir=str(tmp_path), command=["true"])["msg"]
    assert (
        "ended at once (exit status 0)"
        in run("local_service", fails=True, name="x", state_dir=str(tmp_path), command=["true"], ready_address="127.0.0.1:9")["msg"]
    )


def test_site(run: Any, tmp_path: Path) -> None:
    place = {"site": "unit", "state_dir": str(tmp_path / "state")}
    assert run("local_site", check=True, **place)["changed"]
    assert not (tmp_path / "state").exists()
    assert run("local_site", **place)["changed"]
    assert not run("local_site", **place)["changed"]
    service = run("local_service", name="stray", state_dir=place["state_dir"], command=["sleep", "60"])
    (tmp_path / "state/run/stray.json").unlink()  # its record is lost; it must be found all the same
    stock = run("local_inventory_info", **place)
    assert any("sleep 60" in line for line in stock["inventory"]["processes"])
    assert run("local_site", check=True, state="absent", **place)["changed"]
    assert (tmp_path / "state").exists()
    removed = run("local_site", state="absent", **place)
    assert removed["changed"]
    assert removed["diff"]["after"]["processes"] == []
    left = process.stat_of(service["service"]["pid"])
    assert left is None or left.zombie  # the host's init collects it when it likes
    assert run("local_inventory_info", **place)["count"] == 0
    assert not run("local_site", state="absent", **place)["changed"]


@pytest.mark.parametrize("state_dir", ["/", "/etc"])
def test_site_refuses_folders_of_the_host(run: Any, state_dir: str) -> None:
    for state in ("present", "absent"):
        assert "cannot be a site" in run("local_site", fails=True, site="unit", state_dir=state_dir, state=state)["msg"]


def test_machines_that_are_not_there(run: Any, tmp_path: Path) -> None:
    place = {"site": "unit", "state_dir": str(tmp_path)}
    one = {"name": "one", "address": "10.250.3.9", "memory_mib": 512}
    assert run("local_machine_info", **place)["machines"] == []
    seen = run("local_machine_info", machines=[one], **place)
    assert [machine["state"] for machine in seen["machines"]] == ["absent"]
    assert "'one' (10.250.3.9) is absent" in seen["problems"][0]
    keys = {"private_key": str(tmp_path / "id"), "known_hosts": str(tmp_path / "known")}
    files = {"kernel": str(tmp_path / "linux"), "base_disk": str(tmp_path / "base"), "manifest": str(tmp_path / "manifest.json")}
    planned = run("local_machine", check=True, state_dir=str(tmp_path), machines=[one], **SITE, **keys, **files)
    assert planned["changes"] == ["one: absent -> running"]
    assert planned["diff"] == {"before": {"one": "absent"}, "after": {"one": "running"}}
    assert list(tmp_path.iterdir()) == []
    assert not run("local_machine", state_dir=str(tmp_path), machines=[one], state="stopped", **SITE, **keys)["changed"]
    assert not run("local_machine", state_dir=str(tmp_path), machines=[one], state="absent", **SITE, **keys)["changed"]
    broken = run("local_machine", fails=True, state_dir=str(tmp_path), machines=[one], **SITE, **keys, **files)
    assert f"The bundle has no kernel at {tmp_path}/linux; make the bundle first" in broken["msg"]


def test_network_that_is_not_there(run: Any, tmp_path: Path) -> None:
    place = {"site": "unit", "state_dir": str(tmp_path)}
    assert run("local_network_info", **place)["network"] == {}
    planned = run("local_network", check=True, machines=["one"], **place, cidr=SITE["cidr"], gateway=SITE["gateway"])
    assert planned["changed"]
    assert planned["commands"][0] == ["ip", "netns", "add", "hub-unit"]
    assert planned["diff"]["after"]["links"]["tap-one"] == {"bridge": "br0", "up": True}
    assert run("local_network_info", **place)["network"] == {}
    assert not run("local_network", state="absent", **place)["changed"]
    busy = run("local_network", fails=True, **place, cidr="127.0.0.0/24", gateway="127.0.0.1")
    assert "interface lo of the deploy host has 127.0.0.1/8" in busy["msg"]


def test_host(run: Any, tmp_path: Path) -> None:
    arguments = {**SITE, "state_dir": str(tmp_path / "state"), "machines": [{"name": "one", "address": "10.250.3.9", "memory_mib": 10_000_000}]}
    found = run("local_host_info", **arguments)
    assert any("need 10000000 MiB of memory" in sentence for sentence in found["problems"])
    assert found["host"]["memory_available_mib"] > 0
    wrong = {**arguments, "machines": [{"name": "one", "address": "10.250.3.9", "memory_mib": "lots"}]}
    assert "lots" in run("local_host_info", fails=True, **wrong)["msg"]
