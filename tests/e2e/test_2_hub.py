"""The hub's promises, seen from outside and from inside a notebook."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from site_verify.hub import Limits
from site_verify.scenario import Person

from tests.e2e.site import TOP, Run, Site, eventually

pytestmark = [pytest.mark.site, pytest.mark.usefixtures("beside")]

# Tries to connect to each address from a thread of its own and prints what came of it.
REACH = """
import json, socket
from concurrent.futures import ThreadPoolExecutor
def reach(target):
    try:
        socket.create_connection(tuple(target), timeout=4).close()
        return "connected"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return f"{type(error).__name__} {error}"
with ThreadPoolExecutor(32) as pool:
    print(json.dumps(list(pool.map(reach, TARGETS))))
"""

INSIDE = """
import json, os, pathlib
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "uid": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privs": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    "home_mode": oct(os.stat(pathlib.Path.home()).st_mode & 0o7777),
    "home_owner": os.stat(pathlib.Path.home()).st_uid,
    "image_writable": os.access("/usr/lib", os.W_OK) or os.access("/etc", os.W_OK),
}))
"""


@pytest.fixture(scope="module")
def people(built: tuple[Site, list[Run]]) -> Iterator[tuple[Person, Person]]:
    """Alice and bob, each with a running server, for all tests of this file."""
    site, _runs = built
    pair = []
    for name in ("alice", "bob"):
        person = Person(name, site.users[name], site.browser())
        person.session.login(name, person.password)
        person.start()
        pair.append(person)
    yield pair[0], pair[1]
    for person in pair:
        person.stop()
        person.session.client.close()


def test_a_notebook_has_no_rights_on_its_machine(people: tuple[Person, Person]) -> None:
    inside = [json.loads(person.run(INSIDE)) for person in people]
    for seen in inside:
        uid = seen.pop("uid")
        assert uid >= 20000
        assert seen == {
            "capabilities": 0,
            "no_new_privs": "1",
            "seccomp": "2",
            "token": False,
            "home_mode": "0o700",
            "home_owner": uid,
            "image_writable": False,
        }


def test_a_notebook_reaches_only_what_it_needs(site: Site, people: tuple[Person, Person]) -> None:
    alice, _bob = people
    [other] = [pod for pod in site.user_pods("bob") if pod.status.pod_ip]
    services = {service.metadata.name: service.spec for service in site.core.list_namespaced_service(site.values["hub_namespace"]).items}
    registry = site.values["hub_registry"].split(":")
    denied = {
        "API server by service": ("10.96.0.1", 443),
        "API server": (site.values["hub_control_plane_address"], 6443),
        "etcd": (site.values["hub_control_plane_address"], 2379),
        "kubelet": (site.machines["worker1"], 10250),
        "NFS": (site.values["hub_storage_address"], 2049),
        "SSH of a machine": (site.machines["worker2"], 22),
        "registry": (registry[0], int(registry[1])),
        "another user's notebook": (other.status.pod_ip, 8888),
        "hub's proxy API": (services["proxy-api"].cluster_ip, 8001),
        "metadata service": ("169.254.169.254", 80),
    }
    listening = ("API server", "NFS", "kubelet", "SSH of a machine", "registry")
    for name in listening:  # from here they answer: silence inside is the policy's doing
        socket.create_connection(denied[name], timeout=5).close()
    allowed = {"hub": (services["hub"].cluster_ip, 8081)}
    targets = list(denied.values()) + list(allowed.values())
    results = json.loads(alice.run(f"TARGETS = {[list(target) for target in targets]!r}\n{REACH}"))
    seen = dict(zip([*denied, *allowed], results))
    assert {name: seen[name] for name in allowed} == dict.fromkeys(allowed, "connected")
    open_ones = {name: result for name, result in seen.items() if name in denied and result in {"connected"}}
    assert open_ones == {}
    assert {name: seen[name] for name in listening} == dict.fromkeys(listening, "silence")


def test_idle_servers_are_culled(site: Site) -> None:
    """The culler runs beside the hub with the role's limits; waiting an hour for it is not done here."""
    code = "import glob; print([open(p).read().split(chr(0)) for p in glob.glob('/proc/[0-9]*/cmdline')])"
    output = site.kubectl("exec", "-n", site.values["hub_namespace"], site.hub_pod().metadata.name, "--", "python3", "-c", code)
    assert "idle_culler" in output.replace("-", "_")
    assert "--timeout=3600" in output


def test_a_hub_restart_does_not_hurt_a_running_server(site: Site, people: tuple[Person, Person]) -> None:
    alice, _bob = people
    page = alice.page()
    kernel = page.start_kernel()
    with page.channel(kernel) as channel:
        channel.run("x = 41")
        started = alice.session.servers()[alice.server or ""]["started"]
        before = site.hub_pod()
        site.core.delete_namespaced_pod(before.metadata.name, before.metadata.namespace, grace_period_seconds=1)
        assert channel.run("x") == "41", "the open websocket works while the hub is away"

        def new_hub() -> bool:
            after = site.hub_pod()
            statuses = after.status.container_statuses or []  # none yet, as long as nothing was started
            return after.metadata.uid != before.metadata.uid and bool(statuses) and all(status.ready for status in statuses)

        eventually("a new hub", new_hub, 180)
        assert channel.run("x") == "41", "the same websocket works when the hub is back"
    eventually("the hub's answer through the proxy", lambda: alice.session.whoami() == "alice", 60)
    with page.channel(kernel) as channel:
        assert channel.run("x + 1") == "42", "a new websocket to the same kernel"
    page.stop_kernel(kernel)
    server = alice.session.servers()[alice.server or ""]
    assert (server["ready"], server["started"]) == (True, started)


def test_a_named_server_runs_beside_the_default_one(site: Site, people: tuple[Person, Person]) -> None:
    alice, _bob = people
    alice.page().write("shared.txt", "by the first")
    second = Person("alice", alice.password, alice.session, server="second")
    try:
        second.start()
        assert second.page().read("shared.txt") == "by the first"
        assert second.run("import socket; print(socket.gethostname())") != alice.run("import socket; print(socket.gethostname())")
    finally:
        second.stop()
    assert alice.page().read("shared.txt") == "by the first"
    alice.page().delete("shared.txt")


def test_a_chosen_profile_is_honoured(site: Site, people: tuple[Person, Person]) -> None:
    import yaml

    profiles = yaml.safe_load((TOP / "roles" / "jupyterhub" / "defaults" / "main.yml").read_text())["jupyterhub_profiles"]
    [large] = [profile for profile in profiles if profile["slug"] == "large"]
    gib = int(large["kubespawner_override"]["mem_limit"].removesuffix("G"))
    _alice, bob = people
    bob.stop()
    bob.session.spawn(bob.server or "", profile="large")
    [pod] = [pod for pod in site.user_pods("bob") if not pod.metadata.deletion_timestamp]
    assert int(pod.spec.containers[0].resources.limits["memory"]) == gib * 2**30
    cgroup = "open('/sys/fs/cgroup/memory.max').read().strip()"
    assert int(bob.run(f"print({cgroup})")) == gib * 2**30


def test_only_the_sites_own_names_and_certificate_are_served(site: Site) -> None:
    """Plain http is not answered with a page, and the certificate is the site's for every address in it."""
    with site.browser(Limits(request_seconds=5)) as session:
        for url in (site.values["hub_url"], f"https://127.0.0.1:{site.values['hub_url'].rsplit(':', 1)[1]}"):
            assert session.client.get(f"{url}/hub/health").status_code == 200
        with pytest.raises(Exception, match=r"disconnected|reset|closed"):
            session.client.get(site.values["hub_url"].replace("https://", "http://"))
