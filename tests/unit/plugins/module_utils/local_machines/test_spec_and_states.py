"""Names, checks and states of local machines: tables."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import machines
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.drivers.uml import UserModeLinux, kernel_arguments
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site, machines_from, spec_problems
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.states import Seen, classify

SITE = Site("local", Path("/var/lib/x/local"), "10.77.0.0/24", "10.77.0.1")
GOOD = [Machine("control1", "10.77.0.11", 3072), Machine("storage1", "10.77.0.31", 1536, 40)]


def test_names_follow_from_the_site():
    assert (SITE.namespace, SITE.host_interface, SITE.prefix_length, SITE.netmask) == ("hub-local", "hub-local0", 24, "255.255.255.0")
    assert len(Site("abcdefgh", Path("/x/y")).host_interface) <= 15


def test_hardware_addresses_are_local_stable_and_differ():
    addresses = {site.mac(name) for site in (SITE, Site("other", Path("/x/y"))) for name in ("a", "b")}
    assert len(addresses) == 4
    assert SITE.mac("a") == Site("local", Path("/elsewhere/z")).mac("a")
    assert all(address.startswith("02:") and len(address) == 17 for address in addresses)


@pytest.mark.parametrize("name", ["a", "control1", "a-machine-with-a-rather-long-name"])
def test_taps_fit_into_an_interface_name(name):
    assert Machine(name).tap.startswith("tap-")
    assert len(Machine(name).tap) <= 15


def test_missing_parameters_are_empty():
    assert machines_from([{"name": "a", "address": None, "memory_mib": None, "data_disk_gib": None}]) == [Machine("a")]


@pytest.mark.parametrize(
    ("site", "items", "words"),
    [
        (SITE, GOOD, []),
        (Site("Local", SITE.state_dir, SITE.cidr, SITE.gateway), GOOD, ["hub_site is 'Local'"]),
        (Site("muchtoolong", SITE.state_dir, SITE.cidr, SITE.gateway), GOOD, ["hub_site is 'muchtoolong'"]),
        (Site("local", Path("/"), SITE.cidr, SITE.gateway), GOOD, ["hub_state_dir is '/'"]),
        (Site("local", Path("relative/path"), SITE.cidr, SITE.gateway), GOOD, ["hub_state_dir is 'relative/path'"]),
        (Site("local", SITE.state_dir, "10.77.0.0/99", SITE.gateway), GOOD, ["hub_network_cidr is '10.77.0.0/99'"]),
        (Site("local", SITE.state_dir, "10.77.0.5/24", SITE.gateway), GOOD, ["has host bits set"]),
        (Site("local", SITE.state_dir, SITE.cidr, "10.78.0.1"), GOOD, ["hub_deploy_address is 10.78.0.1, which is not a host address"]),
        (Site("local", SITE.state_dir, SITE.cidr, "10.77.0.0"), GOOD, ["not a host address"]),
        (SITE, [Machine("a", "10.77.0.1", 512)], ["ansible_host of 'a' is 10.77.0.1, which the deploy host has already"]),
        (SITE, [Machine("a", "10.77.0.9", 512), Machine("b", "10.77.0.9", 512)], ["'b' is 10.77.0.9, which 'a' has already"]),
        (SITE, [Machine("a", "node.example", 512)], ["'node.example', which is not an IP address"]),
        (SITE, [Machine("A_b", "10.77.0.9", 512)], ["'A_b' is no host name"]),
        (SITE, [Machine("a", "10.77.0.9", 64)], ["local_machines_memory_mib of 'a' is 64"]),
        (SITE, [Machine("a", "10.77.0.9", 512, -1)], ["cannot be negative"]),
        (SITE, [Machine("a", "10.77.0.9", 512), Machine("a", "10.77.0.10", 512)], ["'a' appears twice"]),
    ],
)
def test_problems(site, items, words):
    found = spec_problems(site, items)
    assert len(found) == len(words), found
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence


def test_kernel_arguments():
    arguments = kernel_arguments(SITE, GOOD[1], "ssh-ed25519 AAAA hub-local\n")
    assert "mem=1536M" in arguments
    assert "umid=hub-local-storage1" in arguments
    assert "ubda=/mnt/disk/root.cow,/mnt/base" in arguments
    assert "ubdb=/mnt/disk/data.img" in arguments
    assert f"vec0:transport=tap,ifname=tap-storage1,depth=128,gro=1,mac={SITE.mac('storage1')}" in arguments
    assert "ip=10.77.0.31::10.77.0.1:255.255.255.0::vec0:off" in arguments
    assert "systemd.hostname=storage1" in arguments
    credential = next(item for item in arguments if item.startswith("systemd.set_credential_binary="))
    assert base64.b64decode(credential.rsplit(":", 1)[1]) == b"ssh-ed25519 AAAA hub-local\n"
    assert not any("ubdb" in item for item in kernel_arguments(SITE, GOOD[0], "key"))


def test_kernel_refuses_a_command_line_that_would_be_cut():
    with pytest.raises(ValueError, match="limit is 4096"):
        kernel_arguments(SITE, GOOD[0], "x" * 4000)


def test_uml_is_a_driver():
    driver = machines.DRIVERS["uml"]()
    assert isinstance(driver, UserModeLinux)
    assert driver.requirements() == []


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (Seen(disk=False), "absent"),
        (Seen(disk=True), "stopped"),
        (Seen(disk=True, recorded=True, ending="signal 9"), "dead"),
        (Seen(disk=False, recorded=True, ending="signal 9"), "absent"),
        (Seen(disk=True, recorded=True, alive=True, banner=True, age_seconds=5), "running"),
        (Seen(disk=True, recorded=True, alive=True, banner=True, age_seconds=5000), "running"),
        (Seen(disk=True, recorded=True, alive=True, age_seconds=5), "starting"),
        (Seen(disk=True, recorded=True, alive=True, age_seconds=119.9), "starting"),
        (Seen(disk=True, recorded=True, alive=True, age_seconds=120), "hung"),
        (Seen(disk=True, recorded=True, alive=True, frozen=True, age_seconds=5), "hung"),
        (Seen(disk=True, recorded=True, alive=True, frozen=True, age_seconds=500), "hung"),
    ],
)
def test_states(seen, state):
    found, reason = classify(seen, boot_limit_seconds=120, banner_limit_seconds=10)
    assert found == state
    assert reason
    if state == "dead":
        assert "signal 9" in reason


@pytest.mark.parametrize(
    ("state", "restart_hung", "expected"),
    [
        ("absent", False, True),
        ("stopped", False, True),
        ("dead", False, True),
        ("starting", True, False),
        ("running", True, False),
        ("hung", False, False),
        ("hung", True, True),
    ],
)
def test_what_is_started(state, restart_hung, expected):
    assert machines.needs_start(machines.Report("a", state, ""), restart_hung) is expected


def test_storage_is_switched_off_last():
    assert [[machine.name for machine in group] for group in machines.stop_order(SITE, [GOOD[1], GOOD[0], Machine("worker1")])] == [
        ["control1", "worker1"],
        ["storage1"],
    ]


@pytest.mark.parametrize("state", ["absent", "stopped", "starting", "hung", "dead"])
def test_every_problem_names_machine_and_next_step(state):
    sentence = machines.problem_sentence(machines.Report("w1", state, "why", address="10.77.0.9"))
    assert "'w1' (10.77.0.9)" in sentence
    assert "why" in sentence


@pytest.mark.parametrize(
    ("machine", "started_with", "kernel", "told"),
    [
        (GOOD[0], "3072 MiB of memory at 10.77.0.11 with kernel one", "one", False),
        (GOOD[0], "3072 MiB of memory at 10.77.0.11 with kernel one", "", False),
        (GOOD[0], "", "one", False),
        (Machine("control1"), "3072 MiB of memory at 10.77.0.11 with kernel one", "", False),  # asked by name only
        (GOOD[0], "3072 MiB of memory at 10.77.0.11 with kernel one", "two", True),
        (GOOD[0], "2048 MiB of memory at 10.77.0.11 with kernel one", "", True),
        (GOOD[0], "3072 MiB of memory at 10.77.0.12 with kernel one", "one", True),
    ],
)
def test_changed_equipment_is_told(machine, started_with, kernel, told):
    assert ("switch it off" in machines.equipment_note(machine, started_with, kernel)) is told
