"""The builder with makers of our own: real files, real records, real failures."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.builder import MAKERS, Builder, place
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import InterruptedBuildError, ItemError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import GENERATION, Catalogue, Item, seal
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.job import Made, Site, build_environment, copy_tree, place_programs
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.plan import plan
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Places, Store

ITEMS = seal(
    [
        Item("a", "go", outputs=("programs/a", "programs/a2")),
        Item("b", "image", needs=("a",)),
        Item("c", "disk", needs=("b",), outputs=("disks/c.ext4",)),
    ]
)


def write(job):
    """Make every output with the item's name as content; two programs are one file."""
    source = job.scratch / "out"
    source.write_text(job.item.name)
    return Made(dict.fromkeys(job.item.outputs, source), {"made": job.item.name})


def fail(job):
    job.run(["sh", "-c", "echo one; echo two >&2; exit 3"])
    return Made()


@pytest.fixture
def site(tmp_path):
    places = Places(tmp_path)
    for folder in (places.bundle, places.work, places.logs):
        folder.mkdir(parents=True)
    return Site(places, tmp_path, tmp_path, Catalogue(ITEMS, tuple(ITEMS)), Store(places), build_environment({"PATH": "/usr/bin:/bin"}), cores=2)


def steps(site):
    return plan(ITEMS, ITEMS, lambda item: not site.store.problem(item))


def builder(site, orphaned=lambda: False, **makers):
    return Builder(site, orphaned, {"go": write, "image": write, "disk": write, **makers})


def test_every_kind_has_a_maker():
    assert set(MAKERS) == set(GENERATION)


def test_build_then_nothing_left_to_do(site):
    lines = builder(site).make(steps(site))
    assert [line.split(" made")[0] for line in lines[:3]] == ["[  1/3] a", "[  2/3] b", "[  3/3] c"]
    assert site.places.progress.read_text().splitlines() == lines
    one, other = (site.places.bundle / "programs" / name for name in ("a", "a2"))
    assert one.read_text() == "a"
    assert one.stat().st_ino == other.stat().st_ino
    assert steps(site) == []
    assert list((site.places.work / "tmp").iterdir()) == []


def test_a_failure_names_item_last_lines_and_log_and_keeps_what_is_finished(site):
    with pytest.raises(ItemError) as error:
        builder(site, image=fail).make(steps(site))
    log = site.places.log("b")
    assert str(error.value) == f"b could not be made: 'sh -c echo one; echo two >&2; exit 3' ended with code 3. Its log is {log}. Last lines:\none\ntwo"
    assert "one\ntwo" in log.read_text()
    assert steps(site) == ["b", "c"]
    builder(site).make(steps(site))
    assert steps(site) == []


def test_a_maker_that_forgets_an_output_is_found_out(site):
    with pytest.raises(ItemError, match=r"a could not be made: programs/a was not among what was made\."):
        builder(site, go=lambda job: Made()).make(["a"])
    assert "a" in steps(site)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError("paths"), ValueError("x")])
def test_other_errors_are_told_with_the_item(site, error):
    def raise_it(job):
        raise error

    with pytest.raises(ItemError, match=rf"a could not be made: {type(error).__name__}"):
        builder(site, go=raise_it).make(["a"])


def test_the_build_stops_with_the_playbook(site):
    running = threading.Event()

    def slow(job):
        running.set()
        job.run(["sleep", "600"])
        return Made()

    with pytest.raises(InterruptedBuildError, match="what was finished is kept"):
        builder(site, orphaned=running.is_set, go=slow).make(["a"])


def test_rubbish_of_a_killed_build_is_removed(site):
    rubbish = site.places.work / "tmp" / "a" / "half"
    rubbish.parent.mkdir(parents=True)
    rubbish.write_text("x")
    (site.places.bundle / "programs").mkdir()
    (site.places.bundle / "programs/.a2.new").write_text("x")
    builder(site).make(["a"])
    assert not rubbish.exists()
    assert sorted(path.name for path in (site.places.bundle / "programs").iterdir()) == ["a", "a2"]


def test_a_record_says_what_was_made(site):
    builder(site).make(["a"])
    record = json.loads((site.places.items / "a.json").read_text())
    assert (record["digest"], record["facts"]) == (ITEMS["a"].digest, {"made": "a"})


def test_placing_a_new_version_over_several_names_leaves_one_file(tmp_path):
    for text in ("old", "new"):
        source = tmp_path / "source"
        source.write_text(text)
        place(tmp_path / "bundle", {"programs/a": source, "programs/b": source})
    folder = tmp_path / "bundle/programs"
    assert {path.read_text() for path in folder.iterdir()} == {"new"}
    assert len({path.stat().st_ino for path in folder.iterdir()}) == 1
    assert len(list(folder.iterdir())) == 2


def test_copy_tree_never_writes_into_a_file_with_other_names(tmp_path):
    source, target, other = tmp_path / "source", tmp_path / "target", tmp_path / "other"
    (source / "etc/x").mkdir(parents=True)
    (source / "etc/x/run").write_text("new")
    (source / "etc/x/run").chmod(0o700)
    (source / "etc/x/link").symlink_to("run")
    (source / "etc/__pycache__").mkdir()
    (target / "etc/x").mkdir(parents=True)
    other.write_text("old")
    (target / "etc/x/run").hardlink_to(other)
    copy_tree(source, target)
    assert other.read_text() == "old"
    assert ((target / "etc/x/run").read_text(), (target / "etc/x/run").stat().st_mode & 0o777) == ("new", 0o755)
    assert (target / "etc/x/link").readlink() == Path("run")
    assert not (target / "etc/__pycache__").exists()


@pytest.mark.parametrize("link", [True, False])
def test_programs_that_are_one_file_stay_one(tmp_path, link):
    programs = tmp_path / "bundle/programs"
    programs.mkdir(parents=True)
    (programs / "kubeadm").write_text("k")
    (programs / "kubelet").hardlink_to(programs / "kubeadm")
    place_programs(tmp_path / "bundle", {"kubeadm": "/bin/kubeadm", "kubelet": "/bin/kubelet"}, tmp_path / "root", link=link)
    placed = [(tmp_path / "root/bin" / name).stat() for name in ("kubeadm", "kubelet")]
    assert placed[0].st_ino == placed[1].st_ino
    assert (placed[0].st_ino == (programs / "kubeadm").stat().st_ino) == link
