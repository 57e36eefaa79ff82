"""Stripe on this machine: the endpoints that we use, as its documentation describes them.

Which parameters there are is read from ``stripe.params``, which Stripe generates from its published specification:
a parameter that our code makes up is refused here as it would be there. What an endpoint asks for beyond that, and its
errors, are from https://docs.stripe.com/api and https://docs.stripe.com/error-codes.
"""

import hashlib
import hmac
import json
import re
import threading
import time
import types
import typing
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import typing_extensions
from stripe import RequestOptions
from stripe.params import (
    AccountCreateParams,
    AccountLinkCreateParams,
    AccountRetrieveParams,
    RefundCreateParams,
    RefundListParams,
    TransferCreateParams,
    TransferListParams,
)
from stripe.params.checkout._session_create_params import SessionCreateParams
from stripe.params.checkout._session_expire_params import SessionExpireParams
from stripe.params.checkout._session_retrieve_params import SessionRetrieveParams

Object = dict[str, Any]

HALF_AN_HOUR, A_DAY = 30 * 60, 24 * 60 * 60


class Problem(Exception):
    """An answer that is an error: https://docs.stripe.com/api/errors."""

    def __init__(self, message: str, code: str = "", *, param: str = "", status: int = 400, kept: bool = True) -> None:
        kind = {401: "invalid_request_error", 429: "rate_limit_error", 409: "idempotency_error"}.get(status)
        kind = kind or ("api_error" if status >= 500 else "invalid_request_error")
        self.status, self.kept = status, kept
        said = {"type": kind, "message": message, "code": code, "param": param}
        self.error = {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next request, after it was ``done`` or before."""

    how: Literal["answer", "hang", "close"]
    done: bool = False
    status: int = 500
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = 5.0  # of a hang


# Parameters, as the specification has them.


@cache
def hints(params: type) -> dict[str, Any]:
    """The annotations of a generated TypedDict, without the options that its base class brings along."""
    own = {name: hint for name, hint in params.__annotations__.items() if name not in RequestOptions.__annotations__}
    holder = type("Hints", (), {"__annotations__": own, "__module__": params.__module__})
    return typing.get_type_hints(holder, include_extras=True)


def _required(hint: Any) -> bool:
    return typing.get_origin(hint) not in {typing.NotRequired, typing_extensions.NotRequired}


def _alternatives(hint: Any) -> list[Any]:
    origin = typing.get_origin(hint)
    if origin in {typing.NotRequired, typing_extensions.NotRequired, typing.Required}:
        return _alternatives(typing.get_args(hint)[0])
    if origin in {typing.Union, types.UnionType}:
        return [one for part in typing.get_args(hint) for one in _alternatives(part)]
    return [hint]


def check_params(given: Object, params: type, where: str = "") -> None:
    """Raises Problem as Stripe would, for what is not known, missing or of another type, however deep."""
    known = hints(params)
    for name, value in given.items():
        path = f"{where}[{name}]" if where else name
        if name not in known:
            raise Problem(f"Received unknown parameter: {path}", "parameter_unknown", param=path, kept=False)
        _check_value(value, known[name], path)
    for name, hint in known.items():
        if _required(hint) and name not in given:
            missing(f"{where}[{name}]" if where else name)


def missing(path: str) -> typing.NoReturn:
    raise Problem(f"Missing required param: {path}.", "parameter_missing", param=path, kept=False)


def _check_value(value: Any, hint: Any, path: str) -> None:
    options = _alternatives(hint)
    if isinstance(value, dict):
        return _check_hash(value, options, path)
    if not any(_fits(value, option) for option in options):
        raise Problem(f"Invalid value for {path}: {value}", "parameter_invalid", param=path, kept=False)
    return None


def _check_hash(value: Object, options: list[Any], path: str) -> None:
    for option in options:
        if typing_extensions.is_typeddict(option):
            return check_params(value, option, path)
        if typing.get_origin(option) is list and set(value) == {str(index) for index in range(len(value))}:
            for index, one in value.items():
                _check_value(one, typing.get_args(option)[0], f"{path}[{index}]")
            return None
        if typing.get_origin(option) is dict and all(isinstance(one, str) for one in value.values()):
            return None
    raise Problem(f"Invalid value for {path}", "parameter_invalid", param=path, kept=False)


def _fits(value: str, option: Any) -> bool:
    if option is int:
        return re.fullmatch(r"-?\d+", value) is not None
    if option is bool:
        return value in {"true", "false"}
    if typing.get_origin(option) is Literal:
        return value in typing.get_args(option)
    return option is str


def decode(form: str) -> Object:
    """``a[b][0][c]=1`` → ``{"a": {"b": {"0": {"c": "1"}}}}``"""
    result: Object = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        *way, last = name.replace("]", "").split("[")
        place = result
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    return result


# What Stripe keeps, and does.


class Stripe:
    """One account at Stripe with its connected accounts. What is not asked over HTTP (a customer pays, somebody uses
    the dashboard) is a method."""

    def __init__(self) -> None:
        self.url = ""
        self.secret_key = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
        self.webhook_secret = "whsec_of_this_endpoint"
        self.balance = {"eur": 1_000_000, "usd": 1_000_000}
        self.refund_status = "succeeded"
        self.sessions: dict[str, Object] = {}
        self.transfers: dict[str, Object] = {}
        self.refunds: dict[str, Object] = {}
        self.accounts: dict[str, Object] = {}
        self.intents: dict[str, Object] = {}
        self.faults: deque[Fault] = deque()
        self.asked: list[tuple[str, str]] = []
        self.let_go = threading.Event()
        self._lock = threading.RLock()
        self._remembered: dict[str, tuple[object, int, Object]] = {}
        self._numbers = count(1)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):06}"

    def forget_keys(self) -> None:
        """A day has passed: https://docs.stripe.com/api/idempotent_requests."""
        self._remembered.clear()

    # The customer, the winner, the dashboard.

    def pay(self, session_id: str, *, status: str = "succeeded") -> str:
        """The customer is done: paid at once, or by a debit (``processing``) that may fail
        (``requires_payment_method``). The PaymentIntent."""
        session = self.sessions[session_id]
        intent = self.intents.setdefault(
            session["payment_intent"] or self.new_id("pi"),
            {"object": "payment_intent", "amount": session["amount_total"], "currency": session["currency"]},
        )
        intent_id = next(name for name, one in self.intents.items() if one is intent)
        intent |= {"id": intent_id, "status": status}
        paid = "paid" if status == "succeeded" else "unpaid"
        session |= {"status": "complete", "payment_status": paid, "payment_intent": intent_id, "url": None}
        return intent_id

    def expire(self, session_id: str) -> None:
        self.sessions[session_id] |= {"status": "expired", "url": None}

    def onboard(self, account_id: str) -> None:
        self.accounts[account_id]["capabilities"]["transfers"] = "active"

    def connected_account(self) -> str:
        account = self.create_account({"type": "express"})
        self.onboard(account["id"])
        return str(account["id"])

    def reverse(self, transfer_id: str, amount: int | None = None) -> None:
        """https://docs.stripe.com/api/transfer_reversals/create: ``reversed`` only says that all of it was."""
        transfer = self.transfers[transfer_id]
        transfer["amount_reversed"] += transfer["amount"] - transfer["amount_reversed"] if amount is None else amount
        transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]

    def webhook(
        self, kind: str, thing: Any, *, secret: str = "", at: float | None = None, **more: Any
    ) -> tuple[bytes, dict[str, str]]:
        event = {"id": self.new_id("evt"), "object": "event", "type": kind, "data": {"object": thing}, **more}
        body = json.dumps(event, indent=2).encode()
        return body, sign(body, secret or self.webhook_secret, at)

    # Endpoints.

    def answer(self, method: str, path: str, form: Object, headers: Mapping[str, str]) -> tuple[int, Object, bool]:
        """The status, the body, and whether it was given before under the same Idempotency-Key."""
        with self._lock:
            self.asked.append((method, path))
            try:
                if headers.get("Authorization") != f"Bearer {self.secret_key}":
                    raise Problem("Invalid API Key provided: sk_test_********************p7dc", status=401)
                key = headers.get("Idempotency-Key", "") if method == "POST" else ""
                return self._once(key, method, path, form)
            except Problem as problem:
                return problem.status, {"error": problem.error}, False

    def _once(self, key: str, method: str, path: str, form: Object) -> tuple[int, Object, bool]:
        """The first answer again, be it an error; refused when anything but the key is different. What fails validation
        is not kept."""
        request = (method, path, form)
        if key in self._remembered:
            first, status, body = self._remembered[key]
            if first == request:
                return status, body, True
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            return 400, {"error": {"type": "idempotency_error", "message": message}}, False
        try:
            status, body = 200, self._do(method, path, form)
        except Problem as problem:
            status, body = problem.status, {"error": problem.error}
            key = key if problem.kept else ""
        if key:
            self._remembered[key] = request, status, json.loads(json.dumps(body))
        return status, body, False

    def remember(self, headers: Mapping[str, str], method: str, path: str, form: Object, fault: Fault) -> None:
        """A 500 is kept under its key as well."""
        if (key := headers.get("Idempotency-Key", "")) and fault.status >= 500:
            self._remembered[key] = (method, path, form), fault.status, {"error": self.problem_of(fault).error}

    @staticmethod
    def problem_of(fault: Fault) -> Problem:
        return Problem("Sorry.", fault.code, status=fault.status)

    def _do(self, method: str, path: str, form: Object) -> Object:
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["checkout", "sessions"]:
                return self.create_session(form)
            case "GET", ["checkout", "sessions", session_id]:
                return self.show_session(session_id, form)
            case "POST", ["checkout", "sessions", session_id, "expire"]:
                return self.expire_session(session_id, form)
            case "POST", ["transfers"]:
                return self.create_transfer(form)
            case "GET", ["transfers"]:
                check_params(form, TransferListParams)
                return page("/v1/transfers", self.transfers, form, ("transfer_group", "destination"))
            case "POST", ["refunds"]:
                return self.create_refund(form)
            case "GET", ["refunds"]:
                check_params(form, RefundListParams)
                return page("/v1/refunds", self.refunds, form, ("payment_intent",))
            case "POST", ["accounts"]:
                return self.create_account(form)
            case "GET", ["accounts", account_id]:
                check_params(form, AccountRetrieveParams)
                return known(self.accounts, account_id, "account")
            case "POST", ["account_links"]:
                return self.create_account_link(form)
        raise Problem(f"Unrecognized request URL ({method}: {path}).", status=404, kept=False)

    def create_session(self, form: Object) -> Object:
        check_params(form, SessionCreateParams)
        for name in ("mode", "success_url", "line_items"):
            if name not in form:
                missing(name)
        amount, currency = sum_of(form["line_items"])
        now = int(time.time())
        expires_at = int(form.get("expires_at", now + A_DAY))
        if expires_at < now + HALF_AN_HOUR - 5:
            raise Problem(
                "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
                param="expires_at",
            )
        if expires_at > now + A_DAY + 5:
            raise Problem(
                "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
                param="expires_at",
            )
        session_id = self.new_id("cs_test")
        self.sessions[session_id] = {
            "id": session_id,
            "object": "checkout.session",
            "amount_total": amount,
            "currency": currency,
            "client_reference_id": form.get("client_reference_id"),
            "metadata": form.get("metadata", {}),
            "expires_at": expires_at,
            "mode": form["mode"],
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "url": f"https://checkout.stripe.com/c/pay/{session_id}",
        }
        return self.sessions[session_id]

    def show_session(self, session_id: str, form: Object) -> Object:
        check_params(form, SessionRetrieveParams)
        session = known(self.sessions, session_id, "checkout.session")
        expand = "payment_intent" in form.get("expand", {}).values()
        return (
            {**session, "payment_intent": self.intents[session["payment_intent"]]}
            if (expand and session["payment_intent"])
            else session
        )

    def expire_session(self, session_id: str, form: Object) -> Object:
        check_params(form, SessionExpireParams)
        session = known(self.sessions, session_id, "checkout.session")
        if session["status"] != "open":
            raise Problem(
                'Only Checkout Sessions with a status in ["open"] can be expired. '
                f"This Checkout Session has a status of `{session['status']}`."
            )
        self.expire(session_id)
        return session

    def create_transfer(self, form: Object) -> Object:
        check_params(form, TransferCreateParams)
        if "amount" not in form:
            missing("amount")
        amount, currency = amount_of(form["amount"], form["currency"]), form["currency"]
        account = self.accounts.get(form["destination"])
        if account is None:
            raise Problem(
                f"No such destination: '{form['destination']}'", "resource_missing", param="destination", kept=False
            )
        if account["capabilities"]["transfers"] != "active":
            raise Problem(
                "Your destination account needs to have at least one of the following capabilities enabled: "
                "transfers, crypto_transfers, legacy_payments",
                "insufficient_capabilities_for_transfer",
            )
        if amount > self.balance.get(currency, 0):
            raise Problem("You have insufficient available funds in your Stripe account.", "balance_insufficient")
        self.balance[currency] -= amount
        transfer_id = self.new_id("tr")
        self.transfers[transfer_id] = {
            "id": transfer_id,
            "object": "transfer",
            "amount": amount,
            "amount_reversed": 0,
            "currency": currency,
            "destination": form["destination"],
            "metadata": form.get("metadata", {}),
            "reversed": False,
            "transfer_group": form.get("transfer_group"),
        }
        return self.transfers[transfer_id]

    def create_refund(self, form: Object) -> Object:
        check_params(form, RefundCreateParams)
        intent = known(self.intents, form.get("payment_intent") or missing("payment_intent"), "payment_intent")
        left = intent["amount"] - sum(
            one["amount"]
            for one in self.refunds.values()
            if one["payment_intent"] == intent["id"] and one["status"] not in {"failed", "canceled"}
        )
        if not left:
            raise Problem(f"Charge ch_of_{intent['id']} has already been refunded.", "charge_already_refunded")
        amount = amount_of(form.get("amount", str(left)), intent["currency"])
        if amount > left:
            raise Problem(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})")
        refund_id = self.new_id("re")
        self.refunds[refund_id] = {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "currency": intent["currency"],
            "metadata": form.get("metadata", {}),
            "payment_intent": intent["id"],
            "status": self.refund_status,
        }
        return self.refunds[refund_id]

    def create_account(self, form: Object) -> Object:
        check_params(form, AccountCreateParams)
        account_id = self.new_id("acct")
        self.accounts[account_id] = {
            "id": account_id,
            "object": "account",
            "type": form.get("type", "standard"),
            "email": form.get("email"),
            "capabilities": {"transfers": "inactive"},
            "metadata": form.get("metadata", {}),
        }
        return self.accounts[account_id]

    def create_account_link(self, form: Object) -> Object:
        check_params(form, AccountLinkCreateParams)
        known(self.accounts, form["account"], "account")
        now = int(time.time())
        url = f"https://connect.stripe.com/setup/e/{form['account']}/{next(self._numbers)}"
        return {"object": "account_link", "created": now, "expires_at": now + 300, "url": url}


def known(things: dict[str, Object], name: str, what: str) -> Object:
    if name not in things:
        raise Problem(f"No such {what}: '{name}'", "resource_missing", param="id", status=404)
    return things[name]


def amount_of(text: str, currency: str) -> int:
    """https://docs.stripe.com/currencies: at least one, in the shape that the currency's special case asks for."""
    amount = int(text)
    unit = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}.get(currency, 1)
    if amount < 1 or amount % unit or currency != currency.lower():
        raise Problem(f"Invalid amount: {text} {currency}", "parameter_invalid_integer", param="amount", kept=False)
    return amount


def sum_of(items: Object) -> tuple[int, str]:
    currency, total = "", 0
    for index, item in items.items():
        price = item.get("price_data") or missing(f"line_items[{index}][price]")
        if "quantity" not in item:
            missing(f"line_items[{index}][quantity]")
        for name in ("product_data", "unit_amount"):
            if name not in price:
                missing(f"line_items[{index}][price_data][{name}]")
        currency = price["currency"]
        total += int(item["quantity"]) * amount_of(price["unit_amount"], currency)
    return total, currency


def page(url: str, things: dict[str, Object], form: Object, filters: tuple[str, ...]) -> Object:
    """Newest first, https://docs.stripe.com/api/pagination."""
    wanted = {name: form[name] for name in filters if name in form}
    found = [one for one in reversed(things.values()) if all(one[name] == value for name, value in wanted.items())]
    if after := form.get("starting_after"):
        found = found[[one["id"] for one in found].index(after) + 1 :]
    limit = int(form.get("limit", "10"))
    if not 1 <= limit <= 100:
        raise Problem("Invalid limit", "parameter_invalid_integer", param="limit")
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": found[:limit]}


def sign(body: bytes, secret: str, at: float | None = None) -> dict[str, str]:
    """https://docs.stripe.com/webhooks/signature: the time, a full stop and the raw body."""
    moment = int(time.time() if at is None else at)
    signature = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={moment},v1={signature},v0={'0' * 64}"}


# HTTP.


def handler_of(stripe: Stripe) -> type[BaseHTTPRequestHandler]:
    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.serve(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self.serve(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def serve(self, text: str) -> None:
            path, form = urlsplit(self.path).path, decode(text)
            headers = {name.title(): value for name, value in self.headers.items()}
            fault = stripe.faults.popleft() if stripe.faults else None
            status, body, replayed = 0, Object(), False
            if fault is None or fault.done:
                status, body, replayed = stripe.answer(self.command, path, form, headers)
            if fault is None:
                extra = {"Idempotent-Replayed": "true"} if replayed else {}
                self.reply(status, json.dumps(body).encode(), extra)
            elif fault.how == "answer":
                stripe.remember(headers, self.command, path, form, fault)
                said = json.dumps({"error": stripe.problem_of(fault).error}).encode()
                self.reply(fault.status, said if fault.body is None else fault.body, fault.headers)
            elif fault.how == "hang":
                stripe.let_go.wait(fault.seconds)

        def reply(self, status: int, body: bytes, extra: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Request-Id": "req_1", **extra}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            with suppress(ConnectionError):  # who asked was killed
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Endpoint


@contextmanager
def running(stripe: Stripe | None = None) -> Iterator[Stripe]:
    stripe = stripe or Stripe()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(stripe)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        stripe.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield stripe
        finally:
            stripe.let_go.set()
            server.shutdown()
            thread.join()
