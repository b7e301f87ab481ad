"""`bundle_source: download` from recipes to programs in the bundle, against a real web server on loopback."""

from __future__ import annotations

import functools
import hashlib
import http.server
import tarfile
import threading

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.builder import Builder
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import ItemError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import catalogue
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.job import Site, build_environment
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import Download, Kernel, ProgramRecipe, Tool, Versions
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Places, Store

PLAIN = Download("plain", "v1.2", "{base}/{version}/{name}", {"one": "", "two": ""}, sha256_url="{base}/{version}/{name}.sha256")
PACKED = Download("packed", "v1.2", "{base}/{version}/packed-{number}.tgz", {"three": "packed-{version}/three"}, sha256_url="{base}/{version}/SHA256SUMS")
NAMES = ["program one", "program two", "programs of packed"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "web/v1.2"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / name).write_text(name)
        (folder / f"{name}.sha256").write_text(hashlib.sha256(name.encode()).hexdigest())
    (tmp_path / "three").write_text("three")
    with tarfile.open(folder / "packed-1.2.tgz", "w:gz") as tar:
        tar.add(tmp_path / "three", "packed-v1.2/three")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  other.tgz\n{hashlib.sha256((folder / 'packed-1.2.tgz').read_bytes()).hexdigest()}  packed-1.2.tgz\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "web"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()


def build(tmp_path, base, checksums=None):
    """Make all three programs; gives the folder of programs."""
    versions = Versions(
        {"debian": "x"},
        Kernel("linux-source-1.0", "1", ()),
        {name: Tool(name, name, "1", "0") for name in ("go", "uv", "node")},
        {"plain": PLAIN, "packed": PACKED},
    )
    programs = [
        ProgramRecipe("plain", "v1.2", {"one": ".", "two": "."}, module="x.org/p"),
        ProgramRecipe("packed", "v1.2", {"three": "."}, module="x.org/q"),
        ProgramRecipe("registry", "v1", {"registry": "."}, module="x.org/r"),
    ]
    found = catalogue(
        source="download",
        versions=versions,
        programs=programs,
        images=[],
        disks=[],
        digest_of=lambda name: name,
        checksums=checksums or {},
        bases={"plain": base, "packed": base},
    )
    places = Places(tmp_path / "cache")
    for folder in (places.bundle, places.work, places.logs):
        folder.mkdir(parents=True, exist_ok=True)
    site = Site(places, tmp_path, tmp_path, found, Store(places), build_environment({}), cores=2)
    Builder(site).make([name for name in NAMES if site.store.problem(found.items[name])])
    assert [site.store.problem(found.items[name]) for name in NAMES] == [""] * 3
    return places.bundle / "programs"


def test_releases_become_programs(tmp_path, web):
    folder = build(tmp_path, web[0])
    assert {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in folder.iterdir()} == {
        name: (name, 0o755) for name in ("one", "two", "three")
    }


def test_a_wrong_checksum_names_program_url_and_both_sums(tmp_path, web):
    (web[1] / "two").write_text("not two")
    sums = [hashlib.sha256(text).hexdigest() for text in (b"not two", b"two")]
    with pytest.raises(ItemError, match=rf"program two could not be made: {web[0]}/v1.2/two has sha256 {sums[0]}, expected {sums[1]}"):
        build(tmp_path, web[0])
    assert not (tmp_path / "cache/bundle/programs/two").exists()
    (web[1] / "two").write_text("two")
    build(tmp_path, web[0])


def test_a_sites_own_checksum_goes_before_the_projects(tmp_path, web):
    with pytest.raises(ItemError, match=f"expected {'1' * 64}"):
        build(tmp_path, web[0], {"one": "1" * 64})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two", "program two could not be made: .*/v1.2/two answered 404 File not found; does that version exist there"),
        ("two.sha256", "program two could not be made: .*/v1.2/two.sha256 answered 404"),
        ("packed-1.2.tgz", "programs of packed could not be made: .*/v1.2/packed-1.2.tgz answered 404"),
    ],
)
def test_a_missing_file_names_its_url(tmp_path, web, name, message):
    (web[1] / name).unlink()
    with pytest.raises(ItemError, match=message):
        build(tmp_path, web[0])


def test_a_list_without_the_file(tmp_path, web):
    (web[1] / "SHA256SUMS").write_text(f"{'0' * 64}  other.tgz\n")
    with pytest.raises(ItemError, match=r"SHA256SUMS has no sha256 of packed-1\.2\.tgz; write it to versions\.yml or bundle_checksums"):
        build(tmp_path, web[0])
