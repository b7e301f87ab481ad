"""Which items recipes become, and what their digests depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import RecipeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.facade import Wish, digest_of, read_catalogue
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Item, catalogue, order, seal
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import Disk, Download, Image, Kernel, ProgramRecipe, Tool, Versions

TOP = Path(__file__).resolve().parents[5]
VERSIONS = Versions(
    versions={"debian": "trixie"},
    kernel=Kernel("linux-source-7.2", "7.2.1", ("sid",)),
    tools={name: Tool(name, name, "1", "0" * 64) for name in ("go", "uv", "node")},
    downloads={"a": Download("a", "v1", "{base}/{version}/a.tgz", {"a": "bin/a"}, base="https://x.org", sha256={"a": "1" * 64})},
)
PROGRAMS = [
    ProgramRecipe("a", "v1", {"a": "."}, module="x.org/a"),
    ProgramRecipe("registry", "v1", {"registry": "."}, module="x.org/r"),
    ProgramRecipe("containerd", "v1", {"containerd": ".", "ctr": "."}, module="x.org/c"),
]
IMAGES = [
    Image("base", "base", "", "", False, "debian"),
    Image("a", "a", "x.io/a", "v1", False, "base", programs={"a": "/a"}),
    Image("hub", "hub", "x.io/hub", "1", True, "debian", python={"requirements": "r.txt", "venv": "/v"}),
]
DISKS = [Disk("machine", "machine", 30, ("systemd",), images=True, programs={"a": "/usr/local/bin/a"})]
DEFAULTS = {
    "source": "build",
    "versions": VERSIONS,
    "programs": PROGRAMS,
    "images": IMAGES,
    "disks": DISKS,
    "digest_of": lambda name: f"hash of {name}",
    "checksums": {},
    "bases": {},
}


def digests(**changes):
    return {name: item.digest for name, item in catalogue(**{**DEFAULTS, **changes}).items.items()}


def changed(**changes):
    before, after = digests(), digests(**changes)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_the_same_recipes_give_the_same_digests():
    assert changed() == set()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        (
            {"programs": [replace(PROGRAMS[0], version="v2"), *PROGRAMS[1:]]},
            {"modules of a", "program a", "image a", "registry", "disk machine"},
        ),
        ({"programs": [replace(PROGRAMS[0], seconds=99), *PROGRAMS[1:]]}, set()),
        ({"programs": [replace(PROGRAMS[0], tags=("x",)), *PROGRAMS[1:]]}, {"modules of a", "program a", "image a", "registry", "disk machine"}),
        ({"digest_of": lambda name: "new" if name == "image:hub" else f"hash of {name}"}, {"image hub", "registry", "disk machine"}),
        ({"digest_of": lambda name: "new" if name == "image:machine" else f"hash of {name}"}, {"disk machine"}),
        ({"digest_of": lambda name: "new" if name == "program:kernel" else f"hash of {name}"}, {"program linux", "disk machine"}),
        ({"images": [replace(IMAGES[0], packages=("curl",)), *IMAGES[1:]]}, {"image base", "image a", "registry", "disk machine"}),
        (
            {"versions": replace(VERSIONS, versions={"debian": "forky"})},
            {"image debian", "image base", "image a", "image hub", "registry", "root of machine", "disk machine"},
        ),
        (
            {"versions": replace(VERSIONS, kernel=replace(VERSIONS.kernel, version="7.2.2"))},
            {"source of linux", "program linux", "disk machine"},
        ),
        ({"disks": [replace(DISKS[0], size_gib=31)]}, {"disk machine"}),
        ({"checksums": {"a": "2" * 64}}, set()),
    ],
)
def test_what_a_change_rebuilds(changes, names):
    assert changed(**changes) == names


def test_a_download_replaces_a_build_only_where_there_is_one():
    items = catalogue(**{**DEFAULTS, "source": "download"}).items
    assert items["programs of a"].kind == "download"
    assert items["programs of a"].inputs["url"] == "https://x.org/v1/a.tgz"
    assert items["programs of a"].inputs["sha256"] == "1" * 64
    assert items["program registry"].kind == "go"
    assert "program a" not in items


def test_a_site_can_name_a_mirror_and_a_checksum():
    items = catalogue(**{**DEFAULTS, "source": "download", "bases": {"a": "http://mirror"}, "checksums": {"a": "2" * 64}}).items
    assert items["programs of a"].inputs["url"] == "http://mirror/v1/a.tgz"
    assert items["programs of a"].inputs["sha256"] == "2" * 64


@pytest.mark.parametrize(
    ("release", "checksums", "kind"),
    [
        ({}, {}, "download"),
        ({"sha256": {}}, {}, "go"),  # nobody tells its checksum
        ({"sha256": {}}, {"a": "2" * 64}, "download"),
        ({"sha256": {}, "sha256_url": "{base}/SUMS"}, {}, "download"),
        ({"sha256": {}, "programs": {"a": "bin/a", "b": "bin/b"}}, {"a": "2" * 64}, "download"),  # by the name of the download, for all
        ({"sha256": {}, "name": "other"}, {"a": "2" * 64}, "download"),
        ({"sha256": {}, "name": "other", "programs": {"a": "bin/a", "b": "bin/b"}}, {"a": "2" * 64}, "go"),
    ],
)
def test_a_release_without_a_checksum_is_built_instead(release, checksums, kind):
    versions = replace(VERSIONS, downloads={"a": replace(VERSIONS.downloads["a"], **release)})
    items = catalogue(**{**DEFAULTS, "source": "download", "versions": versions, "checksums": checksums}).items
    (maker,) = (item for item in items.values() if "programs/a" in item.outputs)
    assert maker.kind == kind


def test_no_disk_no_kernel():
    found = catalogue(**{**DEFAULTS, "disks": []})
    assert not any("linux" in name for name in found.targets)


def test_content_tag():
    found = catalogue(**DEFAULTS)
    assert found.reference(IMAGES[1]) == "x.io/a:v1"
    assert found.reference(IMAGES[2]) == f"x.io/hub:1-{found.items['image hub'].digest[:12]}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [replace(IMAGES[1], base="nothing")]}, "the base 'nothing' is neither scratch, debian nor another image"),
        ({"images": [replace(IMAGES[1], base="debian", programs={"x": "/x"})]}, "images/a/recipe.yml: the program 'x' is made by no recipe"),
        ({"programs": PROGRAMS[:1]}, "the program 'registry' is made by no recipe"),
        ({"images": [replace(IMAGES[0], base="a"), IMAGES[1]]}, "needs itself: image base -> image a -> image base"),
    ],
)
def test_refused(changes, message):
    with pytest.raises(RecipeError) as error:
        catalogue(**{**DEFAULTS, **changes})
    assert message in str(error.value)


def test_order_and_digest_follow_needs():
    items = [Item("c", "image", needs=("b",)), Item("b", "image", needs=("a",)), Item("a", "image")]
    assert [item.name for item in order(items)] == ["a", "b", "c"]
    other = seal([items[0], items[1], replace(items[2], inputs={"x": 1})])
    assert all(other[name].digest != seal(items)[name].digest for name in "abc")


def test_names_are_unique():
    with pytest.raises(RecipeError, match="'a' is described twice"):
        order([Item("a", "image"), Item("a", "go")])


def test_the_recipes_of_this_collection(tmp_path):
    """Every recipe that is shipped can be read, and gives what the other roles ask for."""
    shorts = ["net-base", "kube-base", "kube", "coredns", "etcd", "pause", "flannel", "kube-network-policies", "proxy", "hub", "notebook"]
    for source in ("build", "download"):
        wish = Wish(source, tmp_path, TOP / "versions.yml", TOP / "roles/bundle/files", TOP / "images", shorts, ["machine"], {}, {})
        _versions, found = read_catalogue(wish)
        outputs = {path for item in found.items.values() for path in item.outputs}
        programs = "linux kubeadm kubelet kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy containerd containerd-shim-runc-v2 ctr runc"
        programs += " crictl etcd etcdctl coredns flanneld kube-network-policies registry cni/bridge cni/host-local cni/loopback cni/portmap"
        assert {f"programs/{name}" for name in programs.split()} <= outputs
        assert {image.short for image in found.images} == {
            *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "etcd", "pause", "flannel"),
            *("kube-network-policies", "proxy", "hub", "notebook"),
        }


def test_digest_of_a_folder(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "file").write_text("1")
    first = digest_of(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.pyc").write_text("ignored")
    assert digest_of(folder) == first
    (folder / "file").chmod(0o755)
    second = digest_of(folder)
    (folder / "file").write_text("2")
    assert len({first, second, digest_of(folder)}) == 3
    with pytest.raises(RecipeError, match="there is no recipe of that name"):
        digest_of(tmp_path / "b")
