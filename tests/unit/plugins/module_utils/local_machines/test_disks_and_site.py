"""Disks that are never lost silently, the folder of a site, the host's fitness, and the inventory."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import disks, host, inventory, machines, mconsole, ssh
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import site as sites
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site

MACHINE = Machine("a", "10.77.0.9", 512, 1)
UID = os.getuid()


@pytest.fixture
def site(tmp_path):
    found = Site("unit", tmp_path / "state", "10.77.0.0/24", "10.77.0.1")
    found.machines_dir.mkdir(parents=True)
    return found


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "machine.ext4"
    path.write_bytes(b"old base")
    return path


def test_new_machine(site, base):
    assert disks.prepare(site, MACHINE, base=base, identity="one", uid=UID) == ["root disk made", "data disk made"]
    folder = disks.folder_of(site, "a")
    assert disks.definition_of(folder) == {"base": "one", "booted": False, "address": "10.77.0.9"}
    assert disks.base_path(site, "one").samefile(base)
    assert folder.data_disk.stat().st_size == disks.GIB
    assert folder.data_disk.stat().st_blocks == 0


def test_interrupted_first_boot_starts_over_and_a_booted_disk_is_kept(site, base):
    disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)
    folder = disks.folder_of(site, "a")
    folder.root_disk.write_text("half")
    folder.data_disk.write_text("kept")
    assert "root disk made" in disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)
    assert not folder.root_disk.exists()
    folder.root_disk.write_text("whole")
    disks.mark_booted(folder)
    assert disks.prepare(site, MACHINE, base=base, identity="one", uid=UID) == []
    assert folder.root_disk.read_text() == "whole"


def test_new_bundle_leaves_a_machine_its_base_and_says_so(site, base):
    disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)
    folder = disks.folder_of(site, "a")
    folder.root_disk.write_text("mine")
    disks.mark_booted(folder)
    fresh = base.with_name("fresh")
    fresh.write_bytes(b"new base")
    fresh.replace(base)
    assert disks.prepare(site, MACHINE, base=base, identity="two", uid=UID) == []
    assert disks.base_path(site, "one").read_bytes() == b"old base"
    note = disks.stale_note("a", disks.definition_of(folder), "two")
    assert "made from base disk one, the bundle now has two" in note
    assert "destroy the site" in note
    assert disks.stale_note("a", disks.definition_of(folder), "one") == ""
    assert disks.stale_note("a", {}, "one") == ""


def test_lost_disks_are_named(site, base):
    disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)
    folder = disks.folder_of(site, "a")
    disks.mark_booted(folder)
    with pytest.raises(LocalError, match=r"root.cow of machine 'a' is gone"):
        disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)
    folder.root_disk.write_text("mine")
    disks.base_path(site, "one").unlink()
    with pytest.raises(LocalError, match=r"base disk .* of machine 'a' is gone"):
        disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)


@pytest.mark.parametrize(("gib", "size_gib", "problem"), [(1, 1, False), (2, 1, False), (1, 2, True), (0, 2, False)])
def test_data_disks_never_shrink(gib, size_gib, problem):
    assert bool(disks.data_disk_problem(Machine("a", data_disk_gib=gib), size_gib * disks.GIB)) is problem


def test_data_disk_grows_and_keeps_its_content(site, base):
    disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)
    folder = disks.folder_of(site, "a")
    with folder.data_disk.open("r+b") as stream:
        stream.write(b"homes")
    assert "data disk grown" in disks.prepare(site, Machine("a", "10.77.0.9", 512, 2), base=base, identity="one", uid=UID)
    assert folder.data_disk.stat().st_size == 2 * disks.GIB
    assert folder.data_disk.open("rb").read(5) == b"homes"
    with pytest.raises(LocalError, match="never made smaller"):
        disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)


def test_unused_bases_go(site, base):
    disks.prepare(site, MACHINE, base=base, identity="one", uid=UID)
    disks.keep_base(site, base, "two")
    (site.machines_dir / ".base-three.ext4.99").write_text("interrupted")
    disks.drop_unused_bases(site)
    assert sorted(path.name for path in site.machines_dir.iterdir()) == ["a", "base-one.ext4"]


@pytest.mark.parametrize(("text", "expected"), [('{"disks": {"machine": {"sha256": "abc"}}}', "abc"), ("{}", ""), (None, "")])
def test_manifest(tmp_path, text, expected):
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)
    assert disks.manifest_sha256(path) == expected


def test_damaged_manifest(tmp_path):
    (tmp_path / "m").write_text("{")
    with pytest.raises(LocalError, match=r"manifest .* is damaged"):
        disks.manifest_sha256(tmp_path / "m")


def test_folder_of_a_site(site):
    made = sites.make(site, check=True)
    assert str(site.state_dir / sites.MARKER) in made
    assert not (site.state_dir / "ssh").exists()
    assert sites.make(site) == made
    assert sites.make(site) == []
    assert (site.state_dir / "secrets").stat().st_mode & 0o777 == 0o700
    (site.state_dir / "ssh").chmod(0o755)
    assert sites.make(site) == [str(site.state_dir / "ssh")]
    with pytest.raises(LocalError, match="belongs to site 'unit'"):
        sites.make(Site("other", site.state_dir))


@pytest.mark.parametrize(
    ("owner", "empty", "words"),
    [("unit", False, ""), (None, True, ""), ("other", False, "belongs to site 'other'"), (None, False, "was not made for a site")],
)
def test_only_a_folder_of_the_site_is_deleted(site, owner, empty, words):
    problem = sites.folder_problem(site, owner, empty)
    assert words in problem
    assert bool(problem) is bool(words)


def test_foreign_folder_survives(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    with pytest.raises(LocalError, match="nothing was deleted"):
        sites.remove(Site("unit", precious), 977077)
    assert (precious / "file").exists()


def test_locks(site):
    with (
        machines.locked(site, 0),
        machines.locked(site, 0, check=True),
        pytest.raises(LocalError, match="still at work after 0 s"),
        machines.locked(site, 0),
    ):
        pass
    held, released = threading.Event(), []

    def work():
        with machines.locked(site, 0):
            held.set()
            time.sleep(0.5)
            released.append(True)

    other = threading.Thread(target=work)
    other.start()
    assert held.wait(10)
    with machines.locked(site, 30):
        assert released, "it waited for the other to end"
    other.join()


GOOD = host.Host(root=True, namespaces="", memory_available_mib=4096, disk_free_gib=50)
TWO = [Machine("a", "10.77.0.9", 2048), Machine("b", "10.77.0.10", 2048)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"root": False}, ["need root"]),
        ({"memory_available_mib": 4095}, ["need 4096 MiB of memory (a 2048, b 2048) and 4095 MiB are available"]),
        ({"memory_available_mib": 2048, "running": frozenset({"a"})}, []),
        ({"memory_available_mib": 0, "running": frozenset({"a", "b"})}, []),
        ({"disk_free_gib": 7.9}, ["need about 8 GiB of disk"]),
        ({"disk_free_gib": 7.9, "made": frozenset({"a"})}, []),
        ({"namespaces": "unshare failed"}, ["cannot make a network and mount namespace (unshare failed)"]),
        ({"lacking": ("no tun",), "overlaps": ("busy",)}, ["no tun", "busy"]),
        ({"uid_owner": "postgres"}, ["is the user 'postgres'"]),
    ],
)
def test_fitness(changes, words):
    site = Site("local", Path("/var/lib/x/local"), "10.77.0.0/24", "10.77.0.1")
    found = host.problems(site, TWO, host.Host(**{**GOOD.__dict__, **changes}), root_disk_gib=4, uid=977077)
    assert len(found) == len(words), found
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence


@pytest.mark.parametrize(("room", "expected"), [(None, 2048), (100, 100), (99999, 2048)])
def test_available_memory(room, expected):
    assert host.memory_available_mib("MemTotal: 1 kB\nMemAvailable:    2097152 kB\n", room) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "max", "memory.current": "5"}, None),
        ({"memory.max": str(3 * 2**30), "memory.current": str(2**30)}, 2048),
        ({"memory/memory.limit_in_bytes": str(2**63 - 4096), "memory/memory.usage_in_bytes": "5"}, None),
        ({"memory/memory.limit_in_bytes": str(2**30), "memory/memory.usage_in_bytes": str(2**31)}, 0),
        ({}, None),
    ],
)
def test_memory_limit_of_a_container(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert host.cgroup_room_mib(tmp_path) == expected


@pytest.mark.parametrize(
    ("command", "mark", "same", "expected"),
    [
        ("/mnt/linux umid=x", "", True, True),
        ("/mnt/linux umid=x", "/var/lib/x/local", False, True),
        ("tail -f /var/lib/x/local/log/a.log", "", False, True),
        ("ls /var/lib/x/local", "", False, True),
        ("ls /var/lib/x/local2", "/var/lib/x/local2", False, False),
        ("ls /var/lib/x", "", False, False),
    ],
)
def test_what_belongs_to_a_site(command, mark, same, expected):
    assert inventory.belongs(Site("local", Path("/var/lib/x/local")), command, mark, same) is expected


def test_mounts_of_a_site():
    points = ["/", "/var/lib/x/local/machines/a\\040b/mnt", "/var/lib/x/local2", "/run/netns/hub-local", "/run/netns/hub-local2"]
    lines = "\n".join(f"36 35 98:0 / {point} rw - tmpfs tmpfs rw" for point in points)
    assert inventory.mounts(Site("local", Path("/var/lib/x/local")), lines) == ["/run/netns/hub-local", "/var/lib/x/local/machines/a b/mnt"]


def test_inventory_counts_what_is_there(site):
    found = inventory.take(site, 977077)
    assert found["files"] == [str(site.state_dir), str(site.machines_dir)]
    assert {kind: items for kind, items in found.items() if items} == {"files": found["files"]}
    lines = inventory.summary(found)
    assert len(lines) == len(inventory.KINDS)
    assert any(line.startswith("files") and " 2 " in line for line in lines)


def test_known_hosts(tmp_path):
    path = tmp_path / "known_hosts"
    assert ssh.merge_known(path, add={"10.0.0.1": "10.0.0.1 ssh-ed25519 A", "10.0.0.2": "10.0.0.2 ssh-ed25519 B"})
    assert not ssh.merge_known(path, add={"10.0.0.1": "10.0.0.1 ssh-ed25519 A"})
    assert ssh.merge_known(path, add={}, forget=["10.0.0.1"])
    assert ssh.known(path) == {"10.0.0.2": "10.0.0.2 ssh-ed25519 B"}
    assert not ssh.merge_known(path, add={}, forget=["10.0.0.1"])


@pytest.mark.parametrize(("greeting", "expected"), [(b"SSH-2.0-test\r\n", True), (b"HTTP/1.1 400\r\n", False), (b"", False)])
def test_greetings(greeting, expected):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].send(greeting))
        thread.start()
        assert ssh.greets("127.0.0.1", 0.5, server.getsockname()[1]) is expected
        thread.join()


def test_console_protocol(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as kernel:
        descriptor = os.open(folder, os.O_PATH)
        kernel.bind(f"/proc/self/fd/{descriptor}/mconsole")
        os.close(descriptor)
        heard = []

        def serve():
            data, client = kernel.recvfrom(4096)
            heard.append(data)
            kernel.sendto(struct.pack("=III", 0, 1, 5) + b"first" + b"\0" * 507, client)
            kernel.sendto(struct.pack("=III", 0, 0, 7) + b" second", client)

        thread = threading.Thread(target=serve)
        thread.start()
        assert mconsole.ask(folder / "mconsole", "sysrq w") == (True, "first second")
        thread.join()
        assert heard == [mconsole.request("sysrq w")]
        assert struct.unpack_from("=III", heard[0]) == (0xCAFEBABE, 2, 7)
        answered, why = mconsole.ask(folder / "mconsole", "halt", limit_seconds=0.2)
        assert not answered
        assert "does not answer" in why
    assert mconsole.ask(tmp_path / "nowhere" / "mconsole", "halt") == (False, "no console: No such file or directory")


def test_definition_that_is_damaged(site):
    folder = disks.folder_of(site, "a")
    folder.path.mkdir()
    folder.definition.write_text("{")
    with pytest.raises(LocalError, match="is damaged"):
        disks.definition_of(folder)


def test_report_is_plain_data():
    assert json.loads(json.dumps(machines.Report("a", "running", "why").as_dict()))["notes"] == []
