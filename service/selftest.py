"""Synthetic positive controls: what must never pass is put through the deciding code, with every policy.

It proves that the rules that stand between a listed party and a payment work in this process, as it is
configured, and costs a millisecond; it says nothing about whether the labels are complete.
"""

from service.answers import Json
from service.desk import Desk
from service.policy import Finding, decide, evaluate
from service.rulebook import Policy

LISTED = Finding("ownership", "sanctioned_entity", 100, basis="listed_address", legal_status="listed")
IN_CLUSTER = Finding("ownership", "sanctioned_entity", 1, basis="cluster_of_listed_address", legal_status="listed")

CONTROLS: tuple[tuple[str, tuple[Finding, ...], bool, str], ...] = (
    ("a listed address is blocked", (LISTED,), True, "block"),
    ("the cluster of a listed address is blocked, however unsure", (IN_CLUSTER,), True, "block"),
    ("a block stands while the answer is incomplete", (LISTED,), False, "block"),
    ("an incomplete answer never allows", (), False, "indeterminate"),
)


def run(desk: Desk) -> Json:
    """Return every control under every policy, and whether all passed."""
    cases = [
        _case(policy, name, findings, complete, expected)
        for policy in desk.policies.values()
        for name, findings, complete, expected in CONTROLS
    ]
    return {"passed": all(case["passed"] for case in cases), "cases": cases}


def _case(policy: Policy, name: str, findings: tuple[Finding, ...], complete: bool, expected: str) -> Json:
    decision, reason = decide(evaluate(policy, findings), complete=complete)
    return {
        "name": f"{policy.name}: {name}",
        "passed": decision == expected,
        "detail": f"decided {decision} ({reason}), must be {expected}",
    }
