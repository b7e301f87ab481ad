"""Two real machines in a site of their own: started, looked at, killed, frozen, restarted, stopped, destroyed.

Needs root and the bundle (kernel and base disk). Touches neither the site `local` nor its range.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import process

from tests.e2e.site import kill_group

pytestmark = pytest.mark.machines
TOP = Path(__file__).parents[2]
ANSIBLE = TOP / ".venv" / "bin" / "ansible-playbook"
CACHE = Path(os.environ.get("HUB_CACHE_DIR", "/var/cache/airavata-jupyterhub"))
ROLE = "airavata.jupyterhub.local_machines"


class Trial:
    """A site with its inventory, and the role run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.hosts = {"one": ("10.78.0.11", 512), "two": ("10.78.0.12", 512)}
        self.variables: dict[str, Any] = {
            "hub_site": "trial",
            "hub_state_dir": str(self.state),
            "hub_cache_dir": str(CACHE),
            "hub_network_cidr": "10.78.0.0/24",
            "hub_deploy_address": "10.78.0.1",
            "hub_url": "https://localhost:18443",
            "hub_node_port": 8080,
            "local_machines_hosts": "{{ groups['machines'] }}",
            "local_machines_storage_hosts": ["two"],
            "local_machines_default_data_disk_gib": 1,
            "local_machines_root_disk_gib": 1,
            "local_machines_forwarder_hosts": "{{ groups['machines'] }}",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        }

    def run(self, *parts: str, check: bool = False, fails: bool = False, **extra: Any) -> str:
        """Run entry points of the role; gives the output. With ``fails`` the run has to fail."""
        hosts = {name: {"ansible_host": address, "local_machines_memory_mib": memory} for name, (address, memory) in self.hosts.items()}
        inventory = {
            "all": {
                "vars": self.variables,
                "hosts": {"localhost": {"ansible_connection": "local"}},
                "children": {"machines": {"hosts": hosts}},
            }
        }
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        self.write_play(*parts)
        command = [*self.command(), "-e", json.dumps(extra), *(["--check", "--diff"] if check else [])]
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "COLUMNS": "4000"})
        output = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, output
        return output

    def write_play(self, *parts: str) -> None:
        """Write a playbook that runs entry points of the role."""
        tasks = [{"ansible.builtin.include_role": {"name": ROLE, "tasks_from": part}} for part in parts]
        (self.folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))

    def command(self) -> list[str]:
        """Give the command that runs the playbook."""
        return [str(ANSIBLE), "-i", str(self.folder / "hosts.yml"), str(self.folder / "play.yml")]

    def changed(self, *parts: str, **extra: Any) -> int:
        """Run entry points and give how many tasks changed something."""
        recap = self.run(*parts, **extra).rsplit("PLAY RECAP", 1)[1]
        return int(recap.split("changed=")[1].split()[0])

    def pid(self, name: str) -> int:
        """Give the process of a machine."""
        return int(json.loads((self.state / "machines" / name / "process.json").read_text())["pid"])

    def ssh(self, name: str, command: str) -> str:
        """Run a command on a machine."""
        options = ["-F", "none", "-i", str(self.state / "ssh/id_ed25519"), "-o", f"UserKnownHostsFile={self.state}/known_hosts", "-o", "BatchMode=yes"]
        done = subprocess.run(["ssh", *options, f"root@{self.hosts[name][0]}", command], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    if os.geteuid() != 0:
        pytest.fail("these tests start machines: run them as root")
    if not (CACHE / "bundle/programs/linux").exists() or not (CACHE / "bundle/disks/machine.ext4").exists():
        pytest.fail(f"no kernel and base disk under {CACHE}/bundle: make the bundle first (ansible-playbook site.yml --tags bundle)")
    site = Trial(tmp_path_factory.mktemp("trial"))
    yield site
    site.run("destroy", local_machines_destroy_confirm="trial")


def test_check_before_the_first_run_changes_nothing(trial: Trial) -> None:
    assert "one: running" in trial.run("main", "forwarder", "state", check=True)
    assert not trial.state.exists()
    assert not Path("/run/netns/hub-trial").exists()


def test_two_machines_start_and_a_second_run_changes_nothing(trial: Trial) -> None:
    assert trial.changed("main", "state") > 0
    assert trial.ssh("one", "hostname").strip() == "one"
    assert "ubdb" in trial.ssh("two", "lsblk")
    assert "ubdb" not in trial.ssh("one", "lsblk")
    trial.ssh("one", "echo kept > /root/kept; sync")
    pids = [trial.pid(name) for name in trial.hosts]
    assert trial.changed("main", "state") == 0
    assert [trial.pid(name) for name in trial.hosts] == pids
    assert "changed=0" in trial.run("main", "state", check=True)


def test_machines_run_without_rights_and_reach_only_their_network(trial: Trial) -> None:
    status = Path(f"/proc/{trial.pid('one')}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    assert "Uid:\t977077\t977077\t977077\t977077" in status
    trial.ssh("one", "ping -c 1 -W 5 10.78.0.12")
    outside = trial.ssh("one", "timeout 3 bash -c 'echo > /dev/tcp/192.0.2.1/80' 2>&1 || echo unreachable")
    assert "unreachable" in outside


def test_another_host_in_the_inventory_gets_a_machine_and_nothing_else_changes(trial: Trial) -> None:
    pids = [trial.pid(name) for name in ("one", "two")]
    trial.hosts["three"] = ("10.78.0.13", 384)
    assert trial.changed("main") == 2  # the network's tap and the machine
    assert trial.ssh("three", "hostname").strip() == "three"
    assert [trial.pid(name) for name in ("one", "two")] == pids
    assert trial.changed("main") == 0


def test_killed_machine_is_dead_and_a_run_starts_it_with_its_files(trial: Trial) -> None:
    os.kill(trial.pid("one"), signal.SIGKILL)
    time.sleep(0.5)
    output = trial.run("state", fails=True)
    assert "Machine 'one' (10.78.0.11) is dead" in output
    assert "signal 9" in output
    assert "'two'" not in output
    assert trial.changed("main", "state") == 1
    assert trial.ssh("one", "cat /root/kept") == "kept\n"


def test_powered_off_inside_is_dead_too(trial: Trial) -> None:
    pid = trial.pid("one")
    trial.ssh("one", "systemctl poweroff --no-block")
    deadline = time.monotonic() + 60
    while (stat := process.stat_of(pid)) and not stat.zombie:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(0.5)
    assert "Machine 'one' (10.78.0.11) is dead: its process ended without being stopped: exit status 0" in trial.run("state", fails=True)
    assert trial.changed("main", "state") == 1


def test_frozen_machine_hangs_and_is_named(trial: Trial) -> None:
    pid = trial.pid("two")
    os.kill(pid, signal.SIGSTOP)
    try:
        for part in ("state", "main"):
            output = trial.run(part, fails=True)
            assert "Machine 'two' (10.78.0.12) hangs" in output
            assert "SIGSTOP" in output
    finally:
        os.kill(pid, signal.SIGCONT)
    assert trial.changed("main", "state") == 0
    assert trial.pid("two") == pid


def test_machine_without_ssh_hangs_and_is_started_anew_when_asked(trial: Trial) -> None:
    pid = trial.pid("one")
    trial.ssh("one", "systemctl stop ssh.socket ssh.service 2>/dev/null; true")
    record = trial.state / "machines/one/process.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "started_at": time.time() - 1000}))  # it has had its time to boot
    sentence = "Machine 'one' (10.78.0.11) hangs: its process lives but SSH gave no greeting within 1 s"
    output = trial.run("state", fails=True, local_machines_banner_timeout_seconds=1)
    assert sentence in output
    assert "sysrq" in output or "Show Blocked State" in output
    assert sentence in trial.run("main", fails=True, local_machines_banner_timeout_seconds=1)
    assert trial.pid("one") == pid
    assert trial.changed("main", "state", local_machines_restart_hung=True, local_machines_banner_timeout_seconds=1) == 1
    assert trial.pid("one") != pid
    assert trial.ssh("one", "cat /root/kept") == "kept\n"


def test_forwarder_carries_to_the_machine_that_answers(trial: Trial) -> None:
    trial.ssh("two", "systemd-run --unit web python3 -m http.server 8080 --bind 0.0.0.0 --directory /etc")
    trial.ssh("two", "for _try in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null && exit 0; sleep 0.2; done; echo no web server; exit 1")
    assert trial.changed("forwarder") == 1
    assert trial.changed("forwarder") == 0
    answers = []

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", 18443), timeout=20) as connection:
            connection.sendall(b"GET /debian_version HTTP/1.0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            data = b""
            while piece := connection.recv(4096):
                data += piece
            answers.append(data)

    askers = [threading.Thread(target=ask) for _number in range(5)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.0 200 OK"] * 5


def test_stop_keeps_the_files_and_counts_as_stopped(trial: Trial) -> None:
    trial.ssh("one", "systemd-run --unit witness --property=ExecStop='/bin/touch /root/stopped-in-order' sleep infinity")
    assert trial.changed("stop") == 1
    assert trial.changed("stop") == 0
    assert "is stopped: it has a disk and is switched off" in trial.run("state", fails=True)
    assert trial.changed("main", "state") == 1
    assert trial.ssh("one", "cat /root/kept") == "kept\n"
    trial.ssh("one", "test -e /root/stopped-in-order")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"local_machines_default_memory_mib": "lots"}, "lots"),
        ({"hub_network_cidr": "127.0.0.0/24", "hub_deploy_address": "127.0.0.1"}, "The address range 127.0.0.0/24 is busy"),
        ({"local_machines_uid": 0}, "is the user 'root'"),
        ({"local_machines_hosts": ["nobody"]}, "ansible_host of 'nobody'"),
        ({"hub_site": "Wrong Name"}, "hub_site is 'Wrong Name'"),
    ],
)
def test_mistakes_are_told_in_a_sentence_before_anything_changes(trial: Trial, variables: dict[str, Any], words: str) -> None:
    before = sorted(str(path) for path in trial.state.rglob("*") if path.name != "console.log")
    assert words in trial.run("main", fails=True, **variables)
    assert sorted(str(path) for path in trial.state.rglob("*") if path.name != "console.log") == before


def test_too_little_memory_or_disk_is_told(trial: Trial) -> None:
    trial.hosts["huge"] = ("10.78.0.99", 10_000_000)
    try:
        assert "The machines need 10000000 MiB of memory (huge 10000000)" in trial.run("main", fails=True)
        assert "need about 1e+09 GiB of disk under" in trial.run("main", fails=True, local_machines_root_disk_gib=1e9)
    finally:
        del trial.hosts["huge"]
    assert not (trial.state / "machines/huge").exists()


def test_changed_memory_is_told_and_taken_by_the_next_start(trial: Trial) -> None:
    trial.hosts["one"] = ("10.78.0.11", 640)
    output = trial.run("main")
    assert "Machine 'one' was started with 512 MiB of memory at 10.78.0.11" in output
    assert "the site now has 640 MiB of memory" in output
    trial.run("stop")
    trial.run("main", "state")
    assert 560 < int(trial.ssh("one", "free -m").split("Mem:")[1].split()[0]) < 640


def test_interrupted_start_is_completed(trial: Trial) -> None:
    """The first boot of a machine is killed at some moment: the next run makes it anew."""
    trial.hosts["four"] = ("10.78.0.14", 384)
    trial.run("validate")  # writes the inventory with the new host
    trial.write_play("main")
    play = subprocess.Popen(trial.command(), cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    record = trial.state / "machines/four/process.json"
    deadline = time.monotonic() + 60
    while not record.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill_group(play)
    play.wait()
    os.kill(trial.pid("four"), signal.SIGKILL)
    assert not json.loads((trial.state / "machines/four/machine.json").read_text())["booted"]
    assert trial.changed("main", "state") == 1
    assert trial.ssh("four", "hostname").strip() == "four"


def test_destroy_needs_the_name(trial: Trial) -> None:
    assert "local_machines_destroy_confirm" in trial.run("destroy", fails=True)
    assert "nothing was deleted" in trial.run("destroy", fails=True, local_machines_destroy_confirm="local")
    assert trial.changed("main", "state") == 0


def test_destroy_leaves_nothing(trial: Trial) -> None:
    pids = [trial.pid(name) for name in trial.hosts]
    assert "changed=0" not in trial.run("destroy", check=True, local_machines_destroy_confirm="trial")
    assert trial.state.exists()
    assert trial.changed("destroy", local_machines_destroy_confirm="trial") == 1
    assert not trial.state.exists()
    assert not Path("/run/netns/hub-trial").exists()
    assert not Path("/sys/class/net/hub-trial0").exists()
    left = [process.stat_of(pid) for pid in pids]
    assert all(stat is None or stat.zombie for stat in left)  # the host's init collects them when it likes
    assert str(trial.state) not in Path("/proc/self/mountinfo").read_text()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", 18443), timeout=2)
    assert trial.changed("destroy", local_machines_destroy_confirm="trial") == 0
