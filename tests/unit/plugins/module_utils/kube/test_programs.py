"""Which programs differ, and that each file is hashed once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube import programs
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.programs import Hashes, compare, file_sha256


def test_file_sha256(tmp_path: Path) -> None:
    path = tmp_path / "program"
    assert file_sha256(str(path)) is None
    path.write_bytes(b"x" * 3_000_000)
    assert file_sha256(str(path)) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_hard_links_are_read_once_and_replaced_files_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "kubelet", tmp_path / "kubeadm"
    first.write_bytes(b"one")
    os.link(first, second)
    read: list[str] = []

    def counted(path: str) -> str | None:
        read.append(path)
        found: str | None = file_sha256(path)
        return found

    monkeypatch.setattr(programs, "file_sha256", counted)
    hashes = Hashes()
    assert hashes.of(str(first)) == hashes.of(str(second)) == hashlib.sha256(b"one").hexdigest()
    assert read == [str(first)]

    later = Hashes(hashes.used)
    assert later.of(str(first)) == hashlib.sha256(b"one").hexdigest()
    assert read == [str(first)]

    # Same size and mtime, as a careful replacement has: the change time and inode still differ.
    status = first.stat()
    replacement = tmp_path / "new"
    replacement.write_bytes(b"two")
    os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
    replacement.replace(first)
    assert Hashes(hashes.used).of(str(first)) == hashlib.sha256(b"two").hexdigest()
    assert Hashes().of(str(tmp_path / "absent")) is None


@pytest.mark.parametrize(
    ("installed", "executable", "matches"),
    [("a", True, True), ("b", True, False), (None, False, False), ("a", False, False)],
)
def test_compare(installed: str | None, executable: bool, matches: bool) -> None:
    (found,) = compare([{"name": "runc", "path": "/p", "sha256": "a", "version": "v1"}], {"/p": installed}, {"/p": executable})
    assert found == {"name": "runc", "path": "/p", "version": "v1", "installed_sha256": installed, "matches": matches}
