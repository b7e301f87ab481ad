"""A real browser: the login form, JupyterLab, a notebook with an executed cell."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from site_verify.scenario import Person

from tests.e2e.chromium import Tab, chromium, install
from tests.e2e.site import TOP, Site

pytestmark = pytest.mark.site

CONTROL = 2
NOTEBOOK = "welcome.ipynb"
TEXT = "# A notebook of your own\n\nYour files stay on your own network volume: close the browser, come back, and find them again."
CODE = """\
import matplotlib.pyplot as plt
import numpy as np

t = np.linspace(0, 12, 600)
fig, ax = plt.subplots(figsize=(8, 3))
for k in (1, 2, 3):
    ax.plot(t, np.exp(-t / (4 * k)) * np.cos(k * t), label=f"mode {k}")
ax.set(xlabel="time [s]", ylabel="amplitude", title="Three damped modes")
ax.legend()
print(f"sum of squares: {np.square(np.cos(t)).sum():.6f}")"""
ANSWER = "sum of squares: "
TAKEN = r"/\[(\*|[0-9]+)\]/.test(document.querySelector('.jp-CodeCell .jp-InputPrompt')?.textContent || '')"


def notebook_text() -> str:
    """A notebook with a text cell and one unexecuted code cell."""
    cells = [
        {"cell_type": "markdown", "id": "text", "metadata": {}, "source": TEXT},
        {"cell_type": "code", "id": "code", "metadata": {}, "source": CODE, "execution_count": None, "outputs": []},
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5})


def log_in(tab: Tab, url: str, person: Person) -> None:
    """Logs in through the hub's page and the provider's form."""
    tab.go(url)
    tab.wait("document.readyState == 'complete' && !!document.querySelector('a[href*=oauth_login], input[type=password]')")
    if tab.value("!document.querySelector('input[type=password]')"):
        tab.click("a[href*=oauth_login]")
    tab.fill("input[name=username]", person.username)
    tab.fill("input[name=password]", person.password)
    tab.press("Enter", 13)
    tab.wait(f"document.location.href.startsWith({url!r}) && document.readyState == 'complete'")


def use_notebook(url: str, ca_file: Path, person: Person, picture: Path | None) -> str:
    """Logs in with Chromium, opens a notebook on a server that runs, executes its cell with the keyboard; returns the cell's printed text."""
    page = person.page()
    page.write(NOTEBOOK, notebook_text())
    with chromium(ca_file) as tab:
        log_in(tab, url, person)
        tab.go(f"{url}{page.base}/lab/tree/{NOTEBOOK}?reset")
        tab.wait("document.querySelectorAll('.jp-Notebook .jp-CodeCell').length == 1 && !document.querySelector('#jupyterlab-splash')", 90)
        # The kernel is ready when the notebook's toolbar says so.
        tab.wait("/idle/i.test(document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status || '')", 60)
        # While the page is still being laid out a click or a key is lost: again until the cell's prompt shows that it was taken.
        deadline = time.monotonic() + 60
        # (A prompt that is not painted yet is empty, so the wait is for a number or a star, not for the end of '[ ]:'.)
        while not tab.value(TAKEN) and time.monotonic() < deadline:
            tab.click(".jp-CodeCell .jp-InputArea-editor .cm-content")
            time.sleep(1)
            if tab.value("!!document.querySelector('.jp-CodeCell.jp-mod-active')"):
                tab.press("Enter", 13, modifiers=CONTROL)
                time.sleep(2)
        tab.wait("!!document.querySelector('.jp-CodeCell .jp-OutputArea-output img')", 90)
        printed = str(tab.wait("document.querySelector('.jp-CodeCell .jp-RenderedText')?.innerText"))
        if picture:
            tab.wait("document.querySelector('.jp-OutputArea-output img').complete")
            tab.value("document.querySelectorAll('[class*=close-button]').forEach(each => each.click())")  # notices in the corner
            time.sleep(1)
            tab.screenshot(picture)
    page.delete(NOTEBOOK)
    return printed


def test_a_person_uses_a_notebook_in_chromium(site: Site) -> None:
    """With SCREENSHOT=1 the picture of the README is taken."""
    install()
    person = site.person("alice")
    person.start()
    picture = TOP / "docs" / "images" / "notebook.png" if os.environ.get("SCREENSHOT") == "1" else None
    printed = use_notebook(site.values["hub_url"], Path(site.values["hub_ca_certificate"]), person, picture)
    assert printed.startswith(ANSWER)
