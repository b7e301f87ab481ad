# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Official releases by URL: partial files are continued, the checksum decides, archives are unpacked member by member."""

from __future__ import annotations

import re
import shutil
import tarfile
import time
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

from ansible.module_utils.urls import open_url
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import DownloadError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import sha256_of

TIMEOUT_SECONDS = 30
ATTEMPTS = 4
CHUNK = 1 << 18


def checksum_in(text: str, name: str) -> str:
    """Find the sha256 of a file in a project's list: a bare sum, or lines of ``sum  name``. Empty when it is not there."""
    for line in text.splitlines():
        match = re.match(r"\s*([0-9a-fA-F]{64})(?:\s+[ *]?(\S+))?\s*$", line)
        if match and (match[2] is None or match[2].rsplit("/", 1)[-1] == name):
            return match[1].lower()
    return ""


def fetch_text(url: str) -> str:
    """Fetch a short text. Raises :class:`DownloadError`."""
    try:
        with _open(url, {}) as answer:
            return str(answer.read(1 << 20).decode())
    except urllib.error.HTTPError as error:
        raise DownloadError(_refused(url, error)) from error
    except (OSError, ValueError) as error:
        raise DownloadError(f"{url} could not be fetched: {error}. Check the network, or name a mirror in bundle_download_bases.") from error


def _open(url: str, headers: Mapping[str, str]):  # type: ignore[no-untyped-def]
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url} is neither an http nor an https address.")
    return open_url(url, headers=dict(headers), timeout=TIMEOUT_SECONDS, decompress=False)


def _refused(url: str, error: urllib.error.HTTPError) -> str:
    return f"{url} answered {error.code} {error.reason}; does that version exist there? A mirror is named in bundle_download_bases."


def fetch(url: str, target: Path, sha256: str, pause: Callable[[float], object] = time.sleep) -> None:
    """Fetch a file of a known sha256 to ``target``, continuing ``target.part``. Raises :class:`DownloadError`.

    A connection that breaks is taken up again where it broke, up to four times in all without progress. A wrong checksum throws the file away.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise DownloadError(f"For {url} no sha256 is known; write it to versions.yml, or to bundle_checksums.")
    if target.exists() and sha256_of(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    left = ATTEMPTS
    while True:
        before = part.stat().st_size if part.exists() else 0
        problem = _attempt(url, part, before)
        if problem is None:
            break
        left = left - 1 if not part.exists() or part.stat().st_size <= before else ATTEMPTS - 1
        if left == 0:
            raise DownloadError(f"{url} could not be fetched: {problem}. What came is kept; run again to continue.") from problem
        pause(float(2 ** (ATTEMPTS - left)))
    found = sha256_of(part)
    if found != sha256:
        part.unlink()
        raise DownloadError(f"{url} has sha256 {found}, expected {sha256}; the file was thrown away. Compare the versions and checksums in versions.yml.")
    part.replace(target)


def _attempt(url: str, part: Path, begin: int) -> Exception | None:
    """Fetch what is left of a file; give the problem if another attempt may help."""
    try:
        _continue(url, part, begin)
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise DownloadError(_refused(url, error)) from error
        return error
    except (OSError, ValueError) as error:
        return error
    return None


def _continue(url: str, part: Path, begin: int) -> None:
    try:
        answer = _open(url, {"Range": f"bytes={begin}-"} if begin else {})
    except urllib.error.HTTPError as error:
        if error.code == 416 and begin:  # nothing after what we have; the checksum decides
            return
        raise
    with answer, open(part, "ab" if answer.status == 206 else "wb") as stream:
        expected = answer.headers.get("Content-Length")
        shutil.copyfileobj(answer, stream, CHUNK)
        stream.flush()
        size = stream.tell() - (begin if answer.status == 206 else 0)
    if expected is not None and size < int(expected):
        raise OSError(f"the connection ended after {size} of {expected} bytes")


def unpack(archive: Path, members: Mapping[str, str], folder: Path) -> None:
    """Take programs out of a release. ``members`` maps a program's name to its place in the archive; empty: the file itself is it."""
    for name, member in members.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not member:
            shutil.copyfile(archive, target)
        else:
            try:
                with tarfile.open(archive) as tar:
                    entry = next((entry for entry in tar if entry.isfile() and entry.name.removeprefix("./") == member), None)
                    stream = tar.extractfile(entry) if entry else None
                    if stream is None:
                        raise DownloadError(f"The release {archive.name} has no file '{member}'; see 'programs' of that download in versions.yml.")
                    with stream, open(target, "wb") as out:
                        shutil.copyfileobj(stream, out)
            except tarfile.TarError as error:
                raise DownloadError(f"The release {archive.name} is no archive that can be read: {error}.") from error
        target.chmod(0o755)
