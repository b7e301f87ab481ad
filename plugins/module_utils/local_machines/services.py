# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services of a local site on the deploy host: programs that outlive the playbook (registry, login provider, forwarder)."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import process
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError

GRACE_SECONDS = 10


@dataclass(frozen=True)
class Service:
    """One service. ``watch_files`` restart it when their content changes; ``ready_address`` ("host:port", or '') must accept connections."""

    name: str
    state_dir: Path
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    watch_files: tuple[Path, ...] = ()
    ready_address: str = ""
    ready_timeout_seconds: float = 30

    @property
    def record(self) -> Path:
        """Record of its process."""
        return self.state_dir / "run" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """Its output."""
        return self.state_dir / "log" / f"{self.name}.log"


def fingerprint(command: Sequence[str], environment: Mapping[str, str], watched: Mapping[str, bytes | None]) -> str:
    """Give an identity of everything a running service was started with. ``watched`` maps paths to contents, None for a missing file."""
    digest = hashlib.sha256(json.dumps([list(command), sorted(environment.items())]).encode())
    for path in sorted(watched):
        content = watched[path]
        digest.update(f"\0{path}\0{'-' if content is None else hashlib.sha256(content).hexdigest()}".encode())
    return digest.hexdigest()


def fingerprint_of(service: Service) -> str:
    """Give the fingerprint of a service as its files are now."""
    return fingerprint(service.command, dict(service.environment), {str(path): path.read_bytes() if path.is_file() else None for path in service.watch_files})


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port"; LocalError when it is not of that form."""
    host, _colon, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise LocalError(f"The ready address '{address}' is not of the form host:port.")
    return host.strip("[]"), int(port)


def accepts(address: str, limit_seconds: float = 2) -> bool:
    """Tell whether something accepts connections at "host:port"."""
    try:
        with socket.create_connection(split_address(address), timeout=limit_seconds):
            return True
    except OSError:
        return False


def look(service: Service) -> dict[str, Any]:
    """Report a service: ``state`` is stopped, running, silent (it runs but its address does not answer) or dead (it ended without being stopped)."""
    record = process.read_record(service.record)
    stat = process.alive(record)
    if record is None:
        state, reason = "stopped", "it is not started"
    elif stat is None:
        state, reason = "dead", f"its process ended without being stopped: {process.ending(Path(f'{service.record}.exit'), record)}"
    elif service.ready_address and not accepts(service.ready_address):
        state, reason = "silent", f"its process lives but {service.ready_address} does not answer"
    else:
        state, reason = "running", "its process lives" + (f" and {service.ready_address} answers" if service.ready_address else "")
    return {
        "name": service.name,
        "state": state,
        "reason": reason,
        "pid": record.pid if record and stat else None,
        "fingerprint": record.fingerprint if record else "",
        "log": str(service.log),
    }


def decide(seen: Mapping[str, Any], wanted: str) -> str:
    """Give why a service has to be started or started anew, or '' when it runs as wanted. ``wanted`` is its present fingerprint."""
    if seen["state"] != "running":
        return f"it is {seen['state']}: {seen['reason']}"
    if seen["fingerprint"] != wanted:
        return "its command, environment or a watched file changed"
    return ""


def start(service: Service, *, check: bool = False) -> str:
    """Make a service run as described. Returns why it was started (anew), or ''."""
    if not service.command:
        raise LocalError(f"Service '{service.name}' has no command.")
    wanted = fingerprint_of(service)
    why = decide(look(service), wanted)
    if not why or check:
        return why
    stop(service)
    if service.ready_address and accepts(service.ready_address, 1):
        raise LocalError(f"{service.ready_address}, which service '{service.name}' needs, is taken by another program; end it or choose another address.")
    service.record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    service.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = process.launch(
        service.command,
        environment=dict(service.environment),
        state_dir=service.state_dir,
        record=service.record,
        log=service.log,
        fingerprint=wanted,
        keeper_dir=service.state_dir / "run",
    )
    deadline = time.monotonic() + service.ready_timeout_seconds
    while True:
        ready = not service.ready_address or accepts(service.ready_address)
        if not process.alive(record):
            time.sleep(0.2)  # its keeper writes the ending
            how = process.ending(Path(f"{service.record}.exit"), record)
            raise LocalError(f"Service '{service.name}' ended at once ({how}); its last words: {process.last_lines(service.log)} (all of them: {service.log}).")
        if ready:
            return why
        if time.monotonic() > deadline:
            raise LocalError(
                f"Service '{service.name}' runs but {service.ready_address} did not answer within {service.ready_timeout_seconds:g} s;"
                f" its last words: {process.last_lines(service.log)} (all of them: {service.log})."
            )
        time.sleep(0.05)


def stop(service: Service, *, check: bool = False) -> bool:
    """End a service. Returns whether there was anything to end."""
    record = process.read_record(service.record)
    if record is None:
        return False
    if not check:
        process.end(record, grace_seconds=GRACE_SECONDS)
        service.record.unlink(missing_ok=True)
        Path(f"{service.record}.exit").unlink(missing_ok=True)
    return True


def known(state_dir: Path) -> list[str]:
    """Give the names of all services that have a record."""
    folder = state_dir / "run"
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []
