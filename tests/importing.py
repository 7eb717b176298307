"""Fresh interpreters that import a function as Lambda does, and say what that brought in or how long it took."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FUNCTIONS = ("api", "worker", "drain", "sweep", "retention", "migrate")
ROOMS = os.pathsep.join(str(ROOT / room) for room in ("functions", "shared"))

# What came from where packages are installed, in the order in which it came.
BROUGHT = """
def installed(module):
    return "site-packages" in (getattr(getattr(module, "__spec__", None), "origin", None) or "")
before = set(sys.modules)
importlib.import_module(sys.argv[1])
print(json.dumps([name for name, module in sys.modules.items() if name not in before and installed(module)]))
"""
TOOK = """
begun = time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(time.perf_counter() - begun))
"""


def libraries(function: str) -> list[str]:
    """The modules of other people that the import of a function brings in."""
    modules: list[str] = _fresh(BROUGHT, [f"{function}.app"])
    return modules


def seconds(modules: Sequence[str]) -> float:
    """How long it takes to import these."""
    taken: float = _fresh(TOOK, modules)
    return taken


def _fresh(program: str, arguments: Sequence[str]) -> Any:
    """What a program prints in an interpreter that has imported nothing yet, and knows no setting."""
    script = f"import importlib, json, sys, time\n{program}"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": ROOMS}
    said = subprocess.run([sys.executable, "-c", script, *arguments], env=environ, capture_output=True, check=True)
    return json.loads(said.stdout)
