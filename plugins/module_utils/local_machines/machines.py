# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The life of local machines: look, start all at once, stop in order, take away. Common to all drivers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.airavata.jupyterhub.plugins.module_utils import locks
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import disks, process, ssh
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.disks import Folder, folder_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.drivers.base import Driver, Hardware
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.drivers.uml import UserModeLinux
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.states import ABSENT, DEAD, HUNG, RUNNING, STARTING, STOPPED, Seen, classify

T = TypeVar("T")
R = TypeVar("R")
DRIVERS: dict[str, Callable[[], Driver]] = {"uml": UserModeLinux}


@dataclass(frozen=True)
class Limits:
    """How long things may take, in seconds: a boot until SSH greets, a greeting of a machine that has booted, an orderly power-off."""

    boot_seconds: float = 120
    banner_seconds: float = 10
    stop_seconds: float = 60


@dataclass(frozen=True)
class Access:
    """How the deploy host enters machines."""

    private_key: Path
    known_hosts: Path


@dataclass
class Report:
    """One machine as it was found. ``state`` is one of the words in `states`, ``reason`` a clause that says why."""

    name: str
    state: str
    reason: str
    address: str = ""
    pid: int | None = None
    age_seconds: float | None = None
    memory_used_mib: int | None = None
    disk_used_mib: int | None = None
    base: str = ""
    detail: str = ""
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Give the report as a module's answer."""
        return dict(self.__dict__)


def together(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do something for all machines at the same time; results in the order of the items, the first error is raised after all are done."""
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=len(items)) as pool:
        return list(pool.map(work, items))


@contextmanager
def locked(site: Site, limit_seconds: float, *, check: bool = False) -> Iterator[None]:
    """Hold the site's lock, waiting up to ``limit_seconds`` for it: two runs on the same machines would each undo what the other does.

    A check changes nothing, so it needs no lock, nor the folder of it.
    """
    if check:
        yield
        return
    site.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with locks.held(str(site.run_dir / "machines.lock"), limit_seconds):
            yield
    except locks.LockedError as error:
        raise LocalError(f"The machines of site '{site.name}': {error}.") from None


def existing(site: Site) -> list[str]:
    """Give the names of all machines that have a folder, also those no longer in the inventory."""
    return sorted(path.name for path in site.machines_dir.iterdir() if path.is_dir()) if site.machines_dir.is_dir() else []


def look(site: Site, machine: Machine, driver: Driver, limits: Limits, *, quick: bool = False) -> Report:
    """See in which state a machine is. ``quick`` skips SSH and believes a live process."""
    folder = folder_of(site, machine.name)
    record = process.read_record(folder.record)
    stat = process.alive(record)
    definition = disks.definition_of(folder)
    address = machine.address or str(definition.get("address", ""))
    age = time.time() - record.started_at if record and stat else 0.0
    seen = Seen(
        disk=bool(definition),
        recorded=record is not None,
        alive=stat is not None,
        frozen=bool(stat and stat.frozen),
        banner=bool(stat and not stat.frozen and (quick or _greets(address, age, limits))),
        age_seconds=age,
        ending=process.ending(folder.exit, record) if record and not stat else "",
    )
    state, reason = classify(seen, boot_limit_seconds=limits.boot_seconds, banner_limit_seconds=limits.banner_seconds)
    report = Report(name=machine.name, state=state, reason=reason, address=address, base=str(definition.get("base", "")))
    if stat and record:
        report.pid, report.age_seconds = record.pid, round(age, 1)
        report.memory_used_mib = memory_used_mib(record.pid)
        note = equipment_note(machine, record.fingerprint)
        report.notes += [note] if note else []
    if folder.disk.is_dir():
        report.disk_used_mib = sum(path.stat().st_blocks for path in folder.disk.iterdir()) * 512 // 2**20
    if state == HUNG and not seen.frozen:
        report.detail = driver.state(site, machine.name, folder)
    if state == DEAD:
        report.detail = process.last_lines(folder.log)
    return report


def _greets(address: str, age_seconds: float, limits: Limits) -> bool:
    # While a machine boots there is nothing to wait for.
    return bool(address) and ssh.greets(address, 2 if age_seconds < limits.boot_seconds else limits.banner_seconds)


def memory_used_mib(pid: int) -> int | None:
    """Give how much of its private tmpfs a machine has touched, in MiB: that is its memory's real cost."""
    try:
        usage = os.statvfs(f"/proc/{pid}/root/mnt")
    except OSError:
        return None
    return (usage.f_blocks - usage.f_bfree) * usage.f_frsize // 2**20


def look_at_all(site: Site, machines: Sequence[Machine], driver: Driver, limits: Limits, *, quick: bool = False) -> list[Report]:
    """See in which state machines are, all at the same time."""
    return together(lambda machine: look(site, machine, driver, limits, quick=quick), machines)


def equipment(machine: Machine, kernel: str = "") -> str:
    """Say what a machine is started with. A running one keeps that until it is switched off. ``kernel`` is the identity of the kernel program."""
    return f"{machine.memory_mib} MiB of memory at {machine.address}" + (f" with kernel {kernel}" if kernel else "")


def equipment_note(machine: Machine, started_with: str, kernel: str = "") -> str:
    """Give one sentence when a running machine was started with something else than inventory and bundle have now, else ''.

    Without ``kernel`` only the inventory's part is compared.
    """
    now = equipment(machine, kernel)
    seen = started_with if kernel else started_with.partition(" with kernel ")[0]
    if not started_with or not machine.memory_mib or seen == now:
        return ""
    return (
        f"Machine '{machine.name}' was started with {seen}, the site now has {now}:"
        " switch it off (role local_machines, tasks_from: stop) and run again; its files stay."
    )


def needs_start(report: Report, restart_hung: bool) -> bool:
    """Decide whether a machine has to be started; a hung one only when that was asked for."""
    return report.state in (ABSENT, STOPPED, DEAD) or (report.state == HUNG and restart_hung)


def hung_sentence(report: Report) -> str:
    """Give the sentence for a hung machine."""
    return (
        f"Machine '{report.name}' ({report.address}) hangs: {report.reason}. Look at its console.log, or start it anew with"
        f" -e local_machines_restart_hung=true. {' '.join(report.notes)} {report.detail}".strip()
    )


def problem_sentence(report: Report) -> str:
    """Give the sentence for a machine that is not running: what, why, and what to do."""
    if report.state == HUNG:
        return hung_sentence(report)
    advice = {
        DEAD: "look at its console.log; 'site.yml --tags machines' starts it again",
        STOPPED: "'site.yml --tags machines' starts it",
        ABSENT: "'site.yml --tags machines' makes it",
        STARTING: "wait a moment and look again",
    }
    where = f" ({report.address})" if report.address else ""
    detail = f" Its last words: {report.detail}" if report.detail else ""
    return f"Machine '{report.name}'{where} is {report.state}: {report.reason}; {advice[report.state]}.{detail}"


@dataclass(frozen=True)
class Start:
    """What machines are started with."""

    kernel: Path
    base: Path
    base_sha256: str
    uid: int
    access: Access
    restart_hung: bool = False


def start(site: Site, machines: Sequence[Machine], driver: Driver, limits: Limits, order: Start, *, check: bool = False) -> tuple[list[Report], list[str]]:
    """Make all machines run and answer. Returns their reports and one line per change."""
    reports = look_at_all(site, machines, driver, limits)
    hung = [report for report in reports if report.state == HUNG and not order.restart_hung]
    if hung:
        raise LocalError(" ".join(hung_sentence(report) for report in hung))
    starting = {report.name for report in reports if needs_start(report, order.restart_hung)}
    changes = [f"{report.name}: {report.state} -> {RUNNING}" for report in reports if report.name in starting]
    if check:
        return reports, changes
    fresh = [machine for machine in machines if machine.name in starting]
    if fresh:
        _start_processes(site, fresh, driver, order)
    waiting = [machine for machine, report in zip(machines, reports, strict=True) if machine.name in starting or report.state == STARTING]
    if waiting:
        wait_for_ssh(site, waiting, driver, limits)
    # An interrupted run may have left machines that answer but were not yet met.
    known = ssh.known(order.access.known_hosts)
    unmet = [m for m in machines if m in waiting or m.address not in known or not disks.definition_of(folder_of(site, m.name)).get("booted")]
    if unmet:
        _meet(site, unmet, order.access)
    if fresh or unmet:
        disks.drop_unused_bases(site)
        reports = look_at_all(site, machines, driver, limits)
    identity = disks.base_id(order.base, order.base_sha256) if order.base.exists() else ""
    kernel = disks.base_id(order.kernel, "") if order.kernel.exists() else ""
    for machine, report in zip(machines, reports, strict=True):
        record = process.read_record(folder_of(site, machine.name).record)
        note = equipment_note(machine, record.fingerprint, kernel) if record else ""
        stale = disks.stale_note(report.name, {"base": report.base}, identity) if identity else ""
        report.notes = [sentence for sentence in (note, stale) if sentence]
    return reports, changes


def _start_processes(site: Site, machines: Sequence[Machine], driver: Driver, order: Start) -> None:
    for path, what in ((order.kernel, "kernel"), (order.base, "base disk")):
        if not path.exists():
            raise LocalError(f"The bundle has no {what} at {path}; make the bundle first (ansible-playbook site.yml --tags bundle).")
    identity = disks.base_id(order.base, order.base_sha256)
    public_key = order.access.private_key.with_name(f"{order.access.private_key.name}.pub").read_text(encoding="utf-8")
    ssh.drop_shared_connections(site.run_dir, [machine.address for machine in machines])
    for machine in machines:
        folder = folder_of(site, machine.name)
        process.end(process.read_record(folder.record), grace_seconds=0)  # only a hung one that is to be started anew still lives here
        folder.exit.unlink(missing_ok=True)
        folder.record.unlink(missing_ok=True)
        if not disks.definition_of(folder).get("booted"):
            ssh.merge_known(order.access.known_hosts, add={}, forget=[machine.address])
        disks.prepare(site, machine, base=order.base, identity=identity, uid=order.uid)
        base = disks.base_path(site, str(disks.definition_of(folder)["base"]))
        command = driver.start(site, machine, folder, Hardware(kernel=order.kernel, base=base, uid=order.uid, public_key=public_key))
        process.launch(
            command.argv,
            environment=command.environment,
            state_dir=site.state_dir,
            record=folder.record,
            log=folder.log,
            keeper_dir=site.run_dir,
            fingerprint=equipment(machine, disks.base_id(order.kernel, "")),
        )


def wait_for_ssh(site: Site, machines: Sequence[Machine], driver: Driver, limits: Limits) -> None:
    """Wait until all machines greet by SSH; fail at once when one dies, and with its name when one stays silent."""

    def wait(machine: Machine) -> str:
        folder = folder_of(site, machine.name)
        record = process.read_record(folder.record)
        deadline = time.monotonic() + limits.boot_seconds
        while time.monotonic() < deadline:
            stat = process.alive(record)
            if record is None or stat is None:
                time.sleep(0.2)  # its keeper writes the ending
                how = process.ending(folder.exit, record) if record else "no record of it"
                return f"Machine '{machine.name}' died while it booted ({how}); its last words: {process.last_lines(folder.log)} (all of them: {folder.log})."
            if ssh.greets(machine.address, 2):
                return ""
            time.sleep(0.2)
        return (
            f"Machine '{machine.name}' ({machine.address}) did not answer on SSH within {limits.boot_seconds:.0f} s; its last words:"
            f" {process.last_lines(folder.log)} (all of them: {folder.log}). {driver.state(site, machine.name, folder)}"
        )

    problems = [problem for problem in together(wait, machines) if problem]
    if problems:
        raise LocalError(" ".join(problems))


def _meet(site: Site, machines: Sequence[Machine], access: Access) -> None:
    """Learn the host keys of machines, prove that they take ours, and mark them as booted."""
    strangers = [machine.address for machine in machines if machine.address not in ssh.known(access.known_hosts)]
    ssh.merge_known(access.known_hosts, add=ssh.host_keys(strangers))

    def enter(machine: Machine) -> str:
        status, error = ssh.run(machine.address, "true", private_key=access.private_key, known_hosts=access.known_hosts, limit_seconds=30)
        if status != 0:
            return (
                f"Machine '{machine.name}' ({machine.address}) greets by SSH but does not let us in with {access.private_key}: {error or f'status {status}'}."
            )
        disks.mark_booted(folder_of(site, machine.name))
        return ""

    problems = [problem for problem in together(enter, machines) if problem]
    if problems:
        raise LocalError(" ".join(problems))


def stop_order(site: Site, machines: Iterable[Machine]) -> list[list[Machine]]:
    """Give the order of switching off: machines with a data disk last, for a client of their file system waits for them."""
    items = list(machines)
    last = [machine for machine in items if machine.data_disk_gib or folder_of(site, machine.name).data_disk.exists()]
    return [group for group in ([machine for machine in items if machine not in last], last) if group]


def stop(site: Site, machines: Sequence[Machine], driver: Driver, limits: Limits, access: Access, *, check: bool = False) -> list[str]:
    """Switch machines off in order: by their own power-off, else by the driver's console, else by ending the process. Returns one line per change."""
    reports = {report.name: report for report in look_at_all(site, machines, driver, limits, quick=True)}
    changes = [f"{name}: {report.state} -> {STOPPED}" for name, report in reports.items() if report.state not in (ABSENT, STOPPED)]
    if check:
        return changes
    ssh.drop_shared_connections(site.run_dir, [report.address for report in reports.values()])
    for group in stop_order(site, machines):
        together(lambda machine: _stop_one(site, machine.name, reports[machine.name], driver, limits, access), group)
    return changes


def _stop_one(site: Site, name: str, report: Report, driver: Driver, limits: Limits, access: Access) -> None:
    folder = folder_of(site, name)
    record = process.read_record(folder.record)
    stat = process.alive(record)
    if record and stat and not stat.frozen:
        asked, _error = ssh.run(
            report.address, "systemctl poweroff --no-block", private_key=access.private_key, known_hosts=access.known_hosts, limit_seconds=10
        )
        orderly = asked == 0 and process.wait_gone(record, limits.stop_seconds)
        if not orderly and process.alive(record) and driver.switch_off(site, name, folder):
            process.wait_gone(record, 10)
    process.end(record, grace_seconds=0)
    folder.record.unlink(missing_ok=True)
    folder.exit.unlink(missing_ok=True)


def remove(site: Site, machines: Sequence[Machine], driver: Driver, limits: Limits, access: Access, *, check: bool = False) -> list[str]:
    """Take machines and their disks away. No orderly power-off: nothing of them is kept. Returns one line per change."""
    reports = [report for report in look_at_all(site, machines, driver, limits, quick=True) if report.state != ABSENT or _folder_exists(site, report.name)]
    changes = [f"{report.name}: {report.state} -> {ABSENT}" for report in reports]
    if check or not reports:
        return changes
    ssh.drop_shared_connections(site.run_dir, [report.address for report in reports])
    for report in reports:
        folder = folder_of(site, report.name)
        process.end(process.read_record(folder.record), grace_seconds=0)
        disks.delete(folder.path)
    ssh.merge_known(access.known_hosts, add={}, forget=[report.address for report in reports])
    disks.drop_unused_bases(site)
    return changes


def _folder_exists(site: Site, name: str) -> bool:
    return Folder(site.machines_dir / name).path.is_dir()
