"""Reading disks: what is no disk, and what counts as blank."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.disks import _zeroed, probe, read_text, volume_facts
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.xfs import XfsError

MIB = 2**20


def no_program(argv: list[str]) -> tuple[int, str, str]:
    raise AssertionError(f"{argv} should not be run")


def test_no_such_disk(tmp_path: Path) -> None:
    with pytest.raises(XfsError, match="does not exist on this machine"):
        probe(no_program, str(tmp_path / "vdz"))
    assert volume_facts(no_program, str(tmp_path / "vdz"), "/srv") == {}
    assert volume_facts(no_program, None, "/srv") == {}


def test_a_file_is_no_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(XfsError, match="is not a disk"):
        probe(no_program, str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("offset", "blank"),
    [(None, True), (0, False), (4 * MIB - 1, False), (32 * MIB, False), (64 * MIB - 1, False), (60 * MIB, False)],
)
def test_what_is_sampled(tmp_path: Path, offset: int | None, blank: bool) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as stream:
        stream.truncate(64 * MIB)
        if offset is not None:
            stream.seek(offset)
            stream.write(b"x")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert _zeroed(descriptor, 64 * MIB) is blank
    finally:
        os.close(descriptor)


def test_small_disk_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(1000) + b"x" + bytes(1000))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert not _zeroed(descriptor, 2001)
    finally:
        os.close(descriptor)


def test_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_text(str(tmp_path / "absent")) == ""
