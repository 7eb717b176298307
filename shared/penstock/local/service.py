"""The service on one machine: gateway, queues, schedules and the functions that they wake, as template.yaml has them."""

import errno
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any

from penstock import wiring
from penstock.dal import executions, outbox
from penstock.dal.views import executions as standing
from penstock.domain import limits
from penstock.domain.errors import PenstockError
from penstock.domain.lifecycle import Status
from penstock.local import databases, queues, sqs, tour
from penstock.local.client import Client
from penstock.local.environment import environment
from penstock.local.gateway import Gateway
from penstock.local.lines import Lines
from penstock.local.runtime import Answer, Pool
from penstock.local.template import Function, Template, UnusableTemplate
from penstock.local.waking import Waking

SAMPLE = "penstock.local.sample"
MIGRATE = "migrate.app.handler"
ACTOR = "local"
MOST = 4


class CannotServe(PenstockError):
    """Something that the service needs is not to be had."""


@dataclass(frozen=True)
class Options:
    """What whoever starts it decides. *most*: how many of a function there may be at once."""

    environ: Mapping[str, str]
    template: Path
    port: int = 8000
    most: int = MOST
    sample: bool = True
    debug: bool = False


def serve(options: Options, lines: Lines) -> None:
    """From the start until somebody asks it to end."""
    stopped = Event()
    with (
        _until_asked_to_end(stopped),
        _gateway(options.port) as gateway,
        sqs.Server() as server,
        databases.of(options.environ, lines.say) as found,
    ):
        template = Template(options.template, server.url_of)
        with _functions(template, options, found.url, server.url, lines) as functions:
            lines.say(f"database {databases.shown(found.url)}")
            functions.migrate()
            take_up(found, template, lines)
            with _awake(template, functions, server, stopped, options.most):
                gateway.start(template.routes, functions.invoke)
                _welcome(gateway.url, options, lines, stopped)
                stopped.wait()
                gateway.shutdown()
            lines.say("ending")


@dataclass(frozen=True)
class Functions:
    """The functions of the template, each with its instances."""

    pools: Mapping[str, Pool]
    lines: Lines

    def invoke(self, name: str, event: Any) -> Answer:
        """What a function answers; if it does not, that is said."""
        answer = self.pools[name].invoke(event)
        if answer.error is not None:
            self.lines(name, f"ERROR: {answer.error['errorType']}: {_first_line(answer.error['errorMessage'])}")
        return answer

    def migrate(self) -> None:
        """Brings the database to where this code is, by the function that does so in a deployment."""
        pool = next((pool for pool in self.pools.values() if pool.function.handler == MIGRATE), None)
        if pool is None:
            raise UnusableTemplate(f"the template has no function with the handler {MIGRATE}")
        answer = pool.invoke({"command": "upgrade"})
        if answer.error is not None:
            raise CannotServe(f"the database cannot be used: {_first_line(answer.error['errorMessage'])}")
        if answer.payload["ahead"]:
            raise CannotServe(
                f"the database is ahead of this code: it is at revision {answer.payload['current']}, "
                f"and the last one known here is {answer.payload['head']}; use the newer code, or another database"
            )
        if answer.payload["from"] != answer.payload["head"]:
            self.lines.say(f"schema brought from {answer.payload['from'] or 'nothing'} to {answer.payload['head']}")

    def close(self) -> None:
        """Ends every instance, after what it is about to do."""
        closing = [_thread(pool.close) for pool in self.pools.values()]
        for thread in closing:
            thread.join()


def take_up(found: databases.Found, template: Template, lines: Lines) -> None:
    """What a service that was here before has left. Its queues are gone, so what they rang for is rung for again; its
    workers are, if nobody else can have any here, so what they held is free with the first sweep."""
    store = wiring.connect(found.url, actor=ACTOR)
    workers = [f"{source.function}/" for source in template.sources] if found.alone else []
    freed = sum(store.alone(executions.expire, workers=each) for each in workers)
    for queue in sorted(_mapped(template)):
        while store.alone(outbox.ring_again, queue=queue, limit=limits.BATCH) == limits.BATCH:
            pass
    with store.read() as tx:
        counts = standing.counts(tx, days=1)
    store.database.engine.dispose()
    held = counts[Status.CLAIMED] + counts[Status.RUNNING] - freed
    if freed:
        lines.say(f"what an earlier service was killed over goes on: {freed} executions")
    if held > 0:
        lines.say(
            f"{held} executions are in the hands of other workers, or of some that are gone: these go on as leases end"
        )


@contextmanager
def _functions(template: Template, options: Options, url: str, queues_url: str, lines: Lines) -> Iterator[Functions]:
    def pool(function: Function) -> Pool:
        also = [SAMPLE] if function.name in {source.function for source in template.sources} else []
        variables = environment(function, options.environ, database=url, queues=queues_url, debug=options.debug)
        say = lines.quietly if function.handler == MIGRATE else lines
        return Pool(function, variables, say, options.most, also)

    functions = Functions({name: pool(function) for name, function in template.functions.items()}, lines)
    try:
        yield functions
    finally:
        functions.close()


@contextmanager
def _awake(template: Template, functions: Functions, server: sqs.Server, stopped: Event, most: int) -> Iterator[None]:
    """Queues are worked through, and schedules tick."""
    lying = queues.all_of(template.queues)
    waking = Waking(functions.invoke, stopped)
    server.start(lying)
    for source in template.sources:
        for _ in range(min(most, source.concurrency or most)):
            _thread(waking.work_through, source, lying[source.queue])
    for tick in template.ticks:
        _thread(waking.tick, tick)
    try:
        yield
    finally:
        stopped.set()
        for queue in lying.values():
            queue.close()
        server.shutdown()


def _welcome(url: str, options: Options, lines: Lines, stopped: Event) -> None:
    if options.sample:
        try:
            taken = tour.take(Client(url), stopped)
        except PenstockError as error:
            if stopped.is_set():
                return
            raise CannotServe(f"the sample does not run: {error}") from None
        lines.say("")
        for line in (*taken.lines(), "", "try next:", *tour.suggestions(url, taken.pipeline["id"]), ""):
            lines.say(line)
    lines.say(f"Penstock serves {url} - Ctrl-C ends it")


@contextmanager
def _gateway(port: int) -> Iterator[Gateway]:
    try:
        gateway = Gateway(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(f"port {port} is taken; choose another one, such as PORT={port + 1}") from None
        raise CannotServe(f"cannot listen on port {port}: {error.strerror}") from None
    with gateway:
        yield gateway


@contextmanager
def _until_asked_to_end(stopped: Event) -> Iterator[None]:
    """Ctrl-C, or a friendly kill, ends it well; a second one at once."""

    def ask(number: int, _frame: FrameType | None) -> None:
        if stopped.is_set():
            signal.default_int_handler(number, None)
        stopped.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _mapped(template: Template) -> set[str]:
    """The queues of Penstock that the functions ring."""
    said = (function.environment.get("QUEUES") or "{}" for function in template.functions.values())
    return {queue for mapping in said for queue in json.loads(mapping)}


def _thread(run: Any, *args: Any) -> Thread:
    thread = Thread(target=run, args=args, daemon=True)
    thread.start()
    return thread


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
