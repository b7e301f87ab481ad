"""playbooks/gateway-settings.yml, run for real: what the administrators of a gateway get."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.roles.jupyterhub.conftest import TOP


def run(state: Path, **values: Any) -> subprocess.CompletedProcess[str]:
    extra = json.dumps({"hub_state_dir": str(state), "hub_url": "https://hub.example.org/", **values})
    command = [
        Path(sys.executable).with_name("ansible-playbook"),
        "-i",
        TOP / "inventories" / "local",
        "-e",
        extra,
        "--diff",
        TOP / "playbooks" / "gateway-settings.yml",
    ]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})


def changed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"changed=(\d+)", done.stdout)
    assert found, done.stdout
    return int(found[1])


def test_what_the_gateway_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tmp_path, jupyterhub_airavata={"gateway_id": "seagrid"})
    assert changed(first) > 0
    token = json.loads((tmp_path / "secrets" / "hub.json").read_text())["service-airavata"]
    assert token not in first.stdout + first.stderr
    folder = tmp_path / "gateway"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        ("django_settings.py", "portal_menu.py", "research.properties"), 0o600
    )
    properties = dict(line.split("=", 1) for line in (folder / "research.properties").read_text().splitlines() if not line.startswith("#"))
    assert properties == {"airavata.research.hubUrl": "https://hub.example.org", "airavata.research.adminApiKey": token}
    assert changed(run(tmp_path, jupyterhub_airavata={"gateway_id": "seagrid"})) == 0

    # The portal's settings and its menu, as Django would run them.
    settings = {"ACCESS_TOKEN_REDIRECT_ALLOWED_URIS": [{"URI": "https://hub.example.org/hub/login?next=/hub/spawn"}, {"URI": "https://other.example/"}]}
    exec((folder / "django_settings.py").read_text(), settings)  # noqa: S102  # rendered above
    assert settings["ACCESS_TOKEN_REDIRECT_ALLOWED_URIS"] == [{"URI": "https://other.example/"}]
    made: list[dict[str, Any]] = []
    links = type("CustomHeaderLinks", (), {"objects": type("Objects", (), {"update_or_create": staticmethod(lambda **fields: made.append(fields))})})
    for name in ("django_airavata", "django_airavata.wagtailapps", "django_airavata.wagtailapps.base", "django_airavata.wagtailapps.base.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["django_airavata.wagtailapps.base.models"], "CustomHeaderLinks", links, raising=False)
    exec((folder / "portal_menu.py").read_text(), {})  # noqa: S102  # rendered above
    assert made == [{"header_link_text": "Notebooks", "defaults": {"header_link": "https://hub.example.org/hub/oauth_login?next=%2Fhub%2Fhome"}}]


def test_without_a_gateway_it_says_what_to_set(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode != 0
    assert "Set jupyterhub_airavata (at least gateway_id) first" in " ".join((done.stdout + done.stderr).split())
    assert not (tmp_path / "gateway").exists()
