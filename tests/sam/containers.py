"""The SAM CLI: builds the functions for this machine, and runs them in containers.

SAM_ARGS is what `sam local` is told besides, such as --skip-pull-image.
"""

import json
import os
import platform
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from tests.amazon import CREDENTIALS
from tests.sam.neighbours import AS_CONTAINERS_SEE_IT

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".venv-sam" / "bin" / "sam"
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
FOR_THIS_MACHINE = ["--parameter-overrides", f"Architecture={ARCHITECTURE}"]
# Containers get the variables that the template names, and no other.
NAMED, NAMED_TOO = "DATABASE_URL: ''", "AWS_ENDPOINT_URL: ''"
SERVES = re.compile(r"Running on (http://\S+)")

Variables = Mapping[str, str]


class NoContainers(Exception):
    """There is nothing to run containers with."""


def look_for_an_engine() -> None:
    """Says what is missing before anything has been built."""
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoContainers("docker is not installed") from None
    if asked.returncode:
        raise NoContainers(f"docker finds no engine: {asked.stderr.strip()}")


@dataclass(frozen=True)
class Built:
    """What has been built, and where."""

    directory: Path

    @classmethod
    def into(cls, directory: Path) -> "Built":
        """Builds beside what waits to be deployed, which may be for another machine."""
        _sam("build", "--build-dir", str(directory), *FOR_THIS_MACHINE)
        template = directory / "template.yaml"
        text, named = re.subn(
            f"^( *){re.escape(NAMED)}$", rf"\1{NAMED}\n\1{NAMED_TOO}", template.read_text(), flags=re.MULTILINE
        )
        assert 1 == named
        template.write_text(text)
        return cls(directory)

    def invoke(self, function: str, event: Any, variables: Variables) -> Any:
        """What a function answers, in a container of its own."""
        said = self.directory / "event.json"
        said.write_text(json.dumps(event))
        return json.loads(
            _sam("local", "invoke", function, "--event", str(said), *self._where(variables)).splitlines()[-1]
        )

    @contextmanager
    def api(self, variables: Variables) -> Iterator[str]:
        """The address of the API while the block lasts."""
        command = [str(SAM), "local", "start-api", "--port", str(_free_port()), "--warm-containers", "LAZY"]
        with subprocess.Popen(
            [*command, *self._where(variables)], cwd=ROOT, env=_environ(), stderr=subprocess.PIPE, text=True
        ) as serving:
            assert serving.stderr
            url = next(found[1] for line in serving.stderr if (found := SERVES.search(line)))
            saying = Thread(target=sys.stderr.writelines, args=(serving.stderr,), daemon=True)
            saying.start()
            try:
                yield url
            finally:
                serving.send_signal(signal.SIGINT)  # it takes its containers along
                saying.join()

    def _where(self, variables: Variables) -> list[str]:
        named = self.directory / "env.json"
        named.write_text(json.dumps({"Parameters": variables}))
        template = ["--template", str(self.directory / "template.yaml"), "--env-vars", str(named)]
        more = shlex.split(os.environ.get("SAM_ARGS", ""))
        return [*template, *FOR_THIS_MACHINE, *AS_CONTAINERS_SEE_IT, *more]


def _sam(*arguments: str) -> str:
    ran = subprocess.run([SAM, *arguments], cwd=ROOT, env=_environ(), capture_output=True, text=True, check=False)
    sys.stderr.write(ran.stderr)
    assert 0 == ran.returncode
    return ran.stdout


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def _environ() -> dict[str, str]:
    return {**os.environ, **CREDENTIALS, "ARCHITECTURE": ARCHITECTURE, "SAM_CLI_TELEMETRY": "0"}
