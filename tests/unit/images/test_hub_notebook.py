"""The start of a user's server (images/notebook): what it replaces while the server is imported, and that it puts everything back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FILES = Path(__file__).resolve().parents[3] / "images" / "notebook" / "files" / "opt" / "venv" / "lib" / "python3.13" / "site-packages"
# A jupyterhub that looks at what it gets, as the real one does at import.
FAKES = {
    "jupyterhub/__init__.py": "",
    "jupyterhub/orm.py": "import sqlalchemy.engine\n",
    "jupyterhub/handlers/__init__.py": "raise RuntimeError('the hub is loaded')\n",
    "jupyterhub/singleuser/__init__.py": "",
    "jupyterhub/singleuser/extension.py": """
from sqlalchemy.exc import SQLAlchemyError
from jupyterhub.handlers.pages import HealthCheckHandler
from jupyterhub import orm
import gc
try:
    import rfc3987_syntax
    optional = True
except ImportError:
    optional = False
try:
    raise KeyError
except SQLAlchemyError:
    caught = True
except KeyError:
    caught = False
seen = [optional, caught, isinstance(object(), HealthCheckHandler), gc.isenabled()]
def main():
    pass
""",
    "rfc3987_syntax.py": "value = 1\n",
    "sqlalchemy/__init__.py": "real = True\n",
    "sqlalchemy/exc.py": "class SQLAlchemyError(Exception):\n    real = True\n",
    "sqlalchemy/engine.py": "raise RuntimeError('the database layer is loaded')\n",
}
SCRIPT = """
import gc, json, sys
import hub_notebook
server = hub_notebook.import_server()
import rfc3987_syntax, sqlalchemy, sqlalchemy.exc
left = [name for name, module in sys.modules.items() if module is None or isinstance(module, hub_notebook.StandIn)]
print(json.dumps([server.seen, left, sqlalchemy.real, sqlalchemy.exc.SQLAlchemyError.real, rfc3987_syntax.value, gc.isenabled()]))
"""


def run(tmp_path: Path, script: str) -> Any:
    for name, text in FAKES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": f"{FILES}:{tmp_path}"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_hub_is_not_loaded_and_everything_is_real_afterwards(tmp_path: Path) -> None:
    seen, left, *rest = run(tmp_path, SCRIPT)
    assert seen == [False, False, False, False]
    assert left == []
    assert rest == [True, True, 1, True]


def test_what_was_loaded_before_stays(tmp_path: Path) -> None:
    script = "import sqlalchemy.exc as before\n" + SCRIPT.replace("left, sqlalchemy.real", "left, sqlalchemy.exc is before")
    _seen, left, same, *_rest = run(tmp_path, script)
    assert left == []
    assert same is True


def test_calls_have_room_for_their_frames(tmp_path: Path) -> None:
    assert run(tmp_path, "import hub_notebook, json; print(json.dumps(hub_notebook.main.__code__.co_stacksize * 8))") > 512 * 1024
