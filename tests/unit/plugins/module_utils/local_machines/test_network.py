"""The network plan: what is, what is wanted, which commands follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.network import Network, describe, desired, overlaps, plan, plan_removal
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Site

SITE = Site("local", Path("/var/lib/x/local"), "10.77.0.0/24", "10.77.0.1")
WANTED = desired(SITE, ["tap-a", "tap-b"], 977077)


def with_changes(**changes):
    return Network(**{**WANTED.__dict__, **changes})


def texts(current, wanted=WANTED):
    return [" ".join(command) for command in plan(SITE, current, wanted)]


def test_nothing_to_do():
    assert texts(WANTED) == []


def test_from_nothing():
    commands = texts(Network())
    assert commands[0] == "ip netns add hub-local"
    assert "ip link add hub-local0 type veth peer name uplink netns hub-local" in commands
    assert "ip -n hub-local tuntap add tap-a mode tap user 977077" in commands
    assert "ip -n hub-local link set tap-b master br0 up" in commands
    assert commands[-2:] == ["ip address add 10.77.0.1/24 dev hub-local0", "ip link set hub-local0 up"]


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (with_changes(host_up=False), ["ip link set hub-local0 up"]),
        (
            with_changes(host_addresses=("10.9.9.9/24",)),
            ["ip address delete 10.9.9.9/24 dev hub-local0", "ip address add 10.77.0.1/24 dev hub-local0"],
        ),
        (with_changes(links={**WANTED.links, "tap-a": ""}), ["ip -n hub-local link set tap-a master br0 up"]),
        (with_changes(up=WANTED.up - {"tap-b"}), ["ip -n hub-local link set tap-b master br0 up"]),
        (with_changes(links={**WANTED.links, "tap-gone": "br0"}), ["ip -n hub-local link delete tap-gone"]),
        (
            with_changes(owners={"tap-a": 1, "tap-b": 977077}),
            [
                "ip -n hub-local link delete tap-a",
                "ip -n hub-local tuntap add tap-a mode tap user 977077",
                "ip -n hub-local link set tap-a master br0 up",
            ],
        ),
        (with_changes(links={**WANTED.links, "eth-of-somebody": ""}), []),
    ],
)
def test_repairs(current, expected):
    assert texts(current) == expected


def test_another_machine_needs_only_its_tap():
    assert texts(WANTED, desired(SITE, ["tap-a", "tap-b", "tap-c"], 977077)) == [
        "ip -n hub-local tuntap add tap-c mode tap user 977077",
        "ip -n hub-local link set tap-c master br0 up",
    ]


@pytest.mark.parametrize(
    ("current", "first"),
    [
        (Network(broken=True), ["ip netns delete hub-local", "ip netns add hub-local"]),
        # The namespace was lost and the host's end survived: its peer cannot be where we need it.
        (Network(host_interface=True, host_addresses=("10.77.0.1/24",), host_up=True), ["ip netns add hub-local", "ip link delete hub-local0"]),
    ],
)
def test_interrupted_beginnings_are_completed(current, first):
    commands = texts(current)
    assert commands[: len(first)] == first
    assert "ip link add hub-local0 type veth peer name uplink netns hub-local" in commands
    assert "ip address add 10.77.0.1/24 dev hub-local0" in commands


def test_lost_host_end_is_made_anew():
    commands = texts(with_changes(host_interface=False, host_up=False, host_addresses=()))
    assert commands[0] == "ip -n hub-local link delete uplink"
    assert "ip link add hub-local0 type veth peer name uplink netns hub-local" in commands
    assert not any("tuntap" in command for command in commands)


def test_removal():
    assert plan_removal(SITE, Network()) == []
    assert plan_removal(SITE, WANTED) == [["ip", "link", "delete", "hub-local0"], ["ip", "netns", "delete", "hub-local"]]
    assert plan_removal(SITE, Network(broken=True)) == [["ip", "netns", "delete", "hub-local"]]


def test_description():
    assert describe(Network()) == {}
    assert describe(WANTED)["links"]["tap-a"] == {"bridge": "br0", "up": True}


ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}, {"local": "::1", "prefixlen": 128}]},
    {"ifname": "eth0", "addr_info": [{"local": "192.0.2.2", "prefixlen": 24}]},
]


@pytest.mark.parametrize(
    ("addresses", "routes", "words"),
    [
        (ADDRESSES, [{"dst": "default", "dev": "eth0"}, {"dst": "192.0.2.0/24", "dev": "eth0"}], []),
        ([{"ifname": "hub-local0", "addr_info": [{"local": "10.77.0.1", "prefixlen": 24}]}], [{"dst": "10.77.0.0/24", "dev": "hub-local0"}], []),
        (
            [{"ifname": "eth1", "addr_info": [{"local": "10.77.0.200", "prefixlen": 24}]}],
            [{"dst": "10.77.0.0/24", "dev": "eth1"}],
            ["eth1 of the deploy host has 10.77.0.200/24"],
        ),
        ([{"ifname": "eth1", "addr_info": [{"local": "10.3.2.1", "prefixlen": 8}]}], [], ["10.3.2.1/8"]),
        ([], [{"dst": "10.0.0.0/8", "dev": "tun0"}], ["route to 10.0.0.0/8 by tun0"]),
        ([], [{"dst": "10.77.0.128/25", "gateway": "192.0.2.1", "dev": "eth0"}], ["route to 10.77.0.128/25 by eth0"]),
        ([], [{"dst": "10.77.0.9", "dev": "tun0"}], ["route to 10.77.0.9"]),
        ([], [{"dst": "10.78.0.0/24", "dev": "tun0"}, {"dst": "fe80::/64", "dev": "eth0"}, {"dst": "0.0.0.0/0", "dev": "eth0"}], []),
    ],
)
def test_busy_ranges(addresses, routes, words):
    found = overlaps("10.77.0.0/24", "hub-local0", addresses, routes)
    assert len(found) == len(words), found
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence
        assert "10.77.0.0/24 is busy" in sentence
        assert "hub_network_cidr" in sentence
