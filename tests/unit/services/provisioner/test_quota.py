"""Quota numbers: what is asked of xfs_quota, and what is read from it. Limits themselves are tested on XFS (molecule/nfs_provisioner)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hub_provisioner.errors import StorageError
from hub_provisioner.limits import Limits, Usage
from hub_provisioner.quota import XfsQuota, limit_command, mount_options, next_project, parse_report

# As xfsprogs 6.13 printed it
REPORT = (
    "#0                   0          0          0     00 [--------]          7          0          0     00 [--------]\n"
    "#1001            65536          0      65536     00 [--------]          3          0        500     00 [--------]\n"
    "#1002            32768      30000      32768     00 [6 days]          1          0          0     00 [-none-]\n\n"
)


def test_report() -> None:
    assert parse_report(REPORT) == {0: Usage(0, 0, 7, 0), 1001: Usage(2**26, 2**26, 3, 500), 1002: Usage(2**25, 2**25, 1, 0, 30000 * 1024)}
    assert parse_report("") == {}


@pytest.mark.parametrize("line", ["xfs_quota: something else\n", "#1001 1 2\n", "alice 0 0 0 00 [--------] 0 0 0 00 [--------]\n"])
def test_report_that_is_not_understood(line: str) -> None:
    with pytest.raises(StorageError, match="not understood"):
        parse_report(line)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(2**30, 65536), "limit -p bsoft=0 bhard=1073741824 isoft=0 ihard=65536 1001"),
        (Limits(1, 0), "limit -p bsoft=0 bhard=4096 isoft=0 ihard=0 1001"),
        (Limits(4097, 0), "limit -p bsoft=0 bhard=8192 isoft=0 ihard=0 1001"),
        (Limits(0, 0), "limit -p bsoft=0 bhard=0 isoft=0 ihard=0 1001"),
        (Limits(2**30, 100, 2**29 + 1, 80), "limit -p bsoft=536870912 bhard=1073741824 isoft=80 ihard=100 1001"),
    ],
)
def test_limit_command(limits: Limits, expected: str) -> None:
    assert limit_command(1001, limits) == expected


@pytest.mark.parametrize(("taken", "project"), [([], 1001), ([0], 1001), ([0, 1001, 1007], 1008), ([5], 1001)])
def test_next_project(taken: list[int], project: int) -> None:
    assert next_project(taken) == project


def table(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "mountinfo"
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["40 22 98:16 / /srv/hub rw,nosuid shared:1 - xfs /dev/ubdb rw,prjquota"], True),
        (["40 22 98:16 / /srv/hub rw,nosuid - xfs /dev/ubdb rw,noquota"], False),
        (["40 22 98:16 / /srv/hub rw - ext4 /dev/ubdb rw,prjquota"], None),
        (["40 22 98:16 / /srv rw - xfs /dev/ubdb rw,prjquota"], None),
        (["40 22 98:16 / /srv/hub rw - xfs /dev/ubdb rw,prjquota", "41 40 98:32 / /srv/hub rw - xfs /dev/ubdc rw,noquota"], False),
    ],
)
def test_mount_options(tmp_path: Path, lines: list[str], expected: bool | None) -> None:
    options = mount_options("/srv/hub", table(tmp_path, *lines))
    assert (None if options is None else "prjquota" in options) is expected


def test_check_and_commands_say_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="prjquota"):
        XfsQuota(str(tmp_path)).check()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageError, match="xfs_quota"):
        XfsQuota(str(tmp_path)).report()
    program = tmp_path / "xfs_quota"
    program.write_text("#!/bin/sh\necho 'cannot set limits: Function not implemented' >&2\nexit 0\n")  # it ends with 0 after failures
    program.chmod(0o700)
    with pytest.raises(StorageError, match="Function not implemented"):
        XfsQuota(str(tmp_path)).report()


def test_directory_on_a_file_system_without_projects() -> None:
    descriptor = os.open("/proc/self", os.O_RDONLY)
    try:
        with pytest.raises(StorageError, match="does not know projects"):
            XfsQuota("/proc").project_of(descriptor)
    finally:
        os.close(descriptor)
