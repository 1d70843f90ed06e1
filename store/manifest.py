"""What a generation is: the files that answer together, and as of what. Written as a manifest, `<id>.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from store.errors import StoreError

SCHEMA_VERSION: Final = 4
# Between the labels and the exposure labels in the id of a generation that answers until its own exposure is there.
INTERIM: Final = "~"


class NoIndexError(StoreError):
    """No generation was published yet."""


class IndexFormatError(StoreError):
    """A generation of another schema version, or one whose files are missing or damaged."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a generation, or one folder of arrays: its name in the index directory, bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Generation:
    """What `CURRENT` says: which files answer, and as of what."""

    id: str
    files: tuple[FileEntry, ...]
    height: int
    block_hash: str
    label_version: str
    schema_version: int
    network: str
    first_height: int
    exposure_labels: str
    prices: str

    def to_json(self) -> str:
        """Write the manifest's text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, where: Path) -> Self:
        """Read a manifest; raises IndexFormatError where the text is not one of this schema version."""
        try:
            fields = json.loads(text)
            version = fields["schema_version"]
            if version == SCHEMA_VERSION:
                files = tuple(FileEntry(**f) for f in fields.pop("files"))
                return cls(files=files, **fields)
        except (ValueError, TypeError, KeyError) as error:
            raise IndexFormatError(
                f"{where} is no generation manifest ({error}); run `tadoru index` to publish a new one"
            ) from error
        raise IndexFormatError(
            f"{where} has index schema version {version}, this software reads version {SCHEMA_VERSION}; "
            "run `tadoru index` to rebuild it"
        )


@dataclass(frozen=True, slots=True)
class AsOf:
    """What a generation is as of: the last block, the labels, and where its history starts."""

    height: int
    block_hash: str
    label_version: str
    network: str
    first_height: int
    exposure_labels: str
    """The label version that exposure follows: an older one for as long as the newest is being worked in."""
    prices: str
    """The version of the price files; `none` without any."""
