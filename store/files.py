"""Writing files so that a crash at any instant leaves either the old state or the new one."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from store.errors import BusyError, disk_error

TEMPORARY = ".tmp"
_PATIENCE_S, _POLL_S = 10.0, 0.02


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make a file's bytes survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name: fsync, rename, fsync the folder."""
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a small file whole or not at all; raises StoreError where the disk refuses."""
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        publish(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_error(f"writing {path}", error) from error


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of a folder's files, as hex."""
    if not path.is_dir():
        return sha256_file(path)
    lines = (f"{file.name} {sha256_file(file)}\n" for file in sorted(path.iterdir()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file, or of a folder's files; raises FileNotFoundError."""
    return path.stat().st_size if not path.is_dir() else sum(file.stat().st_size for file in path.iterdir())


def remove(path: Path) -> None:
    """Remove a file, or a folder with its files; killed on the way, it is gone under its name all the same."""
    if not path.is_dir():
        path.unlink()
        return
    if TEMPORARY not in path.name:
        # Half a folder would pass for a whole one.
        doomed = path.with_name(f"{path.name}.gone{TEMPORARY}")
        if doomed.exists():
            shutil.rmtree(doomed)
        path = path.rename(doomed)
    shutil.rmtree(path)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the only writer's lock; it ends with the process, however that ends.

    Raises
    ------
    BusyError
        Another process holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise disk_error(f"locking {path}", error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"{what} is being written by another process (lock {path}): wait for it to end"
            raise BusyError(msg) from error
        yield


def present(path: Path) -> IO[bytes]:
    """Show that this process is at work, until the file is closed or the process ends; see `wait_alone`."""
    file = path.open("a+b")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def wait_alone(path: Path, what: str) -> None:
    """Wait for the helpers of a killed process to end, which they do by themselves.

    Raises
    ------
    BusyError
        One has not ended in time.
    """
    try:
        file = path.open("a+b")
    except OSError as error:
        raise disk_error(f"locking {path}", error) from error
    with file:
        for _ in range(int(_PATIENCE_S / _POLL_S)):
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_POLL_S)
    msg = f"{what} is still being written by a helper of a process that was killed (lock {path}): end it"
    raise BusyError(msg)
