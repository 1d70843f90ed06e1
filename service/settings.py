"""Every setting, read once from `TADORU_*` by the service alone; lower layers take plain values."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "TADORU_"


class Settings(BaseSettings):
    """The whole configuration. A field's description is its documentation; its name says the variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data: Path = Field(
        default=Path("data"),
        description="The data directory: lake, index, labels and, without records_url, the records.",
    )
    network: Literal["main", "test", "testnet4", "signet", "regtest"] = Field(
        default="main",
        description="The Bitcoin network of labels that are added before any block is; a lake knows its own.",
    )
    records_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the decision records; unset: records.sqlite in the data directory.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that `tadoru serve` binds; while no key exists only loopback is answered.",
    )
    port: int = Field(default=8337, ge=0, le=65535, description="TCP port of `tadoru serve`.")
    workers: int = Field(default=1, ge=1, le=256, description="Processes that `tadoru serve` starts.")
    max_lag: int | None = Field(
        default=None,
        ge=1,
        description="Seconds between now and the newest indexed block beyond which screenings are refused "
        "(503); unset: never refused, and `stale` is said after two hours.",
    )
    policy: str = Field(
        default="sanctions-only",
        description="The policy of screenings that name none: a shipped one, or the path of a YAML file.",
    )
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = Field(
        default="USD",
        description="The currency of fiat amounts; given where price files have it (`tadoru prices add`).",
    )
    timeout_ms: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="Milliseconds a screening may take where the request does not say; then it is partial.",
    )
    keep_generations: int = Field(
        default=2, ge=1, description="Index generations that `tadoru index bitcoin --prune` leaves."
    )
    retention_years: int = Field(
        default=10,
        ge=1,
        description="Years that records are kept at least (OFAC ten, Japan seven); said in /v1/status. "
        "Nothing is deleted by the service itself.",
    )
    rate_limit: int = Field(
        default=0,
        ge=0,
        description="Requests a caller may make per second and worker; 0: unlimited.",
    )
    max_body: int = Field(
        default=65_536, ge=1024, description="Bytes of a request body beyond which it is refused (413)."
    )
    cursors: int = Field(default=8, ge=1, le=64, description="Requests that one worker answers at the same time.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of the log on standard error; requests are never logged."
    )

    @property
    def records(self) -> str:
        """The SQLAlchemy URL of the records."""
        return self.records_url or f"sqlite:///{self.data / 'records.sqlite'}"

    def export(self) -> None:
        """Write the settings into this process's environment, where it and its worker processes read them."""
        for name, value in self.model_dump(exclude_none=True).items():
            os.environ[PREFIX + name.upper()] = str(value)
        settings.cache_clear()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read at the first call.

    Raises
    ------
    pydantic.ValidationError
        If a variable does not hold what its field asks for.
    """
    return Settings()
