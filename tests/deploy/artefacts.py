"""What is deployed, built for this machine by the makefile that `sam build` calls, and what Lambda's runtime has besides."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.functions.emulator import ARCHITECTURE, ROOT, Code

FUNCTIONS = ("Api", "Worker", "Drain", "Sweep", "Retention", "Migrate")
LAYERS = ("SharedLayer", "MigrationsLayer")
# Lambda's own Python has these, in its own versions; here they are the pinned ones.
RUNTIME = {
    "awslambdaric", "boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "simplejson", "six", "snapshot-restore-py",
    "urllib3",
}  # fmt: skip
PIN = re.compile(r"^([a-z0-9-]+)==(?:.*\\\n)*.*\n", re.MULTILINE)


@dataclass(frozen=True)
class Artefacts:
    """A folder for each function and layer."""

    directory: Path
    python: str

    @classmethod
    def into(cls, directory: Path) -> "Artefacts":
        """Builds all of them."""
        made = cls(directory, _make("which-python").strip())
        for name in (*LAYERS, *(f"{function}Function" for function in FUNCTIONS)):
            _make(f"build-{name}", f"ARTIFACTS_DIR={directory / name}")
        made._add_runtime()
        return made

    def layer(self, name: str) -> Path:
        return self.directory / name

    def function(self, name: str) -> Path:
        return self.directory / f"{name}Function"

    def code(self, function: str) -> Code:
        """A function as Lambda runs it: with its layers, of which only one has the revisions."""
        layers = LAYERS if function == "Migrate" else LAYERS[:1]
        besides = [self.layer(layer) / "python" for layer in layers]
        return Code(self.python, self.function(function), (*besides, self.directory / "runtime"))

    def files(self) -> Iterator[Path]:
        """Every file that is deployed."""
        for name in (*LAYERS, *(f"{function}Function" for function in FUNCTIONS)):
            yield from (file for file in (self.directory / name).rglob("*") if file.is_file())

    def _add_runtime(self) -> None:
        pins = self.directory / "runtime.txt"
        found = {each[1]: each[0] for each in PIN.finditer((ROOT / "requirements" / "dev.txt").read_text())}
        pins.write_text("".join(found[name] for name in sorted(RUNTIME)))
        options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--disable-pip-version-check", "-qq"]
        _run(
            self.python, "-m", "pip", "install", *options, "--target", str(self.directory / "runtime"), "-r", str(pins)
        )


def _make(*arguments: str) -> str:
    return _run("make", "-s", "-f", "packaging/Makefile", f"ARCHITECTURE={ARCHITECTURE}", *arguments)


def _run(*command: str) -> str:
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.fail(ran.stderr, pytrace=False)
    return ran.stdout
