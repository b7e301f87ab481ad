"""Reading pages: what a browser without scripts would see and send."""

from __future__ import annotations

import pytest
from site_verify.forms import parse_page

LOGIN = """<!doctype html><html><head><title>Log in - Custos</title><style>#error{}</style></head><body>
<nav>menu</nav><form method="post" action="/login?s=1&amp;t=2">
<input type=hidden name=csrf value="a&amp;b"><label>Name <input name="username" value=""></label>
<input type="password" name="password"><input type="submit" name="go" value="Log in"><p id="error">Wrong <b>name</b> or password</p>
</form></body></html>"""

OPTIONS = """<form id="spawn_form" action="/hub/spawn/alice?_xsrf=x" method="POST" enctype="multipart/form-data">
<input type="radio" name="profile" value="small" checked><input type="radio" name="profile" value="large">
<select name="image"><option value="a">A<option value="b" selected>B</select><select name="zone"><option value="one"><option value="two"></select>
<input type="checkbox" name="gpu" value="1"><input type="text" name="note" value="n" disabled><textarea name="text">some words</textarea>
<button name="ok" value="1">Start</button></form>"""


def test_a_login_form_is_read_as_it_would_be_sent() -> None:
    page = parse_page("https://sso.example/realms/x", LOGIN)
    form = page.login_form()
    assert form is not None
    assert page.title == "Log in - Custos"
    assert form.action == "https://sso.example/login?s=1&t=2"
    assert (form.method, form.text_fields, form.password_fields) == ("post", ["username"], ["password"])
    assert form.filled(username="alice", password="p") == [("csrf", "a&b"), ("username", "alice"), ("password", "p")]
    assert page.text_by_id["error"] == "Wrong name or password"
    assert "menu" not in page.text


def test_options_have_the_defaults_that_the_page_shows() -> None:
    form = parse_page("https://hub.example/hub/spawn/alice", OPTIONS).form("spawn_form")
    assert form is not None
    assert form.method == "post"
    assert form.fields == [("profile", "small"), ("image", "b"), ("zone", "one"), ("text", "some words")]
    assert ("profile", "large") in form.filled(profile="large")
    assert ("profile", "small") not in form.filled(profile="large")


@pytest.mark.parametrize("html", ["", "plain text", "<form", "</form></div>", "<form><input name=a", '{"json": true}', "<p><b>unclosed"])
def test_what_is_no_page_has_no_login_form(html: str) -> None:
    assert parse_page("https://hub.example/", html).login_form() is None


def test_links_are_made_absolute() -> None:
    page = parse_page("https://hub.example/hub/login", '<a href="/hub/oauth_login?next=x">Sign in</a><a>no address</a>')
    assert page.link("/oauth_login") == "https://hub.example/hub/oauth_login?next=x"
    assert page.link("nowhere") is None
