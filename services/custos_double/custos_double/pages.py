"""The pages people see. Jinja2 escapes every value."""

from __future__ import annotations

from jinja2 import Environment

_ENVIRONMENT = Environment(autoescape=True)

_LAYOUT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} - Custos</title>
<style nonce="{{ style_nonce }}">
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText; }
main { box-sizing: border-box; width: min(24rem, 100vw); padding: 2rem; border: 1px solid GrayText; border-radius: .5rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
label { display: block; margin-top: 1rem; }
input { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; }
button { margin-top: 1.5rem; width: 100%; padding: .7rem; font: inherit; font-weight: 600; cursor: pointer; }
#error { margin-top: 1rem; padding: .6rem; border-left: .3rem solid #b00020; }
</style>
</head>
<body><main>
<h1>{{ title }}</h1>
"""

_LOGIN = _ENVIRONMENT.from_string(
    _LAYOUT
    + """<p>to continue to {{ client_name }}</p>
{% if error %}<p id="error" role="alert">{{ error }}</p>{% endif %}
<form method="post" action="{{ action }}">
<label for="username">Username</label>
<input id="username" name="username" value="{{ username }}" autocomplete="username" autocapitalize="none" spellcheck="false" required
 {% if not username %}autofocus{% endif %}{% if error %} aria-invalid="true" aria-describedby="error"{% endif %}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 {% if username %}autofocus{% endif %}{% if error %} aria-invalid="true" aria-describedby="error"{% endif %}>
<input type="hidden" name="request" value="{{ request }}">
<button type="submit">Sign in</button>
</form>
</main></body></html>
"""
)

_LOGOUT = _ENVIRONMENT.from_string(
    _LAYOUT
    + """<p>Do you want to sign out?</p>
<form method="post" action="{{ action }}">
<input type="hidden" name="request" value="{{ request }}">
<button type="submit">Sign out</button>
</form>
</main></body></html>
"""
)

_MESSAGE = _ENVIRONMENT.from_string(
    _LAYOUT
    + """<p id="{{ 'error' if is_error else 'message' }}"{% if is_error %} role="alert"{% endif %}>{{ message }}</p>
</main></body></html>
"""
)


def login(style_nonce: str, *, action: str, request: str, client_name: str, username: str = "", error: str = "") -> str:
    values = {"action": action, "request": request, "client_name": client_name, "username": username, "error": error}
    return _LOGIN.render(title="Sign in", style_nonce=style_nonce, **values)


def logout(style_nonce: str, *, action: str, request: str) -> str:
    return _LOGOUT.render(title="Sign out", style_nonce=style_nonce, action=action, request=request)


def message(style_nonce: str, *, title: str, text: str, is_error: bool) -> str:
    return _MESSAGE.render(title=title, style_nonce=style_nonce, message=text, is_error=is_error)
