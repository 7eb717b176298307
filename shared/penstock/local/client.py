"""Speaks with a service over HTTP: as much as a command line and a sample need."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from penstock.domain.errors import PenstockError

PATIENCE_SECONDS = 60


class Unreachable(PenstockError):
    """Nobody answers, or not as Penstock would."""


class Refused(PenstockError):
    """The service refused, and said why."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        flaws = "; ".join(f"{each.get('pointer', '')} {each.get('detail', '')}".strip() for each in _flaws(problem))
        detail = problem.get("detail") or problem.get("title") or problem.get("message") or "no reason given"
        super().__init__(f"{status}: {detail}{f' ({flaws})' if flaws else ''}")
        self.status = status


@dataclass(frozen=True)
class Client:
    """A service at a URL."""

    url: str

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise Unreachable(f"{self.url} is not the URL of a service; write http://127.0.0.1:8000")

    def get(self, path: str) -> Any:
        """What is there."""
        return self._ask("GET", path)[0]

    def post(self, path: str, document: Any = None) -> Any:
        """What came of it."""
        return self._ask("POST", path, {} if document is None else document)[0]

    def items(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Every item of a list, page by page."""
        following: str | None = path
        while following:
            page, headers = self._ask("GET", following)
            yield from page["items"]
            link = headers.get("Link", "")
            following = link.partition("<")[2].partition(">")[0] if 'rel="next"' in link else None

    def _ask(self, method: str, path: str, document: Any = None) -> tuple[Any, Mapping[str, str]]:
        body = None if document is None else json.dumps(document).encode()
        headers = {"content-type": "application/json"} if body is not None else {}
        request = urllib.request.Request(urljoin(self.url, path), body, headers, method=method)  # noqa: S310 - checked above
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - as above
                return json.loads(answer.read() or b"null"), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, _document(error.read())) from None
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self.url} does not answer as Penstock would: {error}") from None


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    return document if isinstance(document, Mapping) else {}


def _flaws(problem: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    flaws = problem.get("errors")
    return [each for each in flaws if isinstance(each, Mapping)] if isinstance(flaws, list) else []
