"""python -m custos_double --config FILE"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sqlite3
import sys
from pathlib import Path

from custos_double.app import serve
from custos_double.errors import ApiError, SettingsError
from custos_double.settings import load


def main() -> int:
    parser = argparse.ArgumentParser(prog="custos_double", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a JSON file; services/custos_double/README.md describes it")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    os.umask(0o077)
    try:
        asyncio.run(serve(load(arguments.config)))
    except (SettingsError, ApiError, sqlite3.Error) as error:
        print(f"custos_double: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
