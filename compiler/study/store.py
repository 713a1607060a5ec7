"""The store: one SQLite file that holds what a study has paid for and decided.

Rows are JSON under a text key, in tables of one shape. There is one writer, on one event loop. Everything written
within a tick of the loop is one transaction, committed at the tick's end without a timer; ``put`` returns after the
commit, so nothing that was handed out can be lost by a crash of the process. The file is in WAL mode with
``synchronous=NORMAL``: a power cut may lose the last transactions, never the file.

==========  ===========================================================================================================
meta        format, identity, versions, budget and number of runs of the study
replies     what an LM answered, or how it refused for good, by the request's key
cells       what a candidate did on an example: score, feedback, failure, charges
traces      the trace of a cell, where traces were asked for
effects     what ops with effects gave in a run of a cell, by their number in it
attempts    every attempt at a call, written before it is sent, settled after: a row for all of a tick
journal     what the search asked for, in order
stops       decisions a rerun must repeat although it could not make them again: time limits, batches that were cut
==========  ===========================================================================================================
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import pydantic_core

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, StudyError
from treadle.compiler.study import mounts
from treadle.compiler.study.clean import clean

Table = Literal["meta", "replies", "cells", "traces", "effects", "attempts", "journal", "stops"]

Mode = Literal["off", "read", "write", "replay"]
"""How stored answers are used. ``write``: used, and new ones kept. ``read``: used, new ones not kept. ``replay``: used,
and a call whose reply is not stored is an error. ``off``: neither used nor kept."""

Row: TypeAlias = tuple[Table, str, str]
"""Table, key and the body's JSON text."""

FILE = "study.sqlite"
_FORMAT = 1
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_log = logging.getLogger(__name__)


class Store:
    """What a study keeps. Opened by any thread, used from one event loop after that.

    Args:
        folder: An existing folder; ``None`` keeps everything in memory.
        mode: See ``Mode``. All but ``write`` leave the folder as it is.
        warn: Called with a sentence when something stored was unusable.

    Raises:
        ConfigurationError: The file system cannot hold the store, or there is nothing to read.
        StudyError: The file was written by another version, or the disk is full.
    """

    def __init__(
        self, folder: Path | None, *, mode: Mode = "write", warn: Callable[[str], None] = _log.warning
    ) -> None:
        if mode not in get_args(Mode):
            msg = f"mode={mode!r}: it is one of {', '.join(get_args(Mode))}"
            raise ConfigurationError(msg)
        self.mode: Mode = mode
        self._warn = warn
        self._pending: list[Row] = []
        self._last: list[tuple[Table, Callable[[], tuple[str, JSON]]]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._scheduled = False
        self._failure: StudyError | None = None
        self._place = str(folder) if folder else "memory"
        self._connection = self._opened(folder)
        # Of a table that was empty the keys are known, so that only what is there is asked for.
        self._keys: dict[str, set[str]] = {table: set() for table in get_args(Table) if not self._has_rows(table)}
        self._connection.text_factory = bytes  # a damaged row may not be UTF-8: the checksum decides, not the decoder

    def _opened(self, folder: Path | None) -> sqlite3.Connection:
        if folder is None or self.mode == "off":
            return _with_tables(_connect(":memory:"))
        if self.mode != "write":
            return _copy_of(folder / FILE)
        mounts.refuse_network(folder)
        try:
            return _open_file(folder / FILE)
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise self._explained(error) from None
        self._warn(
            f"the study file in {folder} is damaged and was kept as {_moved_aside(folder / FILE)}; "
            "the study goes on without it, and what it had spent no longer counts"
        )
        return _open_file(folder / FILE)

    def _has_rows(self, table: Table) -> bool:
        return self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None

    def get(self, table: Table, key: str) -> JSON:
        """The committed row, or ``None``. A row whose checksum is wrong is none, and is warned of."""
        if table in self._keys and key not in self._keys[table]:
            return None
        try:
            found = self._connection.execute(f"SELECT body, mark FROM {table} WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._explained(error) from None
        return None if found is None else self._decoded(table, key, *found)

    def scan(self, table: Table) -> Iterator[tuple[str, JSON]]:
        """All rows by key; the body of a damaged one is ``None``."""
        try:
            rows = self._connection.execute(f"SELECT key, body, mark FROM {table} ORDER BY key").fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from None
        for key, body, mark in rows:
            name = key.decode(errors="replace")
            yield name, self._decoded(table, name, body, mark)

    def _decoded(self, table: Table, key: str, body: object, mark: object) -> JSON:
        if not isinstance(body, bytes) or mark != _mark(table, key, body):
            self._warn(f"a stored row of {table} ({key[:40]}) is damaged and is not used")
            return None
        return _read(body)

    def write(self, table: Table, key: str, body: JSON) -> JSON:
        """Queue a row for this tick's commit and return its body without keys: the same object where it has none.

        Raises:
            StudyError: An earlier commit failed.
            ValueError: The body holds a number JSON cannot.
        """
        self._schedule()
        body, text = clean(body)
        self._pending.append((table, key, text))
        return body

    def write_last(self, table: Table, row: Callable[[], tuple[str, JSON]]) -> None:
        """Have ``row`` called at the end of this tick for the key and body of a row of all that came up in it.

        Raises:
            StudyError: An earlier commit failed.
        """
        self._schedule()
        self._last.append((table, row))

    def _schedule(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def put(self, table: Table, key: str, body: JSON) -> JSON:
        """``write``, and wait for the commit.

        Raises:
            StudyError: The commit failed; nothing of the tick is stored.
        """
        kept = self.write(table, key, body)
        await self.committed()
        return kept

    def committed(self) -> Awaitable[None]:
        """What is awaited until all that is queued now is committed.

        Raises:
            StudyError: The commit failed; raised by awaiting it.
        """
        waiter = asyncio.get_running_loop().create_future()
        if self._scheduled:
            self._waiting.append(waiter)
        else:
            waiter.set_result(None)
        return waiter

    def save(self, rows: Mapping[str, JSON]) -> None:
        """Commit rows of ``meta`` now. For opening a study, before its event loop is in use.

        Raises:
            StudyError: The commit failed.
        """
        try:
            self._write([("meta", key, clean(body)[1]) for key, body in rows.items()])
        except sqlite3.Error as error:
            raise self._explained(error) from None

    def _flush(self) -> None:
        for table, row in self._last:
            key, body = row()
            self._pending.append((table, key, clean(body)[1]))
        self._last.clear()
        rows, waiting = self._pending, self._waiting
        self._pending, self._waiting, self._scheduled = [], [], False
        try:
            if rows:
                self._write(rows)
        except sqlite3.Error as error:
            self._failure = self._explained(error)
        for waiter in waiting:
            if waiter.done():
                continue
            if self._failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(self._failure)

    def _write(self, rows: Sequence[Row]) -> None:
        self._commit(rows)
        for table, key, _ in rows:
            if table in self._keys:
                self._keys[table].add(key)

    def _commit(self, rows: Sequence[Row]) -> None:
        """One transaction. Tests that kill a process replace this."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            table_of = itemgetter(0)
            for table, rows_of in itertools.groupby(sorted(rows, key=table_of), key=table_of):
                marked = [(key, text, _mark(table, key, text.encode())) for _, key, text in rows_of]
                self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", marked)
            run("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def _explained(self, error: sqlite3.Error) -> StudyError:
        if _is_damage(error):
            return StudyError(
                f"the study file in {self._place} is damaged ({error}); the same command goes on without it"
            )
        return StudyError(
            f"the study in {self._place} cannot be written ({error}); make room or give another disk, then run the "
            "same command again: what was stored is kept, and the calls in flight are made again"
        )

    def close(self) -> None:
        """Commit what is queued and close the file; a second call does nothing."""
        self._flush()
        self._connection.close()


def _read(body: bytes) -> JSON:
    try:
        return cast(JSON, pydantic_core.from_json(body))
    except ValueError:  # a lone surrogate
        return cast(JSON, json.loads(body))


def _mark(table: str, key: str, body: bytes) -> bytes:
    """The row's checksum; covers its place, so that a row that wandered is not believed."""
    return hashlib.blake2b(f"{table} {key} ".encode() + body, digest_size=8).digest()


def _connect(place: str, *, uri: bool = False) -> sqlite3.Connection:
    # The study is opened by the user's thread and used by the event loop's: one after the other, never both.
    connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False, uri=uri, timeout=5.0)
    connection.text_factory = _decoded  # a damaged file may hold anything
    return connection


def _decoded(text: bytes) -> str:
    return text.decode(errors="replace")


def _with_tables(connection: sqlite3.Connection) -> sqlite3.Connection:
    known = dict(connection.execute("SELECT name, sql FROM sqlite_schema"))
    for table in get_args(Table):
        definition = f"CREATE TABLE {table} (key TEXT PRIMARY KEY, body TEXT, mark BLOB)"
        if table not in known:
            connection.execute(definition)
        elif known[table] != definition:
            raise _damage(f"the definition of {table} is not ours")
    connection.execute(f"PRAGMA user_version = {_FORMAT}")
    return connection


def _damage(text: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _open_file(path: Path) -> sqlite3.Connection:
    if path.is_symlink():
        msg = f"{path} is a link; a study writes to real files only"
        raise ConfigurationError(msg)
    try:
        os.close(
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        )  # SQLite gives -wal and -shm the same mode
    except OSError as error:
        msg = f"the study folder {path.parent} cannot be written: {error.strerror}; give another with study="
        raise ConfigurationError(msg) from None
    connection = _connect(str(path))
    try:
        _check_format(connection, path)
        (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if journal != "wal":
            msg = f"the file system of {path.parent} cannot hold a study (no write-ahead log); give a local folder"
            raise ConfigurationError(msg)
        connection.execute("PRAGMA synchronous = NORMAL")
        return _with_tables(connection)
    except BaseException:
        connection.close()
        raise


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except UnicodeDecodeError as error:  # SQLite quotes a damaged name in its message, and Python cannot read that
        raise _damage(f"it holds a name that is not UTF-8: {error.reason}") from None
    if verdict != "ok":
        raise _damage(verdict)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, _FORMAT):
        msg = f"{path} was written by another version of Treadle (format {version}, this one writes {_FORMAT})"
        raise StudyError(msg)


def _copy_of(path: Path) -> sqlite3.Connection:
    """The file's rows in memory: what is then written stays there."""
    if not path.is_file():
        msg = f"there is no study in {path.parent} to read"
        raise ConfigurationError(msg)
    how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"  # no -wal: also readable on a read-only disk
    source = _connect(f"{path.resolve().as_uri()}?{how}", uri=True)
    copy = _connect(":memory:")
    try:
        _check_format(source, path)
        source.backup(copy)
    except sqlite3.Error as error:
        msg = f"the study file {path} cannot be read: {error}"
        raise StudyError(msg) from None
    finally:
        source.close()
    return _with_tables(copy)


def _is_damage(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED


def _moved_aside(path: Path) -> Path:
    """Rename the file and its companions; the new name of the file itself."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        companion = Path(f"{path}{ending}")
        if companion.exists():
            companion.rename(f"{aside}{ending}")
    return aside
