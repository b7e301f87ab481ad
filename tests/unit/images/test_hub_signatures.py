from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.images.test_hub_notebook import FILES


@pytest.fixture(scope="module")
def store_class() -> Any:
    spec = importlib.util.spec_from_file_location("hub_signatures", FILES / "hub_signatures.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FolderSignatureStore


def test_signatures_outlive_the_server(store_class: Any, tmp_path: Path) -> None:
    store_class(tmp_path / "s").store_signature("ab", "sha256")
    again = store_class(tmp_path / "s")
    assert again.check_signature("ab", "sha256") is True
    assert again.check_signature("ab", "sha512") is False
    again.remove_signature("ab", "sha256")
    again.remove_signature("ab", "sha256")
    assert again.check_signature("ab", "sha256") is False


def test_the_oldest_are_forgotten(store_class: Any, tmp_path: Path) -> None:
    store = store_class(tmp_path, kept=3)
    for number in range(5):
        store.store_signature(str(number), "a")
        for age, path in enumerate(sorted(tmp_path.iterdir(), key=lambda path: path.name, reverse=True)):
            os.utime(path, ns=(10**18 - age * 10**9,) * 2)
    store.store_signature("9", "a")
    assert [store.check_signature(name, "a") for name in "012349"] == [False, False, False, True, True, True]


def test_a_full_home_costs_the_trust_only(store_class: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = store_class(tmp_path / "file" / "folder")
    store.store_signature("ab", "sha256")
    assert store.check_signature("ab", "sha256") is False


def test_home_is_where_it_belongs(store_class: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    store_class().store_signature("ab", "sha256")
    assert [path.name for path in (tmp_path / ".local/share/jupyter/signatures").iterdir()] == ["sha256-ab"]
