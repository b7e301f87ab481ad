"""Records, damage, the lock, hashes of sparse files."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Item
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import (
    Places,
    Record,
    Store,
    describe,
    locked,
    sha256_of_sparse,
    write_atomic,
)

ITEM = Item("program x", "go", outputs=("programs/x",), digest="d1")


@pytest.fixture
def store(tmp_path):
    places = Places(tmp_path)
    target = places.bundle / "programs/x"
    target.parent.mkdir(parents=True)
    target.write_text("content")
    store = Store(places)
    store.write("program x", Record("d1", {"programs/x": describe(target)}, {"paths": ["work/kept"]}))
    (tmp_path / "work/kept").mkdir(parents=True)
    return store


def restore_time(path, state):
    os.utime(path, ns=(state.st_mtime_ns, state.st_mtime_ns))


def rewrite(path, text, keep_time):
    state = path.stat()
    path.write_text(text)
    if keep_time:
        restore_time(path, state)


@pytest.mark.parametrize(
    ("hurt", "verify", "problem"),
    [
        (lambda path: None, False, ""),
        (lambda path: path.unlink(), False, "programs/x is missing"),
        (lambda path: rewrite(path, "cut", True), False, "programs/x has 3 bytes instead of 7"),
        (lambda path: rewrite(path, "CONTENT", False), False, "programs/x has another content than was built (its sha256 differs)"),
        (lambda path: rewrite(path, "content", False), False, ""),  # only touched
        (lambda path: rewrite(path, "CONTENT", True), False, ""),  # what a quick look cannot see
        (lambda path: rewrite(path, "CONTENT", True), True, "programs/x has another content than was built (its sha256 differs)"),
        (lambda path: (path.parents[2] / "work/kept").rmdir(), False, "work/kept is missing"),
    ],
)
def test_damage(store, hurt, verify, problem):
    hurt(store.places.bundle / "programs/x")
    assert store.problem(ITEM, verify) == problem


def test_record_of_another_recipe(store):
    assert store.problem(Item("program x", "go", outputs=("programs/x",), digest="d2")) == "its recipe has changed"
    assert store.problem(Item("program y", "go", digest="d1")) == "it was not made"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"digest": "d1"}'])
def test_a_record_that_cannot_be_read_counts_as_none(store, text):
    (store.places.items / "program-x.json").write_text(text)
    assert store.problem(ITEM) == "it was not made"


def test_write_atomic_replaces_and_leaves_nothing(tmp_path):
    path = tmp_path / "a/file"
    write_atomic(path, "1", 0o600)
    write_atomic(path, "2", 0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777, os.listdir(path.parent)) == ("2", 0o600, ["file"])


def test_lock_names_its_owner_and_ends_with_it(tmp_path):
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Places, locked\n"
        f"with locked(Places(Path({str(tmp_path)!r}))):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BundleError, match=rf"Another build works in .* \(process {other.pid}\)"), locked(Places(tmp_path)):
            pass
        other.kill()
    with locked(Places(tmp_path)):
        pass


def make(path, size, pieces):
    with open(path, "wb") as stream:
        stream.truncate(size)
        for position, data in pieces:
            stream.seek(position)
            stream.write(data)
    return sha256_of_sparse(path)


def test_hash_of_a_disk_ignores_holes_and_sees_all_else(tmp_path):
    size = 40 << 20
    first = make(tmp_path / "a", size, [(5 << 20, b"x"), (30 << 20, b"y" * 3000000)])
    assert make(tmp_path / "b", size, [(0, bytes(20 << 20)), (5 << 20, b"x"), (30 << 20, b"y" * 3000000)]) == first
    others = [
        make(tmp_path / "c", size, [(5 << 20, b"x"), (30 << 20, b"y" * 2999999)]),
        make(tmp_path / "d", size, [(6 << 20, b"x"), (30 << 20, b"y" * 3000000)]),
        make(tmp_path / "e", size + 1, [(5 << 20, b"x"), (30 << 20, b"y" * 3000000)]),
        make(tmp_path / "f", size, []),
    ]
    assert len({first, *others}) == 5
