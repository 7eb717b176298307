"""Functions as Lambda runs them: processes that stay warm, more of them on demand, killed when their time is over."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import BoundedSemaphore, Condition, Thread
from typing import IO, Any
from uuid import uuid4

from penstock.local.template import Function

PACKAGES = Path(__file__).resolve().parents[2]
# An import takes a second; on a machine with too much to do, many.
INIT_SECONDS = 120
LAST_SECONDS = 5.0
# Who has just rung is about to be free, and a warm instance in a moment is sooner than a new one.
GROW_SECONDS = 0.2

Say = Callable[[str, str], object]


@dataclass(frozen=True)
class Answer:
    """What an invocation came to: what the handler answered, or an error as Lambda describes it."""

    payload: Any = None
    error: Mapping[str, Any] | None = None
    timed_out: bool = False


def failure(error_type: str, message: str, *, timed_out: bool = False) -> Answer:
    """An invocation of which nothing came."""
    return Answer(error={"errorType": error_type, "errorMessage": message}, timed_out=timed_out)


class Instance:
    """A process that serves one event at a time."""

    def __init__(self, function: Function, environ: Mapping[str, str], also: Sequence[str], say: Say) -> None:
        self.function = function
        self.line, theirs = Pipe()
        command = [sys.executable, "-P", "-m", "penstock.local.instance", str(theirs.fileno()), function.handler, *also]
        self.process = subprocess.Popen(  # noqa: S603 - our own module; the handler's name comes from our template
            command,
            env=_environment(function, environ),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is meant for the service, which ends its instances
        )
        theirs.close()
        self._log = Thread(target=self._read_lines, args=(self.process.stdout, say), daemon=True)
        self._log.start()
        self.broken: Answer | None = None
        self._is_ready = False

    def invoke(self, event: Any, seconds: float) -> Answer:
        """Serves an event; a process that did not come to an end of it in time is no more."""
        request_id = str(uuid4())
        if not self._is_ready and (refusal := self._become_ready(request_id)):
            return self._ended(refusal)
        try:
            self.line.send_bytes(json.dumps(self._request(event, request_id, seconds)).encode())
            if not self.line.poll(seconds):
                message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
                return self._ended(failure("Sandbox.Timedout", message, timed_out=True))
            return _read(self.line)
        except (EOFError, OSError):
            return self._ended(failure("Runtime.ExitError", self._epitaph(request_id)))

    def kill(self) -> None:
        """At once, as Lambda does."""
        self.process.kill()
        self.process.wait()
        self.line.close()
        self._log.join(LAST_SECONDS)

    def _become_ready(self, request_id: str) -> Answer | None:
        try:
            if not self.line.poll(INIT_SECONDS):
                return failure("Sandbox.Timedout", f"RequestId: {request_id} Error: Init took too long", timed_out=True)
            begun = _read(self.line)
        except (EOFError, OSError):
            return failure("Runtime.ExitError", self._epitaph(request_id))
        self._is_ready = begun.error is None
        return None if self._is_ready else begun

    def _request(self, event: Any, request_id: str, seconds: float) -> dict[str, Any]:
        about = {
            "aws_request_id": request_id,
            "function_name": self.function.name,
            "invoked_function_arn": self.function.arn,
            "memory_limit_in_mb": self.function.memory,
        }
        trace = f"Root=1-{secrets.token_hex(4)}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
        return {"event": event, "seconds": seconds, "context": about, "trace": trace}

    def _ended(self, answer: Answer) -> Answer:
        self.broken = answer
        self.kill()
        return answer

    def _epitaph(self, request_id: str) -> str:
        status = self.process.wait()
        how = f"signal: {-status}" if status < 0 else f"exit status {status}"
        return f"RequestId: {request_id} Error: Runtime exited with error: {how}"

    def _read_lines(self, out: IO[str] | None, say: Say) -> None:
        if out is None:
            return
        with out:
            for line in out:
                say(self.function.name, line.rstrip("\n"))


@dataclass
class Pool:
    """A function: as many instances as it needs at once, up to a bound, and each used again while it is warm."""

    function: Function
    environ: Mapping[str, str]
    say: Say
    most: int = 4
    also: Sequence[str] = ()
    _idle: list[Instance] = field(default_factory=list, init=False)
    _busy: set[Instance] = field(default_factory=set, init=False)
    _changed: Condition = field(default_factory=Condition, init=False)
    _is_closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._free = BoundedSemaphore(self.most)

    def invoke(self, event: Any) -> Answer:
        """What the function answers to an event."""
        if not self._free.acquire(timeout=self.function.timeout):
            return failure("TooManyRequestsException", "Rate Exceeded.", timed_out=True)
        try:
            instance = self._take()
            if instance is None:
                return failure("Sandbox.Closed", "the service ends")
            try:
                return instance.invoke(event, self.function.timeout)
            finally:
                self._give_back(instance)
        finally:
            self._free.release()

    def close(self, patience: float = LAST_SECONDS) -> None:
        """Lets what goes on come to its end for a while, and ends every instance."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy, patience)
            left = [*self._idle, *self._busy]
            self._idle.clear()
        for instance in left:
            instance.kill()

    def _take(self) -> Instance | None:
        with self._changed:
            if self._busy:
                self._changed.wait_for(lambda: self._idle or self._is_closed, GROW_SECONDS)
            if self._is_closed:
                return None
            instance = self._idle.pop() if self._idle else Instance(self.function, self.environ, self.also, self.say)
            self._busy.add(instance)
            return instance

    def _give_back(self, instance: Instance) -> None:
        with self._changed:
            self._busy.discard(instance)
            if not instance.broken:
                self._idle.append(instance)
            self._changed.notify_all()


def _read(line: Connection) -> Answer:
    said = json.loads(line.recv_bytes())
    return Answer(said.get("answer"), said.get("error"))


def _environment(function: Function, environ: Mapping[str, str]) -> dict[str, str]:
    path = [str(function.code), str(PACKAGES), environ.get("PYTHONPATH", "")]
    return {
        **environ,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "LAMBDA_TASK_ROOT": str(function.code),
        "_HANDLER": function.handler,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONUNBUFFERED": "1",
    }
