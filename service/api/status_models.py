"""What goes over the wire about the service itself: how far it is, whether it works, and what went wrong."""

from typing import Literal

from service.api.models import Answer


class ChainStatus(Answer):
    """How far one chain is."""

    chain: str
    alias: str
    indexed_height: int
    tip_height: int | None
    lag_s: int
    stale: bool
    history_from_height: int
    generation: str
    block_hash: str
    labels: str
    lists: dict[str, str]


class StatusAnswer(Answer):
    """What this service can answer right now."""

    software: str
    ready: bool
    chains: list[ChainStatus]
    policies: list[str]
    retention_years: int


class Health(Answer):
    """Alive, or ready."""

    status: Literal["ok"]


class SelfTestCase(Answer):
    """One positive control."""

    name: str
    passed: bool
    detail: str


class SelfTest(Answer):
    """Synthetic positive controls through the deciding code."""

    passed: bool
    cases: list[SelfTestCase]


class Fault(Answer):
    """One field that is wrong."""

    pointer: str
    code: str
    detail: str


class Problem(Answer):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    errors: list[Fault]
