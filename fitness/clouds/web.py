"""HTTP to one cloud: time-outs, a circuit breaker, reads that are repeated, and answers sorted by what they mean."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import stamina

from config.core.breaker import Breaker, CircuitOpen
from config.core.json import UnreadableJSON, load_json
from config.core.metrics import CLOUD_REQUESTS
from config.core.outgoing import answer_to, wait_asked_for
from fitness.clouds.base import CloudBusy, CloudError, CloudUnavailable, TokenRefused

Fields = Mapping[str, Any]

ATTEMPTS = 3


class CloudAnswer(CloudError):
    """An answer of the 400s. ``body``: the fields of the answer, which a provider knows how to read."""

    def __init__(self, message: str, status: int, body: Fields) -> None:
        self.status = status
        self.body = body
        super().__init__(message)


class CloudWeb:
    """``name`` is the provider's, ``title`` what people know it by."""

    def __init__(self, *, name: str, title: str, breaker: Breaker, timeout_seconds: float) -> None:
        self._name = name
        self._title = title
        self._breaker = breaker
        self._timeout_seconds = timeout_seconds

    def get(self, url: str, *, params: Mapping[str, str], access: str) -> Fields:
        """Reading changes nothing there, so it is repeated. Raises CloudError; TokenRefused for a 401."""
        return self._repeated(lambda: self._read(url, params, access))

    def post(self, url: str, *, form: Mapping[str, str], repeat: bool = False) -> Fields:
        """``repeat``: whether a second time does no harm. Raises CloudError; CloudAnswer for what the provider says of
        the form."""
        return self._repeated(lambda: self._post(url, form), attempts=ATTEMPTS if repeat else 1)

    def _repeated(self, ask: Callable[[], Fields], attempts: int = ATTEMPTS) -> Fields:
        """What failed is asked again, a little later each time."""
        for attempt in stamina.retry_context(on=CloudUnavailable, attempts=attempts, wait_initial=0.2, wait_max=2.0):
            with attempt:
                return ask()
        raise AssertionError("every attempt returns or raises")

    def _post(self, url: str, form: Mapping[str, str]) -> Fields:
        with self._outcome():
            return self._send(httpx.Request("POST", url, data=dict(form)))

    def _read(self, url: str, params: Mapping[str, str], access: str) -> Fields:
        with self._outcome():
            try:
                headers = {"Authorization": f"Bearer {access}", "Accept": "application/json"}
                return self._send(httpx.Request("GET", url, params=dict(params), headers=headers))
            except CloudAnswer as answer:
                if answer.status == 401:
                    raise TokenRefused(f"{self._title} does not accept our access any more.") from None
                raise

    @contextmanager
    def _outcome(self) -> Iterator[None]:
        """Counts how it ended."""
        outcome = "ok"
        try:
            yield
        except CloudError as error:
            outcome = _OUTCOMES.get(type(error), "refused")
            raise
        finally:
            CLOUD_REQUESTS.labels(provider=self._name, outcome=outcome).inc()

    def _send(self, request: httpx.Request) -> Fields:
        try:
            with self._breaker.call(CloudUnavailable):
                answer = self._answered(request)
        except CircuitOpen as circuit:
            raise CloudBusy(f"{self._title} does not answer at the moment.", circuit.retry_after) from None
        if answer.status_code == 429:
            raise CloudBusy(f"{self._title} asks us to wait.", wait_asked_for(answer.headers))
        body = _fields(answer) or {}
        if answer.status_code >= 300:
            raise CloudAnswer(f"{self._title} refused our request ({answer.status_code}).", answer.status_code, body)
        return body

    def _answered(self, request: httpx.Request) -> httpx.Response:
        """Causes are cut off: they hold whole requests."""
        try:
            answer = answer_to(request, timeout_seconds=self._timeout_seconds)
        except httpx.TimeoutException:
            raise CloudUnavailable(f"{self._title} did not answer in time.") from None
        except httpx.HTTPError:
            raise CloudUnavailable(f"{self._title} could not be reached.") from None
        if answer.status_code >= 500:
            raise CloudUnavailable(f"{self._title} has trouble of its own ({answer.status_code}).")
        if answer.status_code < 300 and _fields(answer) is None:
            raise CloudUnavailable(f"{self._title} gave an answer that was cut off.")
        return answer


_OUTCOMES: Mapping[type[CloudError], str] = {CloudUnavailable: "unavailable", CloudBusy: "busy"}


def _fields(answer: httpx.Response) -> Fields | None:
    """None for what is no JSON object. An empty answer is an object without fields."""
    try:
        body = load_json(answer.content or b"{}")
    except UnreadableJSON:
        return None
    return body if isinstance(body, dict) else None
