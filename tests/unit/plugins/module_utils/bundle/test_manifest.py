"""The manifest, and what of a bundle is broken."""

from __future__ import annotations

import json

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Catalogue, Item, seal
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.manifest import manifest, problems
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.registry import blob, configuration, damaged, manifest_link, repository, stale_tags
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Record, describe

DIGESTS = {name: f"sha256:{number * 64}" for name, number in (("manifest", "a"), ("config", "b"), ("layer", "c"))}
IMAGE = {"reference": "x.io/team/etcd:v3", "digest": DIGESTS["manifest"]}
ITEMS = seal(
    [
        Item("programs", "go", outputs=("programs/cni/a", "programs/b")),
        Item("program linux", "kernel", outputs=("programs/linux", "disks/linux-modules.tar")),
        Item("registry", "registry"),
        Item("disk", "disk", outputs=("disks/machine.ext4",)),
    ]
)


def build(tmp_path):
    """Make a small bundle; give its manifest and the times of its files."""
    bundle = tmp_path / "bundle"
    records = {}
    for name, item in ITEMS.items():
        outputs = {}
        for path in item.outputs:
            (bundle / path).parent.mkdir(parents=True, exist_ok=True)
            (bundle / path).write_text(path)
            outputs[path] = describe(bundle / path)
        facts = {"images": {"etcd": IMAGE}} if name == "registry" else {"version": "v1"}
        records[name] = Record("d", outputs, facts)
    storage = bundle / "registry"
    content = {"config": {"digest": DIGESTS["config"], "size": 3}, "layers": [{"digest": DIGESTS["layer"], "size": 5}]}
    for path, text in (
        (manifest_link("team/etcd", DIGESTS["manifest"]), DIGESTS["manifest"]),
        (blob(DIGESTS["manifest"]), json.dumps(content)),
        (blob(DIGESTS["config"]), "123"),
        (blob(DIGESTS["layer"]), "12345"),
    ):
        (storage / path).parent.mkdir(parents=True)
        (storage / path).write_text(text)
    times = {path: entry["mtime_ns"] for record in records.values() for path, entry in record.outputs.items()}
    return bundle, manifest("build", {"etcd": "v3"}, Catalogue(ITEMS, ()), records), times


def test_manifest_has_what_the_roles_read(tmp_path):
    bundle, content, _times = build(tmp_path)
    assert (content["schema"], content["source"]) == (1, "build")
    assert list(content["programs"]) == ["b", "cni/a", "linux"]
    assert content["programs"]["cni/a"] == {"version": "v1", "sha256": describe(bundle / "programs/cni/a")["sha256"], "size": 14, "path": "programs/cni/a"}
    assert content["images"] == {"etcd": IMAGE}
    assert list(content["disks"]) == ["machine"]
    assert content["versions"] == {"etcd": "v3", "linux": "v1"}


def test_manifest_needs_the_registry():
    with pytest.raises(BundleError, match="The registry was not filled"):
        manifest("build", {}, Catalogue(ITEMS, ()), {})


@pytest.mark.parametrize(
    ("hurt", "sentence"),
    [
        ("", ""),
        ("programs/b", "program b: {bundle}/programs/b has 4 bytes instead of 10"),
        ("disks/machine.ext4", "disk machine: {bundle}/disks/machine.ext4 has 4 bytes instead of 18"),
        (f"registry/{blob(DIGESTS['layer'])}", f"image etcd: the layer {DIGESTS['layer']} is missing or cut short in {{bundle}}/registry"),
        (f"registry/{blob(DIGESTS['manifest'])}", "image etcd: its manifest cannot be read ("),
        (f"registry/{manifest_link('team/etcd', DIGESTS['manifest'])}", "image etcd: its manifest is missing in {bundle}/registry"),
    ],
)
def test_what_is_broken(tmp_path, hurt, sentence):
    bundle, content, times = build(tmp_path)
    if "_manifests" in hurt:
        (bundle / hurt).unlink()
    elif hurt:
        (bundle / hurt).write_text("hurt")
    found = problems(content, bundle, times)
    assert len(found) == (1 if sentence else 0)
    assert all(sentence.format(bundle=bundle) in text for text in found)


@pytest.mark.parametrize("content", [{}, {"schema": 2}, [], None])
def test_another_schema(tmp_path, content):
    assert problems(content, tmp_path, {}) == [f"The manifest of {tmp_path} is not of schema 1."]


def test_registry_without_tls_is_for_loopback_only(tmp_path):
    assert json.loads(configuration(tmp_path, "127.0.0.1:1"))["http"] == {"addr": "127.0.0.1:1"}
    with pytest.raises(BundleError, match="for loopback only"):
        configuration(tmp_path, "0.0.0.0:5000")


def test_nodes_ask_a_mirror_without_the_host():
    assert repository("registry.k8s.io/coredns/coredns") == "coredns/coredns"


def test_stale_tags(tmp_path):
    root = tmp_path / "docker/registry/v2/repositories"
    for name in ("team/hub/_manifests/tags/1-new", "team/hub/_manifests/tags/1-old", "gone/_manifests/tags/1", "etcd/_manifests/tags/v3"):
        (root / name).mkdir(parents=True)
    found = stale_tags(tmp_path, {"team/hub": "1-new", "etcd": "v3"})
    assert [str(path.relative_to(root)) for path in found] == ["gone/_manifests/tags/1", "team/hub/_manifests/tags/1-old"]


@pytest.mark.parametrize(
    "content",
    [{"schema": 1, "programs": {"a": {"path": "x"}}}, {"schema": 1, "programs": []}, {"schema": 1, "images": {"a": None}}],
)
def test_a_manifest_by_another_hand(tmp_path, content):
    (sentence,) = problems(content, tmp_path, {})
    assert sentence.startswith(f"The manifest of {tmp_path} cannot be understood")


def test_content_is_compared_on_demand(tmp_path):
    bundle, _content, _times = build(tmp_path)
    assert damaged(bundle / "registry", "team/etcd", DIGESTS["manifest"]) == []
    paths = [path for path, _fault in damaged(bundle / "registry", "team/etcd", DIGESTS["manifest"], verify=True)]
    assert paths == [blob(DIGESTS[name]) for name in ("manifest", "config", "layer")]
