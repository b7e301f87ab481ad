"""Files with secrets: written once, whole, and for their owner only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.airavata.jupyterhub.plugins.module_utils.private_files import outline
from ansible_collections.airavata.jupyterhub.plugins.modules import private_files


def run(capsys: pytest.CaptureFixture[str], files: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    capsys.readouterr()
    with patch_module_args({"files": files, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        private_files.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_write_again_change_and_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "new" / "a.json", tmp_path / "b.json"
    files: dict[str, Any] = {str(first): {"secret": "s3cret-one"}, str(second): {"users": ["x"]}}
    planned = run(capsys, files, check=True)
    assert planned["written"] == sorted(files)
    assert list(tmp_path.iterdir()) == [], "check mode wrote something"
    made = run(capsys, files)
    assert made["changed"] is True
    assert json.loads(first.read_text()) == {"secret": "s3cret-one"}
    assert (first.stat().st_mode & 0o777, first.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert run(capsys, files)["changed"] is False
    second.chmod(0o644)
    assert run(capsys, files)["written"] == [str(second)]
    assert second.stat().st_mode & 0o777 == 0o600
    first.write_text("{ half")
    files[str(first)]["secret"] = "s3cret-two"
    changed = run(capsys, files)
    assert changed["written"] == [str(first)]
    assert "s3cret" not in json.dumps(changed["diff"])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.json", "b.json", "new"], "nothing is left lying about"


def test_a_folder_that_cannot_be_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    result = run(capsys, {str(tmp_path / "file" / "a.json"): {}})
    assert result["failed"] is True
    assert str(tmp_path / "file") in result["msg"]


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ('{"a": 1, "b": 2}', '{"a": 1}', {"a": "same", "b": "differs"}),
        ('{"a": 1}', "{ half", {"a": "differs"}),
        ("[1]", "", {}),
        ("", '{"a": 1}', {}),
    ],
)
def test_outline(text: str, other: str, expected: dict[str, str]) -> None:
    assert outline(text, other) == expected
