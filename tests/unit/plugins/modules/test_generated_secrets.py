from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.airavata.jupyterhub.plugins.modules import generated_secrets

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*, check: bool = False, **arguments: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args({"path": str(tmp_path / "new" / "hub.json"), **arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            generated_secrets.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def test_made_once_and_kept(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "new" / "hub.json"
    assert run(names=["a"], check=True)["changed"] is True
    assert not path.parent.exists()
    first = run(names=["a"])
    assert (first["changed"], first["made"], len(first["secrets"]["a"])) == (True, ["a"], 64)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    again = run(names=["a"])
    assert (again["changed"], again["secrets"]) == (False, first["secrets"])
    more = run(names=["b"])
    assert more["made"] == ["b"]
    assert json.loads(path.read_text())["a"] == first["secrets"]["a"]
    assert all(secret not in json.dumps(more["diff"]) for secret in more["secrets"].values())


def test_loose_mode_is_mended(run: Run, tmp_path: Path) -> None:
    run(names=["a"])
    path = tmp_path / "new" / "hub.json"
    path.chmod(0o644)
    assert run(names=["a"])["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o600


def test_absent(run: Run, tmp_path: Path) -> None:
    run(names=["a"])
    assert run(state="absent", check=True)["changed"] is True
    assert run(state="absent")["changed"] is True
    assert run(state="absent")["changed"] is False
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(("arguments", "message"), [({"names": ["a"], "length_bytes": 8}, "16 or more"), ({}, "names")])
def test_bad_arguments(run: Run, arguments: dict[str, Any], message: str) -> None:
    result = run(**arguments)
    assert result["failed"] is True
    assert message in result["msg"]


def test_broken_file_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "hub.json").write_text("{")
    assert "hub.json" in run(names=["a"])["msg"]
    assert (tmp_path / "new" / "hub.json").read_text() == "{"
