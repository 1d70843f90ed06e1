"""A recorded screening asked again: of a generation like the one that it cites, or of the live one.

The same question at the same block and label version gives the same bytes; `result_sha256` says whether it did.
"""

from typing import Final

import orjson

from service import screening
from service.answers import Json
from service.desk import Desk
from service.exits import BadInputError, NotFoundError
from service.rulebook import Policy
from service.screening import Told
from service.settings import Settings
from store.audit import timestamp
from store.manifest import Generation, NoIndexError

# What a screening was asked, as its record has it.
_ASKED: Final = ("kind", "asset", "amount", "direction", "customer_ref")
_CITED: Final = ("height", "block_hash", "labels", "exposure_labels", "prices")


def record(desk: Desk, screening_id: str) -> Json:
    """Read a screening as it was filed; raises NotFoundError where there is none of that id."""
    body = desk.records.decision(screening_id)
    if body is None:
        raise NotFoundError(f"there is no screening {screening_id!r}")
    told: Json = orjson.loads(body)
    return told


def replay(desk: Desk, screening_id: str, caller: str = "cli") -> Json:
    """Answer a recorded screening's question again, compare, and put the outcome into the audit chain.

    Raises
    ------
    NotFoundError
        There is no such screening.
    NoIndexError
        No generation like the one that it cites is here; says how to build one.
    BadInputError
        Its policy has another version now.
    """
    told = record(desk, screening_id)
    generation, policy = cited(desk, told), _policy(desk, told)
    with desk.live.ask(None, generation) as question:
        again = screening.judge(question, _settings(desk), _request(told), policy)
    differences = _differences(told, again)
    outcome = {
        "id": screening_id,
        "same": again["result_sha256"] == told["result_sha256"] and not differences,
        "recorded_sha256": told["result_sha256"],
        "replayed_sha256": again["result_sha256"],
        "differences": differences,
        "generation": generation.id,
        "software": {"recorded": told["as_of"]["software"], "replayed": again["as_of"]["software"]},
        "replayed_at": timestamp(),
    }
    desk.records.append(caller, "screening.replayed", screening_id, outcome)
    return outcome


def rescreen(desk: Desk, screening_id: str, caller: str = "cli", idempotency: tuple[str, str] | None = None) -> Told:
    """Ask a recorded screening's question of the live generation, by the present version of its policy, and file it.

    The attempt id stays with the earlier screening, which the new one names in its links.

    Raises
    ------
    NotFoundError
        There is no such screening.
    BadInputError
        There is no policy of that name any more.
    NotReadyError
        There is no index, or it is older than `max_lag` allows.
    """
    told = record(desk, screening_id)
    policy = desk.policy(told["policy"].partition("@")[0])
    return screening.screen(desk, _request(told), policy, caller=caller, idempotency=idempotency)


def _settings(desk: Desk) -> Settings:
    """The settings, but for the age that an index may have: an earlier one is meant to be old."""
    return desk.settings.model_copy(update={"max_lag": None})


def _request(told: Json) -> screening.Request:
    asked = {name: told[name] for name in _ASKED}
    subject = told["subject"]
    return screening.Request(subject["submitted"], chain=subject["chain"], earlier=told["id"], **asked)


def _differences(told: Json, again: Json) -> list[str]:
    """Parts of an answer that came out otherwise."""
    now = screening.lasting(orjson.loads(orjson.dumps(again)))
    try:
        before = screening.lasting(told)
    except KeyError as error:  # software of then did not say it
        return [str(error.args[0])]
    return sorted(name for name in now if now[name] != before[name])


def cited(desk: Desk, told: Json) -> Generation:
    """The generation that a screening was answered from, or one that was built like it."""
    as_of = told["as_of"]
    wanted = tuple(as_of.get(name) for name in _CITED)
    for one in reversed(desk.live.index.generations()):
        if (one.height, one.block_hash, one.label_version, one.exposure_labels, one.prices) == wanted:
            return one
    raise NoIndexError(f"screening {told['id']} {_missing(desk, as_of)}")


def _missing(desk: Desk, as_of: Json) -> str:
    """Say why the generation of an answer is not here, and what to do."""
    height, labels, exposed, prices = (as_of.get(name) for name in ("height", "labels", "exposure_labels", "prices"))
    if exposed is None:
        return f"was recorded by software {as_of['software']}, which did not say what its exposure was as of"
    if exposed != labels:
        return (
            f"was answered while labels {labels} were being worked in, by the exposure of labels {exposed}; generation "
            f"{as_of['generation']} is gone, and such a one is not built again: rescreen it"
        )
    words = f"--height {height} --labels {labels} --prices {prices}"
    return (
        f"cites height {height}, block {as_of['block_hash']}, labels {labels} and prices {prices}; no generation in "
        f"{desk.live.index.dir} is as of these: `tadoru index bitcoin {words}` builds it"
    )


def _policy(desk: Desk, told: Json) -> Policy:
    """The policy of a screening, in the version that it was judged by."""
    policy = desk.policy(told["policy"].partition("@")[0])
    if policy.name != told["policy"]:
        raise BadInputError(
            f"screening {told['id']} was judged by {told['policy']}, here is {policy.name}: replay it with the "
            "document of that version (TADORU_POLICY)",
            code="other_policy",
        )
    return policy
