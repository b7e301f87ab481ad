from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils import secrets_file


@pytest.mark.parametrize(
    ("current", "names", "content", "made"),
    [
        ({}, [], {}, []),
        ({}, ["a", "b"], {"a": "s0", "b": "s1"}, ["a", "b"]),
        ({"a": "old"}, ["a", "b"], {"a": "old", "b": "s0"}, ["b"]),
        ({"gone": "kept"}, ["a"], {"gone": "kept", "a": "s0"}, ["a"]),
        ({}, ["a", "a"], {"a": "s0"}, ["a"]),
    ],
)
def test_plan(current: dict[str, str], names: list[str], content: dict[str, str], made: list[str]) -> None:
    numbers = itertools.count()
    wanted = secrets_file.plan(current, names, lambda: f"s{next(numbers)}")
    assert (wanted.content, wanted.made) == (content, made)


def test_round_trip_is_private(tmp_path: Path) -> None:
    path = tmp_path / "hub.json"
    secrets_file.write(path, {"a": "1"})
    assert secrets_file.read(path) == {"a": "1"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_missing_file_is_empty(tmp_path: Path) -> None:
    assert secrets_file.read(tmp_path / "none.json") == {}


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"a": 1}), json.dumps({"a": ""})])
def test_broken_file_is_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hub.json"
    path.write_text(text)
    with pytest.raises(secrets_file.SecretsFileError, match=str(path)):
        secrets_file.read(path)


def test_lengths() -> None:
    assert len(secrets_file.make_hexadecimal(32)) == 64
    assert secrets_file.make_hexadecimal(16) != secrets_file.make_hexadecimal(16)
