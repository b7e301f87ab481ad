"""Texts of /etc and /proc, and what is read from or written into them."""

from __future__ import annotations

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.node import (
    active_swaps,
    differing_sysctl,
    installed_packages,
    node_problems,
    parse_os_release,
    sysctl_file,
    sysctl_path,
    system_warning,
    with_hosts,
    without_swap,
)

GOOD = {"machine": "x86_64", "init": "systemd", "cgroup_v2": True, "dpkg": True}


def test_installed_packages() -> None:
    status = "conntrack installed \nnftables config-files \nlibssl3t64 installed libssl3 (= 3.0), libcrypto3:amd64\nkmod installed\n"
    assert installed_packages(status) == {"conntrack", "libssl3t64", "libssl3", "libcrypto3", "kmod"}


@pytest.mark.parametrize(
    ("release", "warns"),
    [
        ({"ID": "debian", "VERSION_ID": "13"}, False),
        ({"ID": "ubuntu", "VERSION_ID": "22.04"}, False),
        ({"ID": "ubuntu", "VERSION_ID": "24.04"}, False),
        ({"ID": "debian", "VERSION_ID": "11"}, True),
        ({"ID": "rocky", "VERSION_ID": "9"}, True),
        ({}, True),
    ],
)
def test_system_warning(release: dict[str, str], warns: bool) -> None:
    assert (system_warning(release) is not None) is warns


def test_parse_os_release() -> None:
    assert parse_os_release('# x=1\nID=debian\nVERSION_ID="13"\n\n') == {"ID": "debian", "VERSION_ID": "13"}


@pytest.mark.parametrize(
    ("change", "word"),
    [({"machine": "aarch64"}, "aarch64"), ({"init": "sleep"}, "sleep"), ({"cgroup_v2": False}, "cgroup"), ({"dpkg": False}, "dpkg")],
)
def test_node_problems(change: dict[str, object], word: str) -> None:
    assert node_problems(GOOD) == []
    (problem,) = node_problems({**GOOD, **change})
    assert word in problem


def test_without_swap_is_idempotent_and_keeps_the_rest() -> None:
    fstab = "# swap was on /dev/sdb1\nUUID=a / ext4 errors=remount-ro 0 1\n/swapfile none swap sw 0 0\nLABEL=swap /data xfs defaults 0 2\n"
    after = without_swap(fstab)
    assert after.splitlines()[2] == "# off for the kubelet: /swapfile none swap sw 0 0"
    assert after.splitlines()[:2] + after.splitlines()[3:] == fstab.splitlines()[:2] + fstab.splitlines()[3:]
    assert without_swap(after) == after


def test_active_swaps() -> None:
    assert active_swaps("Filename\t\t\t\tType\t\tSize\n/dev/zram0  partition 100 0 100\n") == ["/dev/zram0"]
    assert active_swaps("Filename\t\t\t\tType\t\tSize\n") == []


@pytest.mark.parametrize("text", ["", "127.0.0.1 localhost", "127.0.0.1 localhost\n::1 ip6-localhost\n"])
def test_with_hosts(text: str) -> None:
    hosts = {"worker1": "10.77.0.21", "control1": "10.77.0.11"}
    once = with_hosts(text, hosts)
    assert once.startswith(text)
    assert once.index("10.77.0.11 control1") < once.index("10.77.0.21 worker1")
    assert with_hosts(once, hosts) == once
    assert with_hosts(once, {}).strip() == text.strip()
    assert "worker1" not in with_hosts(once, {"control1": "10.77.0.11"})


def test_sysctl() -> None:
    wanted = {"net.ipv4.ip_forward": "1", "net.ipv4.tcp_rmem": "4096 1 2", "kernel.none": "1"}
    assert differing_sysctl(wanted, {"net.ipv4.ip_forward": "0", "net.ipv4.tcp_rmem": "4096\t1\t2", "kernel.none": None}) == [
        "kernel.none",
        "net.ipv4.ip_forward",
    ]
    assert sysctl_path("net.ipv4.ip_forward") == "/proc/sys/net/ipv4/ip_forward"
    assert sysctl_file({"b": "2", "a": "1"}) == "a = 1\nb = 2\n"
