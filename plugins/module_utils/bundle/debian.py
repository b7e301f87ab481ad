# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian packages: where this host gets them, an apt of our own for one suite, root file systems, the kernel's source."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What no container and no machine here reads. Kept: licences.
EXCLUDES = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/lintian/*")
INCLUDES = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")


def dpkg_config() -> str:
    """Give dpkg's configuration of a root file system that leaves out what nobody reads."""
    lines = [*(f"path-exclude={path}" for path in EXCLUDES), *(f"path-include={path}" for path in INCLUDES), "force-unsafe-io"]
    return "\n".join(lines) + "\n"


def archive_of(lists: Mapping[str, str]) -> str:
    """Give the address of the Debian archive this host uses, from the text of its apt sources (file name -> text).

    Security archives and other distributors are passed over. Raises :class:`BundleError`.
    """
    for name, text in sorted(lists.items()):
        for address, suites in _sources(name, text):
            official = any(re.fullmatch(r"[a-z]+", suite) for suite in suites)
            if official and "security" not in address and re.search(r"/debian/?$", address):
                return address.rstrip("/")
    raise BundleError(
        "This host's apt sources (/etc/apt/sources.list, /etc/apt/sources.list.d) name no Debian archive; add a line for one, or set bundle_debian_archive."
    )


def _sources(name: str, text: str) -> list[tuple[str, list[str]]]:
    found = []
    if name.endswith(".sources"):
        for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
            fields = {key.lower(): value.split() for key, value in re.findall(r"(?m)^(\S+?):[ \t]*(.*(?:\n[ \t]+.*)*)", stanza)}
            if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
                found += [(address, fields.get("suites", [])) for address in fields.get("uris", [])]
    else:
        for line in text.splitlines():
            match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line)
            if match:
                found.append((match[1], [match[2]]))
    return found


def host_archive() -> str:
    """Read this host's apt sources and give the address of its Debian archive."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*.list"), *Path("/etc/apt/sources.list.d").glob("*.sources")]
    return archive_of({str(path): path.read_text(encoding="utf-8") for path in files if path.is_file()})


def apt_config(root: Path, *, lists: Path, archives: Path, sources: Path, network: str, chroot: Path | None = None) -> str:
    """Give a configuration that makes this host's apt work on another root file system, with lists and packages kept outside of it.

    ``network`` is this host's own configuration of transports (proxies, certificates), as ``apt-config dump`` prints it.
    """
    lines = [
        f'Dir "{root}/";',
        f'Dir::State::status "{root}/var/lib/dpkg/status";',
        f'Dir::State::lists "{lists}/";',
        f'Dir::Cache::archives "{archives}/";',
        f'Dir::Etc::sourcelist "{sources}";',
        'Dir::Etc::sourceparts "-";',
        'Dir::Cache::srcpkgcache "";',
        'Dir::Cache::pkgcache "";',
        f'Dir::Log "{lists.parent}/log";',
        'APT::Architecture "amd64";',
        'APT::Architectures { "amd64"; };',
        'APT::Sandbox::User "root";',
        'APT::Install-Recommends "false";',
        'APT::Keep-Downloaded-Packages "true";',
        'APT::Get::Assume-Yes "true";',
        'Acquire::Languages "none";',
        'Acquire::Retries "3";',
        'Dpkg::Use-Pty "false";',
        network.strip(),
    ]
    if chroot is not None:
        lines.append(f'DPkg::Chroot-Directory "{chroot}";')
    return "\n".join(line for line in lines if line) + "\n"


def network_config(dump: str) -> str:
    """Pick proxies and certificates out of what ``apt-config dump`` prints."""
    return "\n".join(line for line in dump.splitlines() if re.match(r"Acquire::(http|https|socks)::", line))


def sources_line(archive: str, suite: str) -> str:
    """Give the apt source of one suite."""
    return f"deb [signed-by={KEYRING}] {archive} {suite} main\n"


def compare_versions(one: str, other: str) -> int:
    """Compare Debian versions as dpkg does: negative, zero or positive."""

    def split(version: str) -> tuple[int, str, str]:
        epoch, _colon, rest = version.rpartition(":") if ":" in version else ("0", "", version)
        upstream, dash, revision = rest.rpartition("-")
        return int(epoch), upstream if dash else revision, revision if dash else ""

    def weight(character: str) -> int:
        if character == "~":
            return -1
        if not character:
            return 0
        return ord(character) if character.isalpha() else ord(character) + 256

    def part(left: str, right: str) -> int:
        while left or right:
            left_text, right_text = (re.match(r"\D*", text)[0] for text in (left, right))  # type: ignore[index]
            for index in range(max(len(left_text), len(right_text))):
                difference = weight(left_text[index : index + 1]) - weight(right_text[index : index + 1])
                if difference:
                    return difference
            left, right = left[len(left_text) :], right[len(right_text) :]
            left_number, right_number = (re.match(r"\d*", text)[0] for text in (left, right))  # type: ignore[index]
            if int(left_number or 0) != int(right_number or 0):
                return int(left_number or 0) - int(right_number or 0)
            left, right = left[len(left_number) :], right[len(right_number) :]
        return 0

    first, second = split(one), split(other)
    return first[0] - second[0] or part(first[1], second[1]) or part(first[2], second[2])


def choose_source(package: str, version: str, offers: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Choose a kernel's source among offers (package, version): the wanted one, or the next newer.

    "Newer" is first the same package in a newer version, the lowest of them, then the package of the next series, in its highest version.
    Raises :class:`BundleError`.
    """
    known = [offer for offer in offers if re.fullmatch(r"linux-source-\d+\.\d+", offer[0])]
    if (package, version) in known:
        return package, version
    key = functools.cmp_to_key(compare_versions)
    same = [offer for offer in known if offer[0] == package and compare_versions(offer[1], version) > 0]
    if same:
        return min(same, key=lambda offer: key(offer[1]))
    newer = [offer for offer in known if series(offer[0]) > series(package)]
    if not newer:
        seen = ", ".join(sorted({f"{name} {number}" for name, number in known})) or "none"
        raise BundleError(f"No kernel source {package} {version} or newer is in the suites of versions.yml (there: {seen}); name one of them there.")
    following = min(series(offer[0]) for offer in newer)
    return max((offer for offer in newer if series(offer[0]) == following), key=lambda offer: key(offer[1]))


def series(package: str) -> tuple[int, ...]:
    """Give the series of a kernel's source package: linux-source-7.2 is (7, 2)."""
    return tuple(int(number) for number in re.findall(r"\d+", package))


def parse_madison(text: str) -> list[tuple[str, str]]:
    """Read what ``apt-cache madison`` prints: (package, version), newest first."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") >= 2]
    return [(row[0].strip(), row[1].strip()) for row in rows]


def bootstrap(target: Path, suite: str, archive: str, packages: Sequence[str], variant: str, config: Path) -> list[str]:
    """Give the command that makes a root file system. ``config`` is a dpkg configuration that stays in it."""
    return [
        "mmdebstrap",
        "--mode=root",
        f"--variant={variant}",
        "--architectures=amd64",
        "--components=main",
        *([f"--include={','.join(packages)}"] if packages else []),
        f"--setup-hook=install -D -m 0644 {config} $1/etc/dpkg/dpkg.cfg.d/hub",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Install-Recommends "false"',
        f"--keyring={KEYRING}",
        suite,
        str(target),
        archive,
    ]
