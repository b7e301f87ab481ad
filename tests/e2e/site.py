"""A site as tests and measurements see it: its values, its playbooks, its users' browsers, its machines and its API."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
BIN = TOP / ".venv" / "bin"
sys.path.insert(0, str(TOP / "services" / "site_verify"))

from site_verify.hub import HubSession, Limits, tls_context
from site_verify.scenario import Person, load_users

SCENARIOS = sorted(path.parent.name for path in (TOP / "molecule").glob("*/verify.yml"))
# Ansible's own way of running tasks, which people have who install the collection: slower, and without what is kept between tasks.
PLAIN = {"ANSIBLE_STRATEGY": "linear"}
OUTPUT = {"ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true", "ANSIBLE_DEPRECATION_WARNINGS": "true", "PYTHONUNBUFFERED": "1"}
RECAP = re.compile(r"^(?P<host>\S+)\s+: ok=(?P<ok>\d+)\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)\s+failed=(?P<failed>\d+)", re.MULTILINE)
VALUES = [
    "hub_site",
    "hub_cache_dir",
    "hub_state_dir",
    "hub_url",
    "hub_kubeconfig",
    "hub_ca_certificate",
    "hub_namespace",
    "hub_user_namespace_prefix",
    "hub_storage_address",
    "hub_storage_export",
    "hub_registry",
    "hub_control_plane_address",
    "hub_storage_class",
    "hub_machines_provider",
]


@dataclass(frozen=True)
class Run:
    """One playbook run: exit code (negative: the signal that ended it), seconds, and all it printed."""

    code: int
    seconds: float
    output: str

    @functools.cached_property
    def recap(self) -> dict[str, dict[str, int]]:
        """Counts by host, as in Ansible's last lines: {"worker1": {"ok": 3, "changed": 0, "unreachable": 0, "failed": 0}}."""
        return {found["host"]: {name: int(found[name]) for name in ("ok", "changed", "unreachable", "failed")} for found in RECAP.finditer(self.output)}

    @property
    def changed(self) -> dict[str, int]:
        """Hosts with changes, and how many."""
        return {host: counts["changed"] for host, counts in self.recap.items() if counts["changed"]}

    @property
    def changed_tasks(self) -> list[str]:
        """Lines that say what changed, each with its task."""
        lines, task = [], ""
        for line in self.output.splitlines():
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                task = line.split("]")[0]
            elif line.startswith("changed: ["):
                lines.append(f"{task}] {line}")
        return lines

    @property
    def deprecations(self) -> set[str]:
        """What a later Ansible will do away with, as it said."""
        return {line for line in self.output.splitlines() if "[DEPRECATION WARNING]" in line}

    def must_pass(self) -> Run:
        """Itself when the run went well; otherwise an AssertionError with the last lines."""
        assert self.code == 0, f"the playbook ended with {self.code} after {self.seconds:.0f} s:\n" + "\n".join(self.output.splitlines()[-60:])
        return self


@dataclass
class Site:
    """A site of an inventory of this checkout. ``log_dir`` gets the output of every playbook run."""

    inventory: Path = TOP / "inventories" / "local"
    log_dir: Path = TOP / ".cache" / "e2e"
    people: list[Person] = field(default_factory=list)
    made_here: bool = False
    settings: dict[str, Any] = field(default_factory=dict)  # what was set beside the inventory, and stays set
    plan: Run | None = None  # what a check said before anything was there
    made_by_plan: bool = False  # whether that check left something, which it must not

    @property
    def temporary(self) -> bool:
        """Whether it is taken away after the tests."""
        return self.made_here and os.environ.get("E2E_KEEP") != "1"

    def module(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The result of one module of this collection (or of Ansible) on the deploy host. Raises AssertionError when it fails."""
        line = [str(BIN / "ansible"), "-i", str(self.inventory), "localhost", "-m", name, "-a", json.dumps(arguments)]
        environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "true"}
        done = subprocess.run(line, cwd=TOP, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, f"{name} failed: {done.stdout[-2000:]}{done.stderr[-500:]}"
        result: dict[str, Any] = json.loads(done.stdout.split("=>", 1)[1])
        return result

    @functools.cached_property
    def values(self) -> dict[str, str]:
        """The inventory's site-wide values, as Ansible resolves them."""
        wanted = ", ".join(f"'{name}': {name}" for name in VALUES)
        message = self.module("ansible.builtin.debug", msg="{{ {" + wanted + "} | to_json }}")["msg"]
        return message if isinstance(message, dict) else json.loads(message)

    @property
    def state(self) -> Path:
        """Folder of everything that the deploy host keeps for the site."""
        return Path(self.values["hub_state_dir"])

    def up(self) -> bool:
        """Whether the login page answers."""
        try:
            with self.browser(Limits(request_seconds=5)) as session:
                session.login_page()
        except Exception:  # whatever is missing (certificate, port, pod): the site is not up
            return False
        return True

    # --- playbooks ---

    def command(self, playbook: str, *arguments: str, inventories: Sequence[Path] = ()) -> list[str]:
        """The command line of a playbook run."""
        extra = [part for path in inventories for part in ("-i", str(path))]
        return [str(BIN / "ansible-playbook"), "-i", str(self.inventory), *extra, playbook, *arguments]

    def run_playbook(
        self,
        playbook: str = "site.yml",
        *arguments: str,
        inventories: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        kill_at: str = "",
        kill_delay_seconds: float = 0.0,
        limit_seconds: float = 2700,
        on_line: Callable[[str], None] | None = None,
    ) -> Run:
        """Runs a playbook to its end, or kills it and all it started (SIGKILL) ``kill_delay_seconds`` after a line that contains ``kill_at``.

        A killed run has code -9. Raises AssertionError when ``kill_at`` never came, or at the limit.
        """
        begun = time.monotonic()
        self.log_dir.mkdir(parents=True, exist_ok=True)
        log = self.log_dir / f"{time.strftime('%H%M%S')}-{playbook.removesuffix('.yml').replace('/', '-')}.log"
        process = subprocess.Popen(
            self.command(playbook, *arguments, inventories=inventories),
            cwd=TOP,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env={**os.environ, **OUTPUT, **(environment or {})},
        )
        output: list[str] = []
        killed = False
        assert process.stdout is not None
        with log.open("w") as stream:
            for line in process.stdout:
                output.append(line)
                stream.write(line)
                stream.flush()
                if on_line:
                    on_line(line)
                if kill_at and not killed and kill_at in line:
                    time.sleep(kill_delay_seconds)
                    killed = True
                    kill_group(process)
                if time.monotonic() - begun > limit_seconds:
                    kill_group(process)
                    raise AssertionError(f"{playbook} was not done within {limit_seconds:g} s; its output is in {log}")
        code = process.wait()
        assert killed or not kill_at, f"{playbook} ended without ever saying {kill_at!r}; its output is in {log}"
        return Run(code, time.monotonic() - begun, "".join(output))

    def make(self, *arguments: str, on_line: Callable[[str], None] | None = None, limit_seconds: float = 2700) -> tuple[Run, float | None]:
        """Runs site.yml; also returns after how many seconds the login page first answered (None: never)."""
        begun = time.monotonic()
        done = threading.Event()
        seen: list[float] = []

        def look() -> None:
            while not seen and not done.wait(1):
                if self.up():
                    seen.append(time.monotonic() - begun)

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            run = self.run_playbook("site.yml", *arguments, on_line=on_line, limit_seconds=limit_seconds)
        finally:
            done.set()
            watcher.join(30)
        return run, seen[0] if seen else None

    def verify_role(self, scenario: str) -> Run:
        """Runs the verify playbook of a role's scenario."""
        return self.run_playbook(f"molecule/{scenario}/verify.yml")

    def destroy(self) -> Run:
        """Takes the site away with its users' files."""
        return self.run_playbook("playbooks/destroy-site.yml", "-e", f"destroy_site_confirm={self.values['hub_site']}")

    def machine_states(self) -> dict[str, dict[str, Any]]:
        """What local_machine_info says of each machine."""
        result = self.module("airavata.jupyterhub.local_machine_info", site=self.values["hub_site"], state_dir=self.values["hub_state_dir"])
        return {machine["name"]: machine for machine in result["machines"]}

    def left_over(self) -> dict[str, Any]:
        """What local_inventory_info finds of the site on this host, by kind."""
        inventory: dict[str, Any] = self.module(
            "airavata.jupyterhub.local_inventory_info", site=self.values["hub_site"], state_dir=self.values["hub_state_dir"]
        )["inventory"]
        return inventory

    # --- people ---

    def browser(self, limits: Limits | None = None) -> HubSession:
        """A browser that trusts the site's CA only."""
        return HubSession(self.values["hub_url"], tls_context(Path(self.values["hub_ca_certificate"])), limits or Limits(spawn_seconds=300))

    @property
    def users(self) -> dict[str, str]:
        """Passwords of the demo users."""
        return load_users(self.state / "secrets" / "demo-users.json")

    def person(self, username: str) -> Person:
        """A demo user, logged in. Everybody who is made here is sent home by send_home."""
        person = Person(username, self.users[username], self.browser())
        person.session.login(username, person.password)
        self.people.append(person)
        return person

    def send_home(self) -> None:
        """Stops the servers that people started, and closes their browsers."""
        while self.people:
            person = self.people.pop()
            with contextlib.suppress(Exception):  # a test that failed may have left a server that cannot be asked any more
                person.stop()
            person.session.client.close()

    # --- machines ---

    @functools.cached_property
    def machines(self) -> dict[str, str]:
        """Addresses of the site's machines, by name."""
        line = [str(BIN / "ansible-inventory"), "-i", str(self.inventory), "--list"]
        found = json.loads(subprocess.run(line, cwd=TOP, capture_output=True, text=True, check=True).stdout)
        return {name: values["ansible_host"] for name, values in found["_meta"]["hostvars"].items() if "ansible_host" in values}

    def ssh(self, machine: str, *command: str, limit_seconds: float = 30) -> str:
        """What a command on a machine printed. Raises CalledProcessError, TimeoutExpired."""
        options = {
            "UserKnownHostsFile": self.state / "known_hosts",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "LogLevel": "ERROR",
        }
        line = ["ssh", "-i", str(self.state / "ssh" / "id_ed25519"), *(f"-o{name}={value}" for name, value in options.items())]
        address = self.machines.get(machine, machine)
        return subprocess.run([*line, f"root@{address}", *command], capture_output=True, text=True, check=True, timeout=limit_seconds).stdout

    # --- Kubernetes ---

    @functools.cached_property
    def core(self) -> Any:
        """The Kubernetes core API, as the site's administrator."""
        from kubernetes import client, config

        config.load_kube_config(self.values["hub_kubeconfig"])
        return client.CoreV1Api()

    def pods(self, namespace: str, prefix: str = "") -> list[Any]:
        """Pods whose name begins with ``prefix``."""
        return [pod for pod in self.core.list_namespaced_pod(namespace).items if pod.metadata.name.startswith(prefix)]

    def hub_pod(self) -> Any:
        """The hub's pod (not the proxy's)."""
        [pod] = [pod for pod in self.pods(self.values["hub_namespace"], "hub-") if pod.metadata.deletion_timestamp is None]
        return pod

    def user_pods(self, username: str) -> list[Any]:
        """A user's notebook pods."""
        return [
            pod
            for pod in self.notebook_pods()
            if username in ((pod.metadata.annotations or {}).get("hub.jupyter.org/username"), (pod.metadata.labels or {}).get("hub.jupyter.org/username"))
        ]

    def notebook_pods(self) -> list[Any]:
        """Everybody's notebook pods."""
        return list(self.core.list_pod_for_all_namespaces(label_selector="component=singleuser-server").items)

    def user_namespace(self, username: str) -> str:
        """Namespace of a user whose name is a plain one, as those of the demo users are."""
        return self.values["hub_user_namespace_prefix"] + username

    def kubectl(self, *arguments: str, limit_seconds: float = 60) -> str:
        """What kubectl printed. Raises CalledProcessError."""
        program = Path(self.values["hub_cache_dir"]) / "bundle" / "programs" / "kubectl"
        line = [str(program), "--kubeconfig", self.values["hub_kubeconfig"], *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=True, timeout=limit_seconds).stdout


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a process, all of its group, and Ansible's workers, which are in groups of their own: nobody gets to clean up."""
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(worker), signal.SIGKILL)


def eventually(what: str, check: Callable[[], Any], limit_seconds: float = 60, pause_seconds: float = 0.5) -> Any:
    """The first true value of ``check``; exceptions count as not yet. Raises AssertionError with the last one at the limit."""
    deadline = time.monotonic() + limit_seconds
    last: object = None
    while True:
        try:
            value = check()
            if value:
                return value
            last = value
        except Exception as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {limit_seconds:g} s; last: {last!r}")
        time.sleep(pause_seconds)


@contextlib.contextmanager
def waited(what: str, limit_seconds: float) -> Iterator[None]:
    """Fails when the block takes longer than the limit."""
    begun = time.monotonic()
    yield
    seconds = time.monotonic() - begun
    assert seconds <= limit_seconds, f"{what} took {seconds:.1f} s, more than {limit_seconds:g} s"
