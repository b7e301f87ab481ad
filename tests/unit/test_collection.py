"""What every role, module and playbook of the collection has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent for path in TOP.glob("roles/*/tasks"))
MODULES = sorted(path.stem for path in TOP.glob("plugins/modules/*.py"))
PLAYBOOKS = sorted(TOP.glob("playbooks/*.yml"))
NAMES = [role.name for role in ROLES]


def load(path: Path) -> dict[str, object]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def test_something_was_found() -> None:
    assert len(ROLES) >= 15
    assert len(MODULES) >= 10
    assert len(PLAYBOOKS) >= 4


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_role_has_its_files(role: Path) -> None:
    for name in ("README.md", "defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml"):
        assert (role / name).is_file(), f"roles/{role.name}/{name} is missing"
    for name in ("molecule.yml", "converge.yml", "verify.yml"):
        assert (TOP / "molecule" / role.name / name).is_file(), f"molecule/{role.name}/{name} is missing"
    assert len((role / "tasks/main.yml").read_text().splitlines()) <= 60, "tasks/main.yml is a table of contents"


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_defaults_and_argument_specs_agree(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    assert isinstance(specs, dict)
    documented = {
        name: option
        for entry in specs.values()
        for name, option in (entry.get("options") or {}).items()
        if not name.startswith("hub_") or role.name != "site_preflight"
    }
    assert set(defaults) == set(documented), f"only in one of defaults and argument_specs: {sorted(set(defaults) ^ set(documented))}"
    for name, option in documented.items():
        assert name.startswith(f"{role.name}_"), f"{name} lacks the role's prefix"
        assert option.get("description"), f"{name} has no description"
        if option.get("required"):
            assert "undef(" in str(defaults[name]), f"{name} is required, so its default must say what to set: undef(hint=...)"


@pytest.mark.parametrize("name", MODULES)
def test_module_is_in_the_action_group(name: str) -> None:
    assert name in load(TOP / "meta/runtime.yml")["action_groups"]["hub"]


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=[path.name for path in PLAYBOOKS])
def test_playbook_syntax(playbook: Path) -> None:
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", TOP / "inventories/local", playbook, "--syntax-check"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_collection_builds_and_installs(tmp_path: Path) -> None:
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run([galaxy, "collection", "build", "--output-path", tmp_path], cwd=TOP, check=True, capture_output=True)
    (tarball,) = tmp_path.glob("airavata-jupyterhub-*.tar.gz")
    target = tmp_path / "collections"
    subprocess.run([galaxy, "collection", "install", "--force", "--offline", "--no-deps", tarball, "-p", target], cwd=tmp_path, check=True, capture_output=True)
    installed = target / "ansible_collections/airavata/jupyterhub"
    assert (installed / "playbooks/site.yml").is_file()
    assert not (installed / ".venv").exists()
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", TOP / "inventories/local", "airavata.jupyterhub.site", "--syntax-check"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "ANSIBLE_COLLECTIONS_PATH": str(target), "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_checkout_runs_has_every_cpu() -> None:
    """Tasks run by Mitogen, which left to itself would give what they start one CPU of two."""
    look = "tr '\\0' ' ' < /proc/$PPID/cmdline; echo; grep Cpus_allowed: /proc/self/status"
    line = [str(TOP / ".venv/bin/ansible"), "localhost", "-m", "ansible.builtin.shell", "-a", look]
    done = subprocess.run(line, cwd=TOP, capture_output=True, text=True, check=True)
    assert "mitogen:" in done.stdout
    [own] = [entry for entry in Path("/proc/self/status").read_text().splitlines() if entry.startswith("Cpus_allowed:")]
    assert own in done.stdout.splitlines()
