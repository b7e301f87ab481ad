"""What is verified: the steps of the quick and of the full level, in order."""

from __future__ import annotations

import json
import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from site_verify.errors import LoginRefusedError, VerifyError
from site_verify.hub import HubSession, Limits, Notebook, SpawnEvent
from site_verify.kernel import KernelChannel
from site_verify.steps import Step

# A named server is used instead of the default one when that already runs: nobody's work is stopped. Each run has its own.
SPARE_SERVER = "verify-{}"

# Prints, as JSON, who and where this kernel is: user id, home, what is mounted there, and every file below the usual
# roots whose name is `name` and that can be seen from here.
LOOK = """
import json, os
def find(name):
    found = []
    for root in ("/home", "/srv", "/mnt", "/media", "/tmp", "/data", "/var/lib", "/export"):
        for folder, names, files in os.walk(root, onerror=lambda error: None):
            found += [os.path.join(folder, each) for each in names + files if name in each]
    return found
home = os.path.realpath(os.path.expanduser("~"))
mounts = [line.split() for line in open("/proc/self/mounts")]
inside = [m for m in mounts if (home + "/").startswith(m[1].rstrip("/") + "/")]
best = max(inside, key=lambda m: len(m[1]))
print(json.dumps({"uid": os.getuid(), "home": home, "source": best[0], "type": best[2], "found": find(NAME)}))
"""


def load_users(path: Path) -> dict[str, str]:
    """Passwords by user name, from ``{"users": [{"username": .., "password": ..}]}``. Raises VerifyError."""
    try:
        users = json.loads(path.read_text())["users"]
        return {user["username"]: user["password"] for user in users}
    except OSError as error:
        raise VerifyError(f"the file of demo users cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise VerifyError(f'{path} is no file of demo users ({{"users": [{{"username": .., "password": ..}}]}}): {error!r}') from error


def choose_users(users: dict[str, str], names: list[str]) -> dict[str, str]:
    """The passwords of the named users. Raises VerifyError naming the first that is unknown."""
    for name in names:
        if name not in users:
            raise VerifyError(f"{name} is not among the demo users ({', '.join(sorted(users)) or 'there are none'})")
    return {name: users[name] for name in names}


@dataclass
class Person:
    """A user during a run: password, browser, and the server that this run started (None when it started none)."""

    username: str
    password: str
    session: HubSession
    server: str | None = None
    notebook: Notebook | None = None
    channel: KernelChannel | None = None

    def start(self) -> list[SpawnEvent]:
        """Starts a server: the default one, or a spare one when the default one is in use."""
        if self.server is None:
            self.server = SPARE_SERVER.format(secrets.token_hex(3)) if "" in self.session.servers() else ""
        events = self.session.spawn(self.server)
        self.forget()
        return events

    def forget(self) -> None:
        """Drops what belonged to a server that is gone."""
        if self.channel is not None:
            self.channel.connection.close()
        self.notebook = self.channel = None

    def page(self) -> Notebook:
        """The notebook page, opened once per start."""
        if self.server is None:
            raise VerifyError(f"{self.username} has no server")
        if self.notebook is None:
            self.notebook = self.session.notebook(self.server)
        return self.notebook

    def run(self, code: str) -> str:
        """Runs a cell in one kernel that lives as long as the server."""
        if self.channel is None:
            notebook = self.page()
            self.channel = notebook.channel(notebook.start_kernel())
        return self.channel.run(code, self.session.limits.cell_seconds)

    def stop(self) -> None:
        """Stops the server that this run started, if it is there."""
        if self.server is not None and self.session.whoami() and self.server in self.session.servers():
            self.session.stop(self.server)
        self.forget()


@dataclass
class Visit:
    """The context of the full level: two people, and the file that the first one writes."""

    url: str
    first: Person
    second: Person
    provider_name: str = "Custos"
    marker: str = field(default_factory=lambda: f"site-verify-{secrets.token_hex(6)}")
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    look: dict[str, object] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def by_kernel(self) -> str:
        """Name of the file that a cell writes."""
        return f"{self.marker}-kernel.txt"

    @property
    def by_page(self) -> str:
        """Name of the file that the page writes (contents API)."""
        return f"{self.marker}-page.txt"


def open_visit(url: str, tls: ssl.SSLContext | None, limits: Limits, users: dict[str, str], provider_name: str = "Custos") -> Visit:
    """A visit by the first two of ``users``."""
    first, second = [Person(name, password, HubSession(url, tls, limits)) for name, password in list(users.items())[:2]]
    return Visit(url=url, first=first, second=second, provider_name=provider_name)


def check_health(visit: Visit) -> str:
    """The hub answers, over TLS that the site's CA vouches for."""
    response = visit.first.session.client.get(f"{visit.url}/hub/health")
    if response.status_code != 200:
        raise VerifyError(f"{visit.url}/hub/health answered {response.status_code}: look at the logs of the hub and proxy pods")
    version = visit.first.session.fetch_json("GET", "/hub/api/").get("version", "?")
    return f"JupyterHub {version}"


def check_login_page(visit: Visit) -> str:
    """The hub's login leads to the provider's form."""
    page = visit.first.session.login_page()
    if visit.provider_name not in page.title:
        raise VerifyError(f"the login form's title is {page.title!r}; expected one of {visit.provider_name}")
    if visit.first.session.is_hub(page):
        raise VerifyError("the hub asks for the password itself instead of sending people to the provider")
    return page.title


def refuse_wrong_password(visit: Visit) -> str:
    """A wrong password is refused by the provider, and the hub lets nobody in."""
    with HubSession(visit.url, visit.first.session.tls, visit.first.session.limits) as stranger:
        try:
            stranger.login(visit.first.username, f"not-{visit.first.password}")
        except LoginRefusedError as refused:
            if stranger.whoami() is not None:
                raise VerifyError("the provider refused the password, yet the hub let the person in") from refused
            return str(refused)
    raise VerifyError(f"{visit.first.username} could log in with a wrong password")


def log_in_first(visit: Visit) -> str:
    """The first user logs in through the form."""
    visit.first.session.login(visit.first.username, visit.first.password)
    return visit.first.username


def start_first(visit: Visit) -> str:
    """The first user's server starts."""
    return describe_spawn(visit.first.start())


def describe_spawn(events: list[SpawnEvent]) -> str:
    """When the server was ready, and in how many lines the progress bar said so."""
    return f"ready after {events[-1].seconds:.1f} s, {len(events)} progress lines"


def open_lab(visit: Visit) -> str:
    """JupyterLab's page opens."""
    return visit.first.page().base


def run_cell(visit: Visit) -> str:
    """A cell runs; it computes something that only a kernel can know, and says where it is."""
    a, b = secrets.randbelow(10**6), secrets.randbelow(10**6)
    code = f"NAME = {visit.marker!r}\n{LOOK}\n{a} * {b}"
    look, product = visit.first.run(code).splitlines()[-2:]
    if product != str(a * b):
        raise VerifyError(f"the kernel says {a} * {b} = {product}")
    visit.look = json.loads(look)
    if visit.look["uid"] == 0:
        raise VerifyError("the notebook runs as root")
    return f"uid {visit.look['uid']}, {visit.look['home']} on {visit.look['type']} {visit.look['source']}"


def write_files(visit: Visit) -> str:
    """One file written by a cell and one by the page; each is read by the other way."""
    notebook = visit.first.page()
    visit.files = [visit.by_kernel, visit.by_page]
    visit.first.run(f"import os\nwith open(os.path.expanduser('~/{visit.by_kernel}'), 'w') as f:\n    f.write({visit.secret!r})\n    os.fsync(f.fileno())")
    notebook.write(visit.by_page, visit.secret[::-1])
    compare_files(visit)
    return f"{visit.by_kernel}, {visit.by_page}"


def compare_files(visit: Visit) -> None:
    """Both files hold what was written, whichever way they are read. Raises VerifyError."""
    notebook = visit.first.page()
    expected = {visit.by_kernel: visit.secret, visit.by_page: visit.secret[::-1]}
    seen = json.loads(visit.first.run(f"import json, pathlib\nprint(json.dumps([(pathlib.Path.home() / n).read_text() for n in {list(expected)!r}]))"))
    for (name, text), by_kernel in zip(expected.items(), seen):
        if by_kernel != text:
            raise VerifyError(f"a cell reads {by_kernel!r} in {name}, written was {text!r}")
        by_page = notebook.read(name)
        if by_page != text:
            raise VerifyError(f"the page reads {by_page!r} in {name}, written was {text!r}")


def stop_first(visit: Visit) -> str:
    """The first user's server stops and is gone."""
    server = visit.first.server or ""
    visit.first.stop()
    if server in visit.first.session.servers():
        raise VerifyError("the hub still lists the server")
    return ""


def read_back(visit: Visit) -> str:
    """After a new start the files are there, and the search that the second user will do finds them from here."""
    compare_files(visit)
    found = json.loads(visit.first.run(f"NAME = {visit.marker!r}\n{LOOK}").splitlines()[-1])["found"]
    if len(found) < len(visit.files):
        raise VerifyError(f"a search from {visit.first.username}'s own notebook finds only {found}")
    return "both files as written"


def log_in_second(visit: Visit) -> str:
    """The second user logs in and starts a server."""
    visit.second.session.login(visit.second.username, visit.second.password)
    return f"{visit.second.username}, {describe_spawn(visit.second.start())}"


def refuse_second(visit: Visit) -> str:
    """With the second user's cookies nothing of the first one's can be reached: page, files, kernels, hub API."""
    session, notebook = visit.second.session, visit.first.page()
    owner = visit.first.username
    notebook.read(visit.by_page)  # the owner can: so a refusal below is not for want of a server or a file
    seen = []
    theirs = [f"{notebook.base}/{path}" for path in ("lab", f"api/contents/{visit.by_page}", "api/kernels")]
    for path in [*theirs, f"/hub/api/users/{owner}", f"/hub/spawn/{owner}"]:
        response = session.client.get(f"{visit.url}{path}", headers={"Sec-Fetch-Mode": "navigate"}, follow_redirects=True)
        if response.status_code not in {403, 404}:
            raise VerifyError(f"{visit.second.username} got {response.status_code} for {path}, expected 403 or 404")
        if visit.secret[::-1] in response.text:
            raise VerifyError(f"{visit.second.username} can read the file of {owner} at {path}")
        seen.append(str(response.status_code))
    response = session.fetch("DELETE", f"/hub/api/users/{owner}/server")
    if response.status_code not in {403, 404}:
        raise VerifyError(f"{visit.second.username} got {response.status_code} when asking to stop the server of {owner}")
    return ", ".join([*seen, str(response.status_code)])


def look_from_second(visit: Visit) -> str:
    """From inside the second user's notebook: another home, and no trace of the first user's files."""
    look = json.loads(visit.second.run(f"NAME = {visit.marker!r}\n{LOOK}").splitlines()[-1])
    if look["found"]:
        raise VerifyError(f"{visit.second.username}'s notebook sees {', '.join(look['found'])}")
    if (look["source"], look["home"]) == (visit.look["source"], visit.look["home"]):
        raise VerifyError(f"both users have the same home: {look['home']} on {look['source']}")
    if look["uid"] == visit.look["uid"]:
        raise VerifyError(f"both users run as uid {look['uid']}")
    return f"uid {look['uid']}, home on {look['type']} {look['source']}"


def tidy(visit: Visit) -> str:
    """Removes the files and stops the servers that this run made. What was there before stays."""
    left = list(visit.files)
    if left and visit.first.server is not None and visit.first.server in visit.first.session.servers():
        for name in visit.files:
            visit.first.page().delete(name)
            left.remove(name)
    for person in (visit.first, visit.second):
        person.stop()
    if left:
        raise VerifyError(f"{visit.first.username}'s server is gone, so {' and '.join(left)} stay in that home: delete them there")
    return f"{len(visit.files)} files removed, servers stopped"


def log_out(visit: Visit) -> str:
    """Both log out; the hub and the provider have forgotten them: the next login asks for the password again."""
    for person in (visit.first, visit.second):
        person.session.logout()
        name = person.session.whoami()
        if name is not None:
            raise VerifyError(f"{name} logged out, but the hub still knows the browser")
        try:
            person.session.login_page()
        except VerifyError as error:
            raise VerifyError(f"{person.username} logged out of the hub, but the provider's session goes on: {error}") from error
    return "the login form is shown again"


HEALTH: list[Step[Visit]] = [
    Step("health", "hub answers over TLS", check_health),
    Step("login-page", "login leads to the provider", check_login_page),
]

QUICK = HEALTH

FULL: list[Step[Visit]] = [
    *HEALTH,
    Step("wrong-password", "wrong password is refused", refuse_wrong_password),
    Step("login", "log in", log_in_first),
    Step("spawn", "start a notebook server", start_first),
    Step("open", "open JupyterLab", open_lab),
    Step("cell", "run a cell (websocket)", run_cell),
    Step("write", "write files", write_files),
    Step("stop", "stop the server", stop_first),
    Step("start-again", "start it again", start_first),
    Step("read-back", "read the files back", read_back),
    Step("second-login", "second user logs in and starts", log_in_second),
    Step("second-refused", "second user is kept out", refuse_second),
    Step("second-inside", "second user's notebook sees nothing", look_from_second),
    Step("tidy", "remove files, stop servers", tidy, always=True),
    Step("logout", "log out, also at the provider", log_out),
]
