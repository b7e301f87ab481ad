"""Apt sources, versions, and the choice of a kernel's source."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.debian import (
    apt_config,
    archive_of,
    choose_source,
    compare_versions,
    network_config,
    parse_madison,
)
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError

DEB822 = """\
Types: deb
# http://other.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
"""


@pytest.mark.parametrize(
    ("lists", "archive"),
    [
        ({"/etc/apt/sources.list.d/debian.sources": DEB822}, "http://mirror.example/debian"),
        (
            {"/etc/apt/sources.list": "# deb http://no/debian x\ndeb [signed-by=/k arch=amd64] https://a.example/debian/ trixie main\n"},
            "https://a.example/debian",
        ),
        ({"a.list": "deb https://tool.example/apt stable main", "b.list": "deb http://b.example/debian bookworm main"}, "http://b.example/debian"),
        ({"a.sources": f"Enabled: no\n{DEB822}", "b.list": "deb http://b.example/debian bookworm main"}, "http://b.example/debian"),
    ],
)
def test_archive(lists, archive):
    assert archive_of(lists) == archive


@pytest.mark.parametrize("lists", [{}, {"a.list": "deb-src http://a/debian x main"}, {"a.list": "deb http://security.example/debian-security x-security main"}])
def test_no_archive(lists):
    with pytest.raises(BundleError, match="name no Debian archive"):
        archive_of(lists)


# In rising order, from Debian policy's rules and from real kernel versions.
RISING = ["1.0~rc1-1", "1.0-1~bpo13+1", "1.0-1", "1.0-1+b1", "1.0-2", "1.0.1-1", "1.2-1", "1.10-1", "1.10a-1", "1.10+dfsg-1", "1:0.5-1"]


@pytest.mark.parametrize(("index", "other"), [(index, other) for index in range(len(RISING)) for other in range(len(RISING))])
def test_versions(index, other):
    found = compare_versions(RISING[index], RISING[other])
    assert (found > 0) - (found < 0) == (index > other) - (index < other)


OFFERS = [
    ("linux-source-7.2", "7.2.12-1~bpo13+1"),
    ("linux-source-7.2", "7.2.15-1"),
    ("linux-source-7.3", "7.3.1-1"),
    ("linux-source-7.3", "7.3.4-1"),
    ("linux-source-8.0", "8.0.1-1"),
]


@pytest.mark.parametrize(
    ("wanted", "offers", "chosen"),
    [
        (("linux-source-7.2", "7.2.12-1~bpo13+1"), OFFERS, OFFERS[0]),
        (("linux-source-7.2", "7.2.11-1"), OFFERS, OFFERS[0]),
        (("linux-source-7.2", "7.2.13-1"), OFFERS, OFFERS[1]),
        (("linux-source-7.2", "7.2.12-1"), OFFERS[2:], ("linux-source-7.3", "7.3.4-1")),
        (("linux-source-7.9", "7.9.1-1"), OFFERS, OFFERS[4]),
        (("linux-source-7.2", "7.2.12-1"), [("linux-source", "9"), ("linux-source-7.10", "7.10.1-1"), OFFERS[4]], ("linux-source-7.10", "7.10.1-1")),
    ],
)
def test_choice(wanted, offers, chosen):
    assert choose_source(*wanted, offers) == chosen


def test_no_choice_says_what_there_is():
    with pytest.raises(BundleError, match=r"No kernel source linux-source-9.0 9.0-1 or newer .*\(there: linux-source-7.2 7.2.15-1\)"):
        choose_source("linux-source-9.0", "9.0-1", OFFERS[1:2])


def test_madison():
    text = " linux-source-7.2 | 7.2.12-1 | http://a/debian trixie/main amd64 Packages\nW: noise\n"
    assert parse_madison(text) == [("linux-source-7.2", "7.2.12-1")]


def test_apt_config():
    network = network_config('Acquire "";\nAcquire::http::Proxy "http://p:1";\nAcquire::Languages "en";\nAPT::X "1";\n')
    assert network == 'Acquire::http::Proxy "http://p:1";'
    text = apt_config(Path("/r"), lists=Path("/l"), archives=Path("/a"), sources=Path("/s"), network=network, chroot=Path("/r"))
    assert 'Acquire::http::Proxy "http://p:1";' in text
    assert 'DPkg::Chroot-Directory "/r";' in text
    assert 'Dir "/r/";' in text
