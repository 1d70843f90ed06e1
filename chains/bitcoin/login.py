"""Where a Bitcoin node answers, and how to be let in: URL, user and password, cookie file."""

import base64
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from chains.errors import NodeError

Login = tuple[str, str] | Path | None
"""User and password, or a cookie file or the datadir that holds it, or nothing."""

COOKIE = ".cookie"
# Where a datadir keeps each network; a cookie lies there while the node runs.
NETWORK_FOLDERS = {
    "main": ".",
    "test": "testnet3",
    "testnet4": "testnet4",
    "signet": "signet",
    "regtest": "regtest",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node answers; its text form never shows a password."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        """Write it as a URL without a login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    def connect(self, timeout_s: float) -> HTTPConnection:
        """Open a connection, within the time given."""
        kind = HTTPSConnection if self.scheme == "https" else HTTPConnection
        link = kind(self.host, self.port, timeout=timeout_s)
        link.connect()
        return link


def parse_url(url: str, default_port: int) -> tuple[Endpoint, tuple[str, str] | None]:
    """Split `http://user:password@host:port/path` into the place and the login in it, if any.

    Raises
    ------
    NodeError
        Not an http or https URL with a host. The message does not repeat it: it may hold a password.
    """
    form = "write http://host:port or http://user:password@host:port"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise NodeError(f"the node's URL has characters that must be percent-encoded; {form}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise NodeError(f"the node's URL can not be read: {err}; {form}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NodeError(f"the node's URL has no http:// or no host; {form}")
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Endpoint(parts.scheme, parts.hostname, port or default_port, parts.path.rstrip("/")), login


def authorization(login: Login, network: str | None) -> str:
    """Write the Authorization header for a login as of now (a cookie changes at every start); empty without one.

    Raises
    ------
    NodeError
        The cookie file is missing or can not be read.
    """
    if login is None:
        return ""
    user, password = _read_cookie(login, network) if isinstance(login, Path) else login
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _read_cookie(place: Path, network: str | None) -> tuple[str, str]:
    cookie = _find_cookie(place, network)
    try:
        user, _, password = cookie.read_text("utf-8").strip().partition(":")
    except (OSError, UnicodeDecodeError) as err:
        raise NodeError(
            f"the cookie file {cookie} can not be read ({err}): a node writes it when it starts and removes it when "
            "it stops; see that it runs and that this user may read the file"
        ) from None
    return user, password


def _find_cookie(place: Path, network: str | None) -> Path:
    """Find the cookie file in a datadir; without a network, that of the first network that has one."""
    if not place.is_dir():
        return place
    folders = NETWORK_FOLDERS.values() if network is None else (NETWORK_FOLDERS[network], ".")
    candidates = [place / folder / COOKIE for folder in folders]
    return next((cookie for cookie in candidates if cookie.is_file()), candidates[0])
