"""A million people with the names that trouble hubs, and what becomes of them. Run by the hub's own Python, which has KubeSpawner.

A person is their number: accounts differ, the names they ask for need not. Arguments: folder of the hub's files, how many people.
Prints people, different names, different slugs, slugs that Kubernetes would not take, refusals by reason.
"""

from __future__ import annotations

import functools
import gc
import json
import random
import sys
import unicodedata

sys.path.insert(0, sys.argv[1])
from hub_names import Account, NameRefusedError, settle
from kubespawner.slugs import is_valid_object_name, safe_slug

DOMAINS = ("example.org", "uni.example", "Lab.Uni.Example")
STRANGE = "ÀÉÎõüßøğİıſµΣςΩЖжЯאבمन한字ﬁﬀＡａ①²Åe\u0301\u0327🙂"  # noqa: RUF001  # that they look like others is the point
SIGNS = ".-_@+ '%~"


@functools.lru_cache(4)  # each name is asked about a few times in a row
def slug_of(name):
    return safe_slug(name, max_length=48)


def twins(prefix):
    """Two names with one slug: the 32 bits of its hash are found twice among some ten thousand names."""
    seen = {}
    for number in range(10**7):
        name = f"{prefix}{number}@example.org"
        other = seen.setdefault(slug_of(name), name)
        if other != name:
            return [other, name]
    raise AssertionError("no twins")


def names():
    rng = random.Random(20261124)  # noqa: S311  # the same people each time
    yield from twins("a-person-with-a-name-that-is-longer-than-what-a-slug-shows-")
    yield from (letter * length for letter in "aAé" for length in (47, 48, 49, 52, 53, 63, 64, 255))
    while True:
        kind, word = rng.random(), f"{rng.getrandbits(36):x}"
        if kind < 0.35:
            yield f"{word}.s@{DOMAINS[int(kind * 100) % 3]}"
        elif kind < 0.55:
            yield word[:5].upper() + word[5:] if kind < 0.5 else word[:6].title()
        elif kind < 0.75:
            yield word + STRANGE[int(kind * 10000) % len(STRANGE) :][:2]
        elif kind < 0.85:
            yield unicodedata.normalize(("NFC", "NFD", "NFKD")[int(kind * 1000) % 3], word[:5] + "éüñçåİ"[int(kind * 10000) % 6] + word[5:7])
        elif kind < 0.95:
            yield word[:7] + SIGNS[int(kind * 1000) % len(SIGNS)] + word[7:]
        else:
            yield (f"{word}-" * 9)[: (47, 48, 49, 62, 63, 64, 80)[int(kind * 1000) % 7]]


class Users:
    def __init__(self):
        self.names, self.owners, self.slugs = {}, {}, {}

    def name_of(self, account):
        return self.names.get(account)

    def exists(self, name):
        return name in self.owners

    def owner(self, name):
        return self.owners[name]

    def twin(self, name):
        other = self.slugs.get(slug_of(name), name)
        return None if other == name else other

    def add(self, account, name):
        self.names[account], self.owners[name], self.slugs[slug_of(name)] = name, account, name


def main(count):
    users, refused = Users(), {"taken": 0, "apart": 0, "other": 0}
    for number, claim in zip(range(count), names()):
        account = Account("i", str(number))
        try:
            name = settle(claim, account, users)
        except NameRefusedError as error:
            refused["taken" if "is taken" in str(error) else "apart" if "told apart" in str(error) else "other"] += 1
            continue
        assert name not in users.owners, f"{claim!r} gets {name!r}, which is somebody's"
        users.add(account, name)
        if number % 50 == 0:  # whoever comes again, under whatever name, gets the same
            assert settle(claim.title() + "x", account, users) == name == settle(claim, account, users)
    slugs = set(users.slugs)
    invalid = [slug for slug in slugs if not is_valid_object_name(f"jupyter-{slug}")]
    print(json.dumps([len(users.names), len(set(users.names.values())), len(slugs), len(invalid), refused]))


gc.disable()  # what is made here stays: looking for garbage is half of the time
main(int(sys.argv[2]))
