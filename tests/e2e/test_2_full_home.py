"""A home that is full on the real quota: the user comes in, is told, cleans up, and goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from site_verify.scenario import Person

from tests.e2e.site import Site, eventually

pytestmark = pytest.mark.site

FILL = """
import errno
try:
    with open("big", "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(2**20))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
CROWD = """
import errno, os
os.makedirs("many", exist_ok=True)
try:
    for number in range(100_000):
        open(f"many/{number}", "w").close()
except OSError as error:
    print(errno.errorcode[error.errno])
"""
LOOK = "import os, jupyter_core.paths as p; print(os.environ.get('HUB_HOME_FULL', ''), p.jupyter_config_dir(), os.environ.get('IPYTHONDIR', ''))"


@pytest.fixture
def person(site: Site) -> Iterator[Person]:
    """Somebody with a running server, while the provisioner stands still: it would set the limits right again."""
    found = site.person("user3")
    found.start()
    site.ssh("storage1", "systemctl", "stop", "hub-nfs-provisioner")
    yield found
    site.ssh("storage1", "systemctl", "start", "hub-nfs-provisioner")


@pytest.mark.parametrize(("limits", "fill", "remove"), [("bhard=24m", FILL, "big"), ("ihard=300", CROWD, "many")])
def test_who_is_full_comes_in_and_cleans_up(site: Site, person: Person, limits: str, fill: str, remove: str) -> None:
    [pod] = site.user_pods("user3")
    [claim] = [volume.persistent_volume_claim.claim_name for volume in pod.spec.volumes if volume.persistent_volume_claim]
    volume = site.core.read_namespaced_persistent_volume_claim(claim, pod.metadata.namespace).spec.volume_name
    path = site.core.read_persistent_volume(volume).spec.nfs.path
    project = site.ssh("storage1", "xfs_io", "-r", "-c", "lsproj", path).split("=")[1].strip()
    export = site.ssh("storage1", "findmnt", "-n", "-o", "TARGET", "--target", path).strip()
    site.ssh("storage1", "xfs_quota", "-x", "-c", f"'limit -p {limits} {project}'", export)
    assert person.run(fill).strip() in ("ENOSPC", "EDQUOT")
    person.stop()
    person.start()
    message, config, ipython = person.run(LOOK).strip().rsplit(" ", 2)
    assert message.startswith("Your home is full: ")
    assert config.startswith("/tmp/")
    assert ipython.startswith("/tmp/")
    notice = f"{person.page().base}/api/home"
    assert person.session.fetch_json("GET", notice)["message"].startswith("Your home is full: ")
    assert person.run("41 + 1").strip() == "42"
    person.page().delete(remove)
    assert person.session.fetch_json("GET", notice) == {"message": ""}
    person.page().write("after.txt", "there is room again")
    assert person.page().read("after.txt") == "there is room again"
    person.page().delete("after.txt")
    person.stop()
    person.start()
    eventually("a start with room uses the home", lambda: "/tmp/home-is-full" not in person.run(LOOK), 30)
