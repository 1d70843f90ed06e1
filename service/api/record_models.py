"""What goes over the wire about records: replays and exports."""

from service.api.models import Answer, Screening, Sha256, Time


class Software(Answer):
    """Which software answered: then, and when it was asked again."""

    recorded: str
    replayed: str


class Replay(Answer):
    """A recorded screening, answered again from a generation like the one that it cites.

    `differences` names the parts of the answer that came out otherwise. A screening that ran out of time (`partial`)
    does not come out the same: the replay has all the time it needs.
    """

    id: str
    same: bool
    recorded_sha256: Sha256
    replayed_sha256: Sha256
    differences: list[str]
    generation: str
    software: Software
    replayed_at: Time


class Part(Answer):
    """One part of an export, with the hash of its bytes."""

    name: str
    media_type: str
    bytes: int
    sha256: Sha256


class Manifest(Answer):
    """What an export holds. The part record.json is the record as filed: JSON without spaces, fields in that order.

    Its hash is the one that the audit chain has of the screening; `result_sha256` is over what a replay gives again.
    """

    screening: str
    generated_at: Time
    software: str
    result_sha256: Sha256
    parts: list[Part]


class Report(Answer):
    """A screening's export."""

    record: Screening
    manifest: Manifest
