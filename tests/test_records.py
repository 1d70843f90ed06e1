"""The decision records: nothing changes once filed, several processes write one chain, damage is found."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from store.audit import GENESIS, sha256, timestamp
from store.errors import DamagedError, DiskError
from store.record_tables import (
    METADATA,
    AttemptExistsError,
    InFlightError,
    KeyReusedError,
)
from store.records import Decision, Key, Records, new_id

SMUGGLED = """
INSERT INTO screening SELECT 9, 'scr_x', created_at, caller, kind, chain, address, decision, status, policy,
attempt_id, customer_ref, generation, result_sha256, body FROM screening WHERE seq = 1
"""


def decision(number: int, caller: str = "local", attempt_id: str | None = None) -> Decision:
    """Return a decision whose body depends on its number."""
    return Decision(
        id=new_id("scr"),
        created_at=timestamp(),
        caller=caller,
        kind="address",
        chain="bip122:0f9188f13cb7b2c71f2a335e3a4fc328",
        address=f"address-{number % 3}",
        decision="allow",
        status="complete",
        policy="sanctions-only@1",
        generation="g1",
        result_sha256=sha256(b"result"),
        body=b'{"number":%d}' % number,
        attempt_id=attempt_id,
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of records that do not exist yet."""
    return f"sqlite:///{tmp_path / 'records.sqlite'}"


@pytest.fixture
def records(url: str) -> Iterator[Records]:
    """Open fresh records."""
    opened = Records(url)
    yield opened
    opened.close()


def tamper(url: str, *statements: str) -> None:
    """Change the file behind the service's back, triggers removed, as a thief with root would."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_filed_decision_is_read_back_byte_for_byte(records: Records) -> None:
    """What was told to the caller is what the records return, also from a second opening."""
    filed = decision(7)
    records.file(filed)

    assert records.decision(filed.id) == filed.body
    assert records.decision("scr_unknown") is None


def test_decisions_are_listed_newest_first_in_pages(records: Records) -> None:
    """Pages follow one another without gap or repeat, and can be filtered."""
    for number in range(7):
        records.file(decision(number))

    first = records.decisions(4)
    second = records.decisions(4, before=first[-1][0])
    bodies = [body for _, body in first + second]

    assert bodies == [b'{"number":%d}' % number for number in range(6, -1, -1)]
    assert len(records.decisions(10, match={"address": "address-1"})) == 2
    assert records.decisions(10, match={"decision": "block"}) == []


def test_an_attempt_id_is_used_once_per_caller(records: Records) -> None:
    """The second use names the first screening; another caller's ids are their own."""
    first = decision(1, attempt_id="wd-1")
    records.file(first)

    with pytest.raises(AttemptExistsError, match=first.id) as caught:
        records.file(decision(2, attempt_id="wd-1"))

    assert caught.value.screening_id == first.id
    assert records.attempt("local", "wd-1") == first.id
    records.file(decision(3, caller="key_2", attempt_id="wd-1"))
    assert len(records.decisions(10)) == 2, "the refused decision left no trace"


def test_an_idempotency_key_is_claimed_then_replayed(records: Records) -> None:
    """In flight is refused, a settled key returns the stored answer, another body is refused."""
    assert records.claim("local", "k", "aa") is None
    with pytest.raises(InFlightError):
        records.claim("local", "k", "aa")
    assert records.claim("other", "k", "aa") is None

    filed = decision(1)
    records.file(filed, ("k", "aa"))

    assert records.claim("local", "k", "aa") == filed.body
    with pytest.raises(KeyReusedError, match=filed.id):
        records.claim("local", "k", "bb")


def test_a_claim_can_be_released_and_dies_with_its_process(records: Records, url: str) -> None:
    """A request that came to nothing frees its key at once; a killed process frees it after a minute."""
    records.claim("local", "k", "aa")
    records.release("local", "k")
    assert records.claim("local", "k", "aa") is None

    tamper(url, "UPDATE claim SET claimed_at = '2001-01-01T00:00:00.000000Z'")

    assert records.claim("local", "k", "aa") is None


def test_keys_are_hashed_expire_and_are_revoked_once(records: Records, url: str) -> None:
    """The secret is nowhere in the file, and a revoked or expired key opens nothing."""
    key = Key("key_1", "desk", ("read", "screen"), timestamp(), "2999-01-01T00:00:00.000000Z", None)
    records.add_key(key, "tdr_secret")

    found = records.key_of("tdr_secret")
    assert found == key
    assert found.active(timestamp())
    assert not found.active("2999-01-01T00:00:00.000001Z")
    assert records.key_of("tdr_wrong") is None
    assert records.revoke_key("key_1") is True
    assert records.revoke_key("key_1") is False
    assert records.revoke_key("key_2") is False
    assert not records.keys()[0].active(timestamp())
    records.close()
    assert b"tdr_secret" not in Path(url.removeprefix("sqlite:///")).read_bytes()


@pytest.mark.parametrize("table", ["screening", "audit", "key", "key_revocation", "attempt", "idempotency"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}"])
def test_the_database_itself_refuses_changes(records: Records, url: str, table: str, verb: str) -> None:
    """No statement changes or removes a filed row."""
    records.add_key(Key("key_1", "desk", ("read",), timestamp(), None, None), "tdr_x")
    records.revoke_key("key_1")
    records.file(decision(1, attempt_id="a"), ("k", "aa"))
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))

    with pytest.raises(sqlite3.IntegrityError, match="only ever inserted"):
        connection.execute(verb.format(table))
    connection.close()


def test_the_chain_of_fresh_records_is_whole(records: Records) -> None:
    """Every filing adds a row; the head is a hash that can be noted elsewhere."""
    assert records.verify_chain().head == GENESIS
    records.file(decision(1))
    records.append("cli", "labels.imported", "ab12", {"files": ["x.yaml"]})
    records.add_key(Key("key_1", "desk", ("read",), timestamp(), None, None), "tdr_x")
    records.revoke_key("key_1")

    chain = records.verify_chain()

    assert (chain.rows, chain.screenings) == (4, 1)
    assert records.verify_chain(chain.head) == chain


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE audit SET actor = 'mallory' WHERE seq = 2", "row 2 .*was changed"),
        ("DELETE FROM audit WHERE seq = 2", "row 2 is missing"),
        ("UPDATE screening SET body = '{}' WHERE seq = 2", "row 2 .*changed or removed"),
        ("DELETE FROM screening WHERE seq = 3", "row 3 .*changed or removed"),
        (SMUGGLED, "4 screenings are filed but"),
        ("UPDATE key SET scopes = 'admin'", "row 4 .*changed or removed"),
    ],
)
def test_tampering_is_found(records: Records, url: str, change: str, words: str) -> None:
    """A changed, removed or smuggled row is named, however the file was edited."""
    for number in range(3):
        records.file(decision(number))
    records.add_key(Key("key_1", "desk", ("read",), timestamp(), None, None), "tdr_x")
    tamper(url, change)

    with pytest.raises(DamagedError, match=words):
        records.verify_chain()


def test_a_cut_off_end_shows_against_a_noted_head(records: Records, url: str) -> None:
    """The chain alone can not show that its end is missing; a head noted elsewhere can."""
    for number in range(3):
        records.file(decision(number))
    head = records.verify_chain().head
    tamper(url, "DELETE FROM audit WHERE seq = 3", "DELETE FROM screening WHERE seq = 3")

    assert records.verify_chain().rows == 2
    with pytest.raises(DamagedError, match="cut off"):
        records.verify_chain(head)


def test_a_rewritten_hash_breaks_the_next_link(records: Records, url: str) -> None:
    """Whoever changes a row and its hash has broken the row after it."""
    for number in range(3):
        records.file(decision(number))
    tamper(url, "UPDATE audit SET hash = 'ff' WHERE seq = 1")

    with pytest.raises(DamagedError, match="row 1"):
        records.verify_chain()


def test_processes_and_threads_write_one_chain(records: Records, url: str) -> None:
    """Two processes of two threads each file at the same time, and the chain has no gap and no fork."""
    program = (
        "import sys, threading\n"
        "from store.records import Records\n"
        "records = Records(sys.argv[1])\n"
        "def run():\n"
        "    for n in range(25): records.append('p', 'note', str(n), n)\n"
        "threads = [threading.Thread(target=run) for _ in range(2)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(2)]

    def file_all() -> None:
        for number in range(25):
            records.file(decision(number))

    mine = threading.Thread(target=file_all)
    mine.start()
    mine.join()

    assert [writer.wait(60) for writer in writers] == [0, 0]
    chain = records.verify_chain()
    assert (chain.rows, chain.screenings) == (125, 25)


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    """The error says where; no traceback of a driver."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DiskError, match="file/records"):
        Records(f"sqlite:///{tmp_path}/file/records.sqlite")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """Garbage in place of the records is damage, and it is left as it was."""
    path = tmp_path / "records.sqlite"
    path.write_bytes(b"garbage" * 1000)

    with pytest.raises(DamagedError, match=r"records\.sqlite"):
        Records(f"sqlite:///{path}")
    assert path.read_bytes() == b"garbage" * 1000


def test_the_tables_can_be_made_on_postgresql() -> None:
    """Nothing in the tables is SQLite's alone."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped

    texts = [str(CreateTable(table).compile(dialect=dialect)) for table in METADATA.sorted_tables]

    assert any("seq SERIAL" in text for text in texts)
    assert isinstance(METADATA, sa.MetaData)


def test_ids_sort_by_time() -> None:
    """An id made later sorts later (to the millisecond), and no two are the same."""
    ids = [new_id("scr") for _ in range(100)]

    assert len(set(ids)) == 100
    assert all(len(i) == 30 and i[:14] <= ids[-1][:14] for i in ids)
