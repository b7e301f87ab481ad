"""Checksums of trees: the form of sha256sum, going on after any interruption, and every difference found."""

from __future__ import annotations

import errno
import io
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_provisioner import manifest
from hub_provisioner.manifest import Totals, compare, line, parse_line, walk

ODD = [b"plain", b"with space", b"new\nline", b"back\\slash", b"car\rriage", b"\xff\xfe", b"-rf", b"a\\nb", "é".encode()]


def no_wait(_seconds: float) -> None:
    return


def opened(top: Path) -> set[str]:
    """Descriptors of this process that lead into a tree. Not all that it has: what tests before this one left may be closed at any moment."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # closed meanwhile, as the one that lists
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            target = str(top)  # only this file has directories that are so deep
        if Path(target).is_relative_to(top):
            found.add(number)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    top = tmp_path / "tree"
    for folder in ("", "a", "a-b", "a/deep/er", "empty"):
        (top / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(ODD):
        with open(os.fsencode(top / "a") + b"/" + name, "wb") as stream:
            stream.write(name * number)
    (top / "a-b" / "file").write_text("x")
    (top / "a/deep/er/file").write_bytes(bytes(3 * 2**20 + 1))
    (top / "zero").touch()
    (top / "link").symlink_to("/etc/passwd")
    os.mkfifo(top / "pipe")
    descriptor = os.open(top, os.O_RDONLY)
    yield top, descriptor
    os.close(descriptor)


def written(descriptor: int, start: bytes = b"") -> tuple[bytes, Totals]:
    stream = io.BytesIO(start)
    totals = manifest.write(descriptor, stream, no_wait)
    return stream.getvalue(), totals


def test_as_sha256sum_reads_and_writes_it(tree: tuple[Path, int], tmp_path: Path) -> None:
    top, descriptor = tree
    text, totals = written(descriptor)
    assert totals.files == len(ODD) + 3
    assert totals.unread == 0
    assert totals.bytes == sum(path.stat().st_size for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    (tmp_path / "sums").write_bytes(text)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", tmp_path / "sums"], cwd=top, check=True)
    theirs = subprocess.run("find . -type f -printf '%P\\0' | xargs -0 sha256sum -t", shell=True, cwd=top, check=True, capture_output=True).stdout  # noqa: S602
    assert sorted(text.splitlines()) == sorted(theirs.splitlines())


@pytest.mark.parametrize("path", [*ODD, b"a/b", b"\\n", b"x" * 4095])
def test_line_and_back(path: bytes) -> None:
    assert parse_line(line(path, "0" * 64)) == (path, "0" * 64)


@pytest.mark.parametrize("text", [b"", b"\n", b"0" * 64 + b"  cut", b"0" * 63 + b"  short\n", b"g" * 64 + b"  a\n", b"0" * 64 + b"  \n", bytes(80)])
def test_no_whole_line(text: bytes) -> None:
    assert parse_line(text) is None


def test_goes_on_from_any_byte(tree: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    _top, descriptor = tree
    whole, totals = written(descriptor)
    read: list[int] = []
    real = manifest.digest
    monkeypatch.setattr(manifest, "digest", lambda *given: (read.append(1), real(*given))[1])
    for cut in range(0, len(whole) + 1, 7):
        read.clear()
        assert written(descriptor, whole[:cut]) == (whole, totals)
        assert len(read) == totals.files - whole[:cut].count(b"\n")  # nothing is read twice


@pytest.mark.parametrize("damage", [b"", b"\0" * 500, b"garbage\n", b"0" * 64 + b"  gone\n"])
def test_what_an_earlier_try_wrote_is_kept_only_as_far_as_it_fits(tree: tuple[Path, int], damage: bytes) -> None:
    _top, descriptor = tree
    whole, totals = written(descriptor)
    lines = whole.splitlines(keepends=True)
    for at in range(len(lines) + 1):
        assert written(descriptor, b"".join(lines[:at]) + damage) == (whole, totals)


def differences(descriptor: int, text: bytes) -> list[str]:
    return list(compare(descriptor, io.BytesIO(text), no_wait))


def test_every_difference_is_found(tree: tuple[Path, int]) -> None:
    top, descriptor = tree
    text, _totals = written(descriptor)
    assert differences(descriptor, text) == []
    (top / "a" / "plain").write_text("changed")
    (top / "a-b" / "file").unlink()
    (top / "a-b" / "added").write_text("y")
    (top / "zz").write_text("last")
    (top / "zero").unlink()
    (top / "zero").symlink_to("a-b")
    assert differences(descriptor, text) == [
        "'a/plain' has another content",
        "'a-b/added' is not in the manifest",
        "'a-b/file' is missing",
        "'zero' is missing",
        "'zz' is not in the manifest",
    ]


def test_random_trees(tmp_path: Path) -> None:
    chance = random.Random(20261124)  # noqa: S311 (no secret)
    for number in range(20):
        top = tmp_path / str(number)
        top.mkdir()
        for _file in range(chance.randrange(30)):
            path = top.joinpath(*(chance.choice(["a", "b", "a-", "a.", "0"]) for _part in range(chance.randint(1, 4))))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(str(chance.random()))
            except OSError:
                continue
        descriptor = os.open(top, os.O_RDONLY)
        try:
            text, totals = written(descriptor)
            assert differences(descriptor, text) == []
            assert totals.files == sum(path.is_file() for path in top.rglob("*"))
            files = [path for path in top.rglob("*") if path.is_file()]
            if files:
                chance.choice(files).unlink()
                assert len(differences(descriptor, text)) == 1
        finally:
            os.close(descriptor)


def test_damaged_manifest_is_no_agreement(tree: tuple[Path, int]) -> None:
    _top, descriptor = tree
    text, _totals = written(descriptor)
    with pytest.raises(ValueError, match="damaged"):
        differences(descriptor, text[:-1])


def test_too_deep_to_be_read_is_counted(tmp_path: Path) -> None:
    deep = os.open(tmp_path, os.O_RDONLY)
    for _round in range(2500):
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=deep))
    os.close(deep)
    (tmp_path / "shallow").write_text("x")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    before = opened(tmp_path)
    assert before == {str(descriptor)}
    try:
        text, totals = written(descriptor)
        assert (totals.files, totals.unread) == (1, 1)
        assert differences(descriptor, text) == []
        assert opened(tmp_path) == before
    finally:
        os.close(descriptor)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_nothing_stays_open_when_the_work_is_stopped(tree: tuple[Path, int]) -> None:
    top, descriptor = tree

    def stop(_seconds: float) -> None:
        raise InterruptedError

    before = opened(top)
    assert before == {str(descriptor)}
    with pytest.raises(InterruptedError):
        manifest.write(descriptor, io.BytesIO(), stop)
    assert opened(top) == before
    entries = walk(descriptor)
    next(entries)
    entries.close()  # type: ignore[attr-defined]
    assert opened(top) == before
