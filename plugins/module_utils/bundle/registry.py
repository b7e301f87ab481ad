# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry (distribution): its configuration, a short-lived one on loopback for the build, and what its storage holds."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.commands import Runner, end
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import sha256_of

START_SECONDS = 30


def configuration(storage: Path, address: str) -> str:
    """Give the configuration of a writable registry without TLS, for loopback only. Text is JSON, which is YAML."""
    if not address.startswith("127."):
        raise BundleError(f"A registry without TLS is for loopback only, not for {address}.")
    content: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    return json.dumps(content, indent=1) + "\n"


def repository(reference: str) -> str:
    """Give an image's path in the registry: its name without host, because nodes ask a mirror without it."""
    return reference.split("/", 1)[1]


@contextmanager
def serving(run: Runner, program: Path, storage: Path, scratch: Path) -> Iterator[str]:
    """Serve the registry's storage on a free port of loopback; gives the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = scratch / "registry.yml"
    config.write_text(configuration(storage, address), encoding="utf-8")
    storage.mkdir(parents=True, exist_ok=True)
    process = run.start([str(program), "serve", str(config)], more={"OTEL_TRACES_EXPORTER": "none"})
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > until:
                raise BundleError(f"The registry did not answer on {address} within {START_SECONDS} s.")
            time.sleep(0.1)
        yield address
    finally:
        end(process, gently_seconds=5)


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def manifest_link(name: str, digest: str) -> str:
    """Give the file, below the registry's storage, that says an image is there."""
    return f"docker/registry/v2/repositories/{name}/_manifests/revisions/sha256/{digest.removeprefix('sha256:')}/link"


def blob(digest: str) -> str:
    """Give the file of a blob, below the registry's storage."""
    number = digest.removeprefix("sha256:")
    return f"docker/registry/v2/blobs/sha256/{number[:2]}/{number}/data"


def damaged(storage: Path, name: str, digest: str, verify: bool = False) -> list[tuple[str, str]]:
    """Give (path below the registry's storage, what is wrong with it) of each part of an image that is missing or damaged.

    Sizes are compared; with ``verify`` also the content.
    """
    link = manifest_link(name, digest)
    if not (storage / link).is_file():
        return [(link, "its manifest is missing")]
    try:
        text = (storage / blob(digest)).read_bytes()
        content = json.loads(text)
        parts = {str(part["digest"]): int(part["size"]) for part in (content["config"], *content["layers"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [(blob(digest), f"its manifest cannot be read ({error})")]
    found = []
    for part, size in {digest: len(text), **parts}.items():
        path = storage / blob(part)
        if not path.is_file() or path.stat().st_size != size:
            found.append((blob(part), f"the layer {part} is missing or cut short"))
        elif verify and sha256_of(path) != part.removeprefix("sha256:"):
            found.append((blob(part), f"the layer {part} has another content"))
    return found


def stale_tags(storage: Path, wanted: dict[str, str]) -> list[Path]:
    """Give the folders of tags that no image of ours has any more. ``wanted`` maps a repository to its tag."""
    root = storage / "docker/registry/v2/repositories"
    found = []
    for folder in sorted(root.glob("**/_manifests/tags/*")):
        name = str(folder.parents[2].relative_to(root))
        if wanted.get(name) != folder.name:
            found.append(folder)
    return found
