"""Folders that several people have, from inside their notebooks: a group's, where members write, and a course's, which is only read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from site_verify.scenario import Person

from tests.e2e.site import Site
from tests.e2e.test_4_settings.gateway import Gateway

pytestmark = pytest.mark.site

WRITE = """
import pathlib
try:
    pathlib.Path({path!r}).write_text({text!r})
    print("written")
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture(scope="module")
def pair(gateway: Gateway) -> Iterator[tuple[Site, Person, Person]]:
    """Two people with servers."""
    site = gateway.site
    people = [Person(name, site.users[name], site.browser()) for name in ("user6", "user7")]
    try:
        for person in people:
            person.session.login(person.username, person.password)
            person.start()
        yield site, people[0], people[1]
    finally:
        for person in people:
            person.stop()
            person.session.client.close()


def write(person: Person, path: str, text: str) -> str:
    return person.run(WRITE.format(path=path, text=text)).strip()


def read(person: Person, path: str) -> str:
    return person.run(f"print(open({path!r}).read())").strip()


def test_members_of_a_group_work_on_the_same_files(pair: tuple[Site, Person, Person]) -> None:
    _site, one, two = pair
    assert write(one, "/shared/team/plan.txt", "by the first") == "written"
    assert read(two, "/shared/team/plan.txt") == "by the first"
    assert write(two, "/shared/team/plan.txt", "by the second") == "written", "a member changes what another made"
    assert read(one, "/shared/team/plan.txt") == "by the second"
    assert one.run("import os; print(os.stat('/shared/team/plan.txt').st_gid, os.getuid() == os.stat('/shared/team/plan.txt').st_uid)").strip() == "5000 True"


def test_course_data_is_read_and_not_written(pair: tuple[Site, Person, Person]) -> None:
    site, one, two = pair
    site.ssh("storage1", f"echo lesson > {site.values['hub_storage_export']}/shared/course/one.txt")
    assert [read(person, "/shared/course/one.txt") for person in (one, two)] == ["lesson", "lesson"]
    assert write(one, "/shared/course/one.txt", "changed") == "Read-only file system"
    assert write(two, "/shared/course/two.txt", "new") == "Read-only file system"
