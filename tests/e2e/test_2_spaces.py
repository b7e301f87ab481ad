"""A user's life on the real site: started, locked out, put away, brought back; with the controller killed on the way."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from site_verify.errors import VerifyError
from site_verify.scenario import Person

from tests.e2e.site import Site, eventually

pytestmark = [pytest.mark.site, pytest.mark.usefixtures("beside")]
USER = "user5"


def set_state(site: Site, wanted: str, **more: Any) -> dict[str, Any]:
    """Set the state of the user's space and wait for what follows."""
    arguments = {"kubeconfig": site.values["hub_kubeconfig"], "namespace": site.values["hub_namespace"], "limit_seconds": 180}
    [space] = site.module("airavata.jupyterhub.user_space", spaces=[{"user": USER, "state": wanted}], **arguments, **more)["spaces"]
    return dict(space)


def namespaces(site: Site) -> list[str]:
    return [item.metadata.name for item in site.core.list_namespace().items]


@pytest.fixture
def person(site: Site) -> Iterator[Person]:
    """Somebody who is active again after the test."""
    yield site.person(USER)
    set_state(site, "active")


def kill_controller(site: Site) -> None:
    """As a machine that dies would: at once."""
    for pod in site.pods(site.values["hub_namespace"], "user-spaces-"):
        site.core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)


def test_who_is_disabled_is_told_and_keeps_everything(site: Site, person: Person) -> None:
    person.start()
    text = secrets.token_hex(8)
    person.page().write("kept.txt", text)
    assert set_state(site, "disabled")["reason"] == "Disabled"
    eventually("no pod", lambda: not site.user_pods(USER), 60)
    person.forget()
    eventually("the hub sees that the server is gone", lambda: (person.server or "") not in person.session.servers(), 120)
    with pytest.raises(VerifyError, match=f"The account {USER} is disabled"):
        person.session.spawn(person.server or "")
    set_state(site, "active")
    eventually("the hub forgets the failed start", lambda: (person.server or "") not in person.session.servers(), 60)
    person.start()
    assert person.page().read("kept.txt") == text


def test_who_was_archived_comes_back_with_everything(site: Site, person: Person) -> None:
    person.start()
    text = secrets.token_hex(8)
    person.page().write("archived.txt", text)
    uid = person.run("import os; os.getuid()")
    person.stop()
    kill_controller(site)
    assert set_state(site, "archived")["reason"] == "Archived"
    assert site.user_namespace(USER) not in namespaces(site)
    assert set_state(site, "active")["ready"]
    person.start()
    assert person.page().read("archived.txt") == text
    assert person.run("import os; os.getuid()") == uid


def test_a_first_start_survives_the_death_of_the_controller(site: Site, person: Person) -> None:
    set_state(site, "active", state="absent")
    assert site.user_namespace(USER) not in namespaces(site)
    failed: list[Exception] = []

    def start() -> None:
        try:
            person.start()
        except Exception as error:
            failed.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    eventually("the space is being made", lambda: site.user_namespace(USER) in namespaces(site), 60, pause_seconds=0.05)
    kill_controller(site)
    starting.join(300)
    assert not starting.is_alive()
    assert failed == []
    assert person.run("6 * 7") == "42"


def test_a_hub_that_dies_in_a_first_start_leaves_nothing_half_done(site: Site, person: Person) -> None:
    set_state(site, "active", state="absent")
    ended = threading.Event()

    def start() -> None:
        with contextlib.suppress(Exception):  # the hub goes away under it
            person.start()
        ended.set()

    threading.Thread(target=start).start()
    eventually("the space is being made", lambda: site.user_namespace(USER) in namespaces(site), 60, pause_seconds=0.05)
    before = site.hub_pod()
    site.core.delete_namespaced_pod(before.metadata.name, before.metadata.namespace, grace_period_seconds=0)
    assert ended.wait(300)
    eventually("a hub that answers", lambda: person.session.whoami() == USER, 180)
    person.forget()
    if (person.server or "") in person.session.servers():  # it had come so far that the next hub took it over
        person.stop()
    person.start()
    assert person.run("6 * 7") == "42"
    assert len([pod for pod in site.user_pods(USER) if not pod.metadata.deletion_timestamp]) == 1
