"""The command line as a user meets it: one process per command, answers on stdout, an exit code that means it."""

import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from service.cli import app, main
from service.exits import CODES, Exit, exit_of
from service.settings import Settings, settings
from tests.service_world import World, copy_of, world

Done = subprocess.CompletedProcess[str]


def tadoru(*arguments: str | Path, data: Path | None = None, **environment: str) -> Done:
    """Run one command as the console script does, in this process: starting an interpreter costs a second."""
    words, out, errors = [str(argument) for argument in arguments], io.StringIO(), io.StringIO()
    clean = _environment(data, environment)
    with patch.dict(os.environ, clean, clear=True), patch.object(sys, "argv", ["tadoru", *words]):
        settings.cache_clear()
        with redirect_stdout(out), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
            main()
        settings.cache_clear()
    return subprocess.CompletedProcess(words, int(ended.value.code or 0), out.getvalue(), errors.getvalue())


def apart(*arguments: str | Path, data: Path | None = None, **environment: str) -> Done:
    """Run one command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=_environment(data, environment),
    )


def _environment(data: Path | None, more: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TADORU_")}
    return clean | ({} if data is None else {"TADORU_DATA": str(data)}) | more


def told(done: Done, code: Exit = Exit.OK) -> Any:
    """Return the one JSON document of a command that ended with this code."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def failed(done: Done, code: Exit, words: str) -> None:
    """Check that a command failed with this code, one clear line and no traceback."""
    assert done.returncode == code, done.stderr
    assert re.search(words, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 or code is Exit.USAGE


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a copy of the demo world to ask and to add to."""
    return copy_of(tmp_path_factory.mktemp("cli") / "data")


def test_help_lists_every_verb_and_every_exit_code() -> None:
    """What the design asks for is there, and the codes are explained where they are looked for."""
    done = apart("--help")
    words = " ".join(done.stdout.split())

    for verb in ("demo", "backfill", "labels", "index", "verify", "screen", "exposure", "why", "tx", "serve", "keys"):
        assert f" {verb} " in words
    for code in Exit:
        assert f"{code.value} {code.meaning}" in words


def test_help_loads_nothing_heavy() -> None:
    """`tadoru --help` has to answer at once, so none of the big libraries may be imported for it."""
    program = "import sys, service.cli; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    heavy = {"duckdb", "numba", "numpy", "pyarrow", "sqlalchemy", "fastapi", "pydantic", "yaml", "httpx"}
    assert not heavy & set(loaded.split())


def test_every_command_has_help() -> None:
    """Each command and group says what it does."""
    for group in app.registered_groups:
        assert group.typer_instance is not None
        assert group.typer_instance.info.help
        assert all(
            command.callback and command.callback.__doc__ for command in group.typer_instance.registered_commands
        )
    assert all(command.callback and command.callback.__doc__ for command in app.registered_commands)


@pytest.mark.parametrize(
    ("name", "code"), [("listed", Exit.NO), ("shell", Exit.NO), ("bystander", Exit.OK), ("never seen", Exit.OK)]
)
def test_screen_decides_and_the_exit_code_says_so(place: World, name: str, code: Exit) -> None:
    """A script may rely on the exit code alone: 0 is allow, anything else is not."""
    case = place.case(name)

    answer = told(apart("screen", case.address, "--json", data=place.data), code)

    assert answer["decision"] == case.expected


def test_screen_takes_several_and_tells_what_is_none(place: World) -> None:
    """One line of JSON each; an address that is none spoils the exit code, not the other answers."""
    good = place.case("bystander").address

    done = tadoru("screen", good, "nonsense", place.case("listed").address, "--json", data=place.data)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == Exit.INPUT
    assert [line.get("decision", "error") for line in lines] == ["allow", "error", "block"]


def test_screen_in_words_names_rule_list_and_evidence(place: World) -> None:
    """A person reads the decision, the rule, the list, the transactions and what it is as of."""
    done = tadoru("screen", place.case("same key").address, data=place.data)

    for words in ("BLOCK", "R-OWN-1", "listed ofac_sdn since", "cospend@1", "samekey@1", "as of block"):
        assert words in done.stdout


def test_exposure_why_and_tx_answer(place: World) -> None:
    """The investigator's verbs, in JSON and in words."""
    one, other = place.story.same_party
    exposure = told(tadoru("exposure", one, "--json", data=place.data))
    why = told(tadoru("why", one, other, "--json", data=place.data))
    stranger = told(tadoru("why", one, place.case("bystander").address, "--json", data=place.data), Exit.NO)
    transaction = told(tadoru("tx", place.story.coinjoins[0], "--json", data=place.data))

    assert exposure["exposures"]
    assert (why["together"], stranger["together"]) == (True, False)
    assert transaction["coinjoin"]
    assert "cospend@1" in tadoru("why", one, other, data=place.data).stdout
    assert "multi-party" in tadoru("tx", place.story.coinjoins[0], data=place.data).stdout
    assert "received" in tadoru("exposure", one, data=place.data).stdout
    assert "never seen" in tadoru("exposure", place.case("never seen").address, data=place.data).stdout


def test_keys_live_and_die(tmp_path: Path) -> None:
    """Create shows the secret once, list never does, revoke works once, and the chain holds all of it."""
    made = told(tadoru("keys", "create", "--name", "desk", "--days", "30", "--json", data=tmp_path))
    listed = tadoru("keys", "list", "--json", data=tmp_path)
    revoked = told(tadoru("keys", "revoke", made["id"], "--json", data=tmp_path))
    chain = told(tadoru("audit", "verify", "--json", data=tmp_path))

    assert made["secret"].startswith("tdr_")
    assert made["secret"] not in listed.stdout
    assert told(listed)["items"][0]["active"] is True
    assert revoked == {"revoked": made["id"]}
    assert chain["rows"] == 2
    failed(tadoru("keys", "revoke", made["id"], data=tmp_path), Exit.NO, "no active key")
    failed(tadoru("keys", "create", "--name", "x", "--scope", "root", data=tmp_path), Exit.USAGE, "scopes are")
    failed(tadoru("audit", "verify", "--head", "ff" * 32, data=tmp_path), Exit.DAMAGED, "does not hold the row")


def test_labels_in_index_out(tmp_path: Path) -> None:
    """Backfill, labels, index, verify, prune: each says what it did, and doing it again changes nothing."""
    story = world().story
    data = tmp_path / "data"
    filled = told(tadoru("backfill", "bitcoin", "--from", story.datadir, "--workers", "2", "--json", data=data))
    again = told(tadoru("backfill", "bitcoin", "--from", story.datadir, "--json", data=data))
    first = told(tadoru("labels", "add", *story.labels[:2], "--json", data=data))
    built = told(tadoru("index", "bitcoin", "--json", data=data))
    same = told(tadoru("index", "bitcoin", "--json", data=data))
    second = told(tadoru("labels", "add", *story.labels[2:], "--json", data=data))
    only = told(tadoru("index", "bitcoin", "--json", data=data))
    pruned = told(tadoru("index", "prune", "--keep", "1", "--json", data=data))
    verified = told(tadoru("verify", "bitcoin", "--json", data=data))
    listed = told(tadoru("labels", "list", "--json", data=data))

    assert (filled["tx"], filled["already_there"]) == (story.n_tx, 0)
    assert (again["blocks"], again["already_there"]) == (0, story.tip_height + 1)
    assert (built["built"], same["built"], only["built"]) == ("base and labels", "nothing changed", "labels only")
    assert first["version"] != second["version"] == listed["version"] == only["label_version"]
    assert built["id"] in pruned["pruned"]
    assert verified["lake"]["tx"] == story.n_tx
    assert verified["generation"] == only["id"]
    assert told(tadoru("audit", "verify", "--json", data=data))["rows"] == 2


def test_a_range_of_heights_is_taken(tmp_path: Path) -> None:
    """--start and --end cut the range; one outside the source is told, and nothing is written."""
    source = ("backfill", "bitcoin", "--from", world().story.datadir)
    part = told(tadoru(*source, "--start", "10", "--end", "20", "--json", data=tmp_path))

    assert part["span"] == [10, 20]
    assert part["blocks"] == 11
    failed(tadoru(*source, "--start", "20", "--end", "10", data=tmp_path), Exit.USAGE, "above --end")
    failed(tadoru(*source, "--end", "99999", data=tmp_path), Exit.SOURCE, "the source has 0 to")


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """Verify names the segment or file that is no longer what was written."""
    place = copy_of(tmp_path / "data")
    segment = next((place.data / "lake/bitcoin/tx").glob("*.parquet"))
    segment.write_bytes(_flipped(segment.read_bytes()))

    failed(tadoru("verify", "bitcoin", data=place.data), Exit.DAMAGED, segment.name)


def test_a_damaged_generation_is_found(tmp_path: Path) -> None:
    """Verify and every question say which index file is damaged."""
    place = copy_of(tmp_path / "data")
    base = max((place.data / "index/bitcoin").glob("*.duckdb"), key=lambda path: path.stat().st_size)
    base.write_bytes(_flipped(base.read_bytes()))

    failed(tadoru("verify", "bitcoin", data=place.data), Exit.DAMAGED, base.name)
    base.write_bytes(base.read_bytes()[:5000])
    done = tadoru("screen", place.case("listed").address, data=place.data)
    assert done.returncode in {Exit.DAMAGED, Exit.NO_INDEX}
    assert base.name in done.stderr


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


BAD: list[tuple[tuple[str, ...], Exit, str]] = [
    (("screen", "nonsense"), Exit.INPUT, "nonsense"),
    (("screen", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"), Exit.INPUT, "main"),
    (("screen", "0x8589427373D6D84E98730D7795D8f6f8731FDA16"), Exit.INPUT, "ethereum"),
    (("screen", "x", "--policy", "nope"), Exit.INPUT, "sanctions-only"),
    (("screen", "x", "--policy", "nope.yaml"), Exit.INPUT, "nope.yaml"),
    (("exposure", "nonsense"), Exit.INPUT, "nonsense"),
    (("why", "nonsense", "nonsense"), Exit.INPUT, "nonsense"),
    (("tx", "nonsense"), Exit.INPUT, "64 hexadecimal"),
    (("tx", "00" * 32), Exit.NO, "not in the index"),
    (("labels", "add", "/no/such/file.yaml"), Exit.INPUT, "/no/such/file.yaml"),
    (("labels", "add", "x.yaml", "--network", "main"), Exit.USAGE, "regtest"),
    (("labels", "add", "x.yaml", "--dated", "yesterday"), Exit.USAGE, "YYYY-MM-DD"),
    (("backfill", "bitcoin", "--from", "/no/such/dir"), Exit.SOURCE, "/no/such/dir"),
    (("backfill", "bitcoin", "--from", "http://"), Exit.SOURCE, "http://host:port"),
    (("backfill", "bitcoin", "--from", "/etc/hostname"), Exit.DAMAGED, "hostname"),
    (("backfill", "bitcoin", "--from", "/etc", "--cookie", "x"), Exit.USAGE, "--cookie"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_one_line_and_its_code(place: World, arguments: tuple[str, ...], code: Exit, words: str) -> None:
    """What was given, what is wrong, what to do; the data stays as it was."""
    failed(tadoru(*arguments, data=place.data), code, words)


@pytest.mark.parametrize(
    "arguments",
    [
        ("screen", "x"),
        ("exposure", "x"),
        ("why", "x", "y"),
        ("tx", "00" * 32),
        ("index", "bitcoin"),
        ("verify", "bitcoin"),
    ],
)
def test_without_data_each_verb_says_what_to_run(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """No lake or no index: code 7 and the next command."""
    failed(tadoru(*arguments, data=tmp_path), Exit.NO_INDEX, "tadoru backfill bitcoin")


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("screen",), {}, "Missing argument"),
        (("screne", "x"), {}, "No such command"),
        (("backfill", "dogecoin"), {}, "No such command"),
        (("serve", "--port", "99999"), {}, "65535"),
        (("labels", "list"), {"TADORU_PORT": "eighty"}, "TADORU_PORT"),
        (("labels", "list"), {"TADORU_NETWORK": "moon"}, "TADORU_NETWORK"),
        (("labels", "list"), {"TADORU_MAX_LAG": "0"}, "TADORU_MAX_LAG"),
    ],
)
def test_a_wrong_command_line_or_setting_is_code_2(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    """Usage errors name the option or the variable."""
    done = tadoru(*arguments, data=tmp_path, **environment)

    assert done.returncode == Exit.USAGE
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_errors_are_json_where_json_is_asked_for(place: World) -> None:
    """A program that reads JSON gets JSON, on standard error."""
    done = apart("screen", "nonsense", "--json", data=place.data)

    error = json.loads(done.stderr)["error"]
    assert (error["exit"], error["kind"]) == (Exit.INPUT, "input")
    assert "nonsense" in error["detail"]


def test_a_second_backfill_is_told_that_it_is_not_alone(tmp_path: Path) -> None:
    """While one process writes the lake, another is refused at once and nothing happens."""
    place = copy_of(tmp_path / "data")
    with (place.data / "lake/bitcoin/LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        done = tadoru("backfill", "bitcoin", "--from", place.story.datadir, data=place.data)

    failed(done, Exit.BUSY, "lake")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_told(tmp_path: Path) -> None:
    """Code 8, and the directory by name."""
    (tmp_path / "data").mkdir(mode=0o555)

    done = tadoru("backfill", "bitcoin", "--from", world().story.datadir, data=tmp_path / "data")

    failed(done, Exit.DISK, "data")


def test_serve_stops_at_a_policy_with_a_mistake(place: World, tmp_path: Path) -> None:
    """A policy that does not compile stops the start, with the line."""
    policy = tmp_path / "mine.yaml"
    policy.write_text("policy: mine\nversion: 1\nrulez: []\n", encoding="utf-8")

    done = tadoru("serve", "--port", "0", data=place.data, TADORU_POLICY=str(policy))

    failed(done, Exit.INPUT, r"mine\.yaml, line ")


def test_ctrl_c_ends_with_130(place: World) -> None:
    """An interrupted command says so and leaves what was committed."""
    out = place.data.parent / "demo"
    arguments = [sys.executable, "-m", "service.cli", "demo", "--out", str(out)]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (out / "TADORU_DEMO").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    for _ in range(6):
        running.send_signal(signal.SIGINT)
        try:
            _, errors = running.communicate(timeout=10)
            break
        except subprocess.TimeoutExpired:  # the compiler of kernels loses what is pressed while it runs: press again
            continue

    assert running.returncode == Exit.INTERRUPTED
    assert "Traceback" not in errors


def test_the_demo_tells_its_story_and_can_be_told_again(tmp_path: Path) -> None:
    """From nothing to decisions in one command; every decision is the expected one; a second run replaces it."""
    done = tadoru("demo", "--out", tmp_path / "demo")
    again = told(tadoru("demo", "--out", tmp_path / "demo", "--json"))

    assert done.returncode == Exit.OK, done.stdout
    for words in ("The story:", "BLOCK", "ALLOW", "REVIEW", "cospend@1", "tadoru serve --data", "curl"):
        assert words in done.stdout
    assert again["as_expected"] is True
    assert again["seconds"] < 120


def test_the_demo_leaves_other_peoples_folders_alone(tmp_path: Path) -> None:
    """A folder that holds anything else is refused and untouched."""
    (tmp_path / "thesis.tex").write_text("years of work")

    failed(tadoru("demo", "--out", tmp_path), Exit.USAGE, "no demo")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_every_error_has_its_exit_code() -> None:
    """The table names classes that exist, and whatever is not in it is told apart from a defect."""
    from chains import errors as chain_errors  # noqa: PLC0415
    from heuristics import rules  # noqa: PLC0415
    from heuristics.exposure import trace  # noqa: PLC0415
    from service import exits  # noqa: PLC0415
    from store import errors as store_errors  # noqa: PLC0415
    from store import index  # noqa: PLC0415
    from store.formats import problems  # noqa: PLC0415
    from worlds.score import evaluate  # noqa: PLC0415

    homes = (chain_errors, rules, exits, store_errors, index, problems, evaluate, trace)
    for name, _ in CODES:
        assert any(hasattr(home, name) for home in homes), name
    assert exit_of(chain_errors.NodeError("x")) is Exit.SOURCE
    assert exit_of(store_errors.DiskError("x")) is Exit.DISK
    assert exit_of(OSError(28, "No space left on device")) is Exit.DISK
    assert exit_of(chain_errors.TadoruError("x")) is Exit.FAILED
    assert exit_of(KeyError("x")) is Exit.INTERNAL


def test_every_setting_says_what_it_is_for() -> None:
    """The description of each field is its documentation."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert len(field.description) > 20, name
