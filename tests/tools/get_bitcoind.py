"""Install a real Bitcoin node for the tests: `python tests/tools/get_bitcoind.py [PREFIX]` prints its path.

Debian's backports of trixie carry `bitcoin-knots` (a descendant of Bitcoin Core, used on regtest only). apt
resolves and checks it in a private tree under PREFIX, dpkg unpacks it there, and a two-line launcher starts
it with trixie's own C library, so it runs on older Debians too. Nothing outside PREFIX changes and no root is
needed. The mirror is whichever one apt is configured with. What is installed is kept between runs.
"""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "bitcoin-knots"
SUITE = "trixie"
PREFIX = Path(__file__).parents[2] / ".cache" / "bitcoind"
KEYRINGS = Path("/usr/share/keyrings")
NEEDED_PROGRAMS = ("apt-get", "dpkg", "dpkg-deb")
TIME_LIMIT_S = 240


class NodeUnavailable(Exception):  # noqa: N818 - says why there is no node; nothing went wrong
    """There is no way to a node on this machine; the message says why."""


def install(prefix: Path = PREFIX) -> Path:
    """Return the node's launcher under `prefix`, installing it first if it is not there yet."""
    prefix.mkdir(parents=True, exist_ok=True)
    launcher = prefix / "bitcoind"
    with _alone(prefix):
        if not _starts(launcher):
            _check_programs()
            _download(prefix / "apt")
            root = _unpack(prefix)
            _write_launcher(launcher, root)
            shutil.rmtree(prefix / "apt")
        if not _starts(launcher):
            raise NodeUnavailable(f"{launcher} was installed but does not start on this machine")
    return launcher


@contextmanager
def _alone(prefix: Path) -> Iterator[None]:
    """One installation at a time: test workers run in parallel."""
    with (prefix / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _starts(launcher: Path) -> bool:
    try:
        return subprocess.run([launcher, "-version"], capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _check_programs() -> None:
    missing = [name for name in NEEDED_PROGRAMS if shutil.which(name) is None]
    if missing:
        raise NodeUnavailable(f"no {', '.join(missing)} here: the node comes as a Debian package")


def _run(*command: str | Path) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise NodeUnavailable(f"{command[0]} took more than {TIME_LIMIT_S} s") from None
    if done.returncode:
        last_words = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise NodeUnavailable(f"{command[0]} failed: {last_words[0]}")
    return done.stdout


def _mirror() -> str:
    """Return the first Debian archive among apt's own sources that is not the security one."""
    listed = _run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(SITE)", "Created-By: Packages")
    for line in listed.splitlines():
        origin, label, site = line.split("|", 2)
        if origin == "Debian" and label == "Debian":
            return site
    # Before the first `apt-get update` the origin is unknown; the site is not.
    sites = [line.rsplit("|", 1)[1] for line in listed.splitlines() if "security" not in line]
    if not sites:
        raise NodeUnavailable("apt has no Debian mirror configured")
    return sites[0]


def _keyring() -> Path:
    found = sorted(KEYRINGS.glob("debian-archive-keyring.*"))
    if not found:
        raise NodeUnavailable(f"no Debian archive keyring in {KEYRINGS}: packages could not be verified")
    return found[0]


def _apt_options(tree: Path) -> list[str]:
    settings = {
        "Dir::State": tree / "state",
        "Dir::State::status": tree / "status",
        "Dir::Cache": tree / "cache",
        "Dir::Etc::sourcelist": tree / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Debug::NoLocking": "true",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _download(tree: Path) -> None:
    """Fetch the package and everything it depends on, as if this machine had nothing installed."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "status").write_text("")
    source = f"deb [signed-by={_keyring()}] {_mirror()}"
    (tree / "sources.list").write_text(f"{source} {SUITE} main\n{source} {SUITE}-backports main\n")
    apt = ["apt-get", "--quiet", "--yes", *_apt_options(tree)]
    _run(*apt, "update")
    _run(*apt, "--no-install-recommends", "--download-only", "install", f"{PACKAGE}/{SUITE}-backports")


def _unpack(prefix: Path) -> Path:
    """Unpack the node and the shared libraries; nothing else is needed to run it."""
    root = prefix / "root"
    shutil.rmtree(root, ignore_errors=True)
    for package in sorted((prefix / "apt" / "cache" / "archives").glob("*.deb")):
        if package.name.startswith((f"{PACKAGE}_", "lib", "zlib1g")):
            _run("dpkg", "--extract", package, root)
    return root


def _write_launcher(launcher: Path, root: Path) -> None:
    loaders = sorted((root / "usr" / "lib").glob("*/ld-linux*.so.*"))
    if not loaders:
        raise NodeUnavailable(f"no program loader among the packages unpacked in {root}")
    loader = loaders[0]
    program = root / "usr" / "bin" / "bitcoind"
    launcher.write_text(f'#!/bin/sh\nexec "{loader}" --library-path "{loader.parent}" "{program}" "$@"\n')
    launcher.chmod(0o755)


def main() -> int:
    """Install into the folder named on the command line, or the usual one."""
    try:
        launcher = install(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PREFIX)
    except NodeUnavailable as reason:
        sys.stderr.write(f"no Bitcoin node: {reason}\n")
        return 1
    sys.stdout.write(f"{launcher}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
