"""From recipes on disk to a bundle on disk, with makers that write small files instead of compiling."""

from __future__ import annotations

import functools
import json

import pytest
import yaml
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle import facade
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.builder import MAKERS, Builder
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import RecipeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.job import Made
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.registry import blob, manifest_link, repository
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import sha256_of

VERSIONS = {
    "versions": {"debian": "trixie", "one": "v1"},
    "kernel": {"package": "linux-source-7.2", "version": "1", "suites": ["sid"]},
    "tools": {name: {"package": name, "version": "1", "sha256": "0" * 64} for name in ("go", "uv", "node")},
}
PROGRAMS = {
    "one": {"module": "x.org/one", "version": "one", "packages": {"one": "."}, "links": {"one": ["uno"]}},
    "registry": {"module": "x.org/registry", "version": "one", "packages": {"registry": "."}},
}
IMAGE = {"name": "x.io/team/one", "version": {"from": "one"}, "base": "scratch", "programs": {"one": "/one"}}


def write_outputs(job):
    """Make every output, with the item's digest as content."""
    source = job.scratch / "out"
    source.write_text(job.item.digest)
    return Made(dict.fromkeys(job.item.outputs, source), {"version": "v1"})


def fill_registry(job):
    """Put a manifest with one layer into the registry's storage, as a push would."""
    storage = job.site.places.bundle / "registry"
    images = {}
    for image in job.site.catalogue.images:
        layer, config = job.scratch / "layer", job.scratch / "config"
        layer.write_text("layer")
        config.write_text("{}")
        parts = [{"digest": f"sha256:{sha256_of(path)}", "size": path.stat().st_size} for path in (config, layer)]
        manifest = job.scratch / "manifest"
        manifest.write_text(json.dumps({"config": parts[0], "layers": parts[1:]}))
        digest = f"sha256:{sha256_of(manifest)}"
        for name, path in ((digest, manifest), (parts[0]["digest"], config), (parts[1]["digest"], layer)):
            (storage / blob(name)).parent.mkdir(parents=True, exist_ok=True)
            (storage / blob(name)).write_bytes(path.read_bytes())
        link = storage / manifest_link(repository(image.reference), digest)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(digest)
        images[image.short] = {"reference": job.site.catalogue.reference(image), "digest": digest}
    return Made(facts={"images": images})


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Recipes in a folder, and makers that need no compiler. Gives the wish, and a function that changes a recipe."""
    makers = {**dict.fromkeys(MAKERS, write_outputs), "registry": fill_registry}
    monkeypatch.setattr(facade, "Builder", functools.partial(Builder, makers=makers))
    monkeypatch.setattr(facade, "isolate_mounts", lambda: None)
    files = {"versions.yml": VERSIONS, "programs/programs.yml": PROGRAMS, "images/one/recipe.yml": IMAGE}

    def change(name, **values):
        files[name] = {**files[name], **values}
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(yaml.safe_dump(files[name]))

    for name in files:
        change(name)
    (tmp_path / "programs/kernel").mkdir()
    wish = facade.Wish("build", tmp_path / "cache", tmp_path / "versions.yml", tmp_path / "programs", tmp_path / "images", ["one"], [], {}, {})
    return wish, change


def ensure(wish, verify=False):
    before, _lines, changed = facade.ensure(wish, verify, lambda: False, 2)
    return changed, dict(before.reasons)


def test_made_once(site):
    wish, _change = site
    assert ensure(wish)[0] is True
    content = facade.read_manifest(wish)
    assert set(content["programs"]) == {"one", "uno", "registry"}
    assert content["images"]["one"]["reference"] == "x.io/team/one:v1"
    assert ensure(wish) == (False, {})
    assert ensure(wish, verify=True) == (False, {})


def test_only_what_changed_is_made_anew(site):
    wish, change = site
    ensure(wish)
    change("images/one/recipe.yml", env={"A": "b"})
    assert ensure(wish) == (True, {"image one": "its recipe has changed", "registry": "its recipe has changed"})
    assert ensure(wish) == (False, {})


@pytest.mark.parametrize("hurt", ["programs/uno", "registry"])
def test_what_is_broken_is_named_and_mended(site, hurt):
    wish, _change = site
    ensure(wish)
    bundle = wish.cache_dir / "bundle"
    layers = [path for path in bundle.glob("registry/docker/registry/v2/blobs/sha256/*/*/data") if path.read_text() == "layer"]
    victim = layers[0] if hurt == "registry" else bundle / hurt
    victim.unlink()
    (sentence,) = facade.broken(wish, facade.look(wish))
    assert "missing" in sentence
    assert ensure(wish)[0] is True
    assert facade.broken(wish, facade.look(wish)) == []
    assert ensure(wish) == (False, {})


def test_a_lost_manifest_is_written_again_without_building(site):
    wish, _change = site
    ensure(wish)
    (wish.cache_dir / "bundle/manifest.json").unlink()
    assert ensure(wish) == (True, {})
    assert ensure(wish) == (False, {})


def test_programs_that_nobody_asks_for_any_more_are_removed(site):
    wish, change = site
    ensure(wish)
    change("programs/programs.yml", one={**PROGRAMS["one"], "links": {}})
    ensure(wish)
    assert sorted(path.name for path in (wish.cache_dir / "bundle/programs").iterdir()) == ["one", "registry"]
    assert "uno" not in facade.read_manifest(wish)["programs"]


def test_the_work_folder_may_be_deleted(site):
    wish, _change = site
    ensure(wish)
    (wish.cache_dir / "work").rename(wish.cache_dir / "gone")
    assert ensure(wish) == (False, {})


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("images/one/recipe.yml", None, "images/one/recipe.yml is missing: there is no recipe of that name."),
        ("versions.yml", "a: [", "versions.yml cannot be read"),
        ("programs/programs.yml", "- x", "programs.yml: a mapping is expected, not list."),
    ],
)
def test_recipes_that_cannot_be_read(site, tmp_path, path, text, message):
    (tmp_path / path).unlink()
    if text is not None:
        (tmp_path / path).write_text(text)
    with pytest.raises(RecipeError) as error:
        facade.look(site[0])
    assert message in str(error.value)


def test_host_packages_are_asked_for_only_when_something_is_to_be_made(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(facade, "HOST_PROGRAMS", {"surely-not-there": "some-package", "sh": "dash"})
    monkeypatch.setattr(facade, "HOST_FILES", {"/nonexistent/x.h": "other-package"})
    assert facade.missing_host_packages([]) == []
    assert [name for name in facade.missing_host_packages(["x"]) if name != "dash"] == ["other-package", "some-package"]
