"""The store: SQLite of one's own, or a PostgreSQL that a team shares; transactions on either."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, make_url, text

from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.run.run_files import incidents_path

HEAD = "0001"  # the newest revision in migrations/versions
_BUSY_SECONDS = 15
_FORMS = "postgresql://user@host/name or sqlite:////path"
_MIGRATING = 0x52756E62  # any number that nobody else locks


class StoreError(RunbookError):
    """The store cannot be used; what was to be written is not."""


class _Undo(Exception):
    """Takes a transaction back."""


class Store:
    """A store that is known to have the tables this version needs."""

    def __init__(self, given: str | None) -> None:
        """Open the store of a URL, else the user's own; raise BadInputError or StoreError."""
        self.url = _url(given)
        try:
            self._engine = _engine(self.url)
            self._migrate()
        except (exc.SQLAlchemyError, OSError) as error:
            raise self._broken(error) from error

    def __str__(self) -> str:
        """Say where it is, without its password, which may stand in the query as well."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes: committed at its end, rolled back by an exception."""
        with self._transaction(writes=True) as connection:
            yield connection

    @contextlib.contextmanager
    def undone(self) -> Iterator[Connection]:
        """Open a transaction that writes and is taken back at its end: what would be."""
        with contextlib.suppress(_Undo), self.write() as connection:
            yield connection
            raise _Undo

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                connection.execution_options(writes=writes)
                with connection.begin():
                    yield connection
        except exc.SQLAlchemyError as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> StoreError:
        said = str(getattr(error, "orig", None) or error).strip().splitlines() or [
            "no reason given"
        ]
        return StoreError(f"the store {self} cannot be used: {said[0]}; next: runbook doctor")

    def _migrate(self) -> None:
        """Bring the tables to what this version needs, unless they are; one at a time."""
        if self._is_current():
            return
        with self.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
            found = _revision(connection)
            if found is not None and found > HEAD:
                raise StoreError(f"the store {self} was made by a newer runbook; upgrade this one")
            if found != HEAD:
                _upgrade(connection)

    def _is_current(self) -> bool:
        """Ask the short way first: whether there is a table costs more than what stands in it."""
        missing = exc.OperationalError if self._engine.name == "sqlite" else exc.ProgrammingError
        try:
            with self._engine.connect().execution_options(writes=False) as connection:
                return _written(connection) == HEAD
        except missing:
            return False


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return _written(connection)


def _written(connection: Connection) -> str | None:
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _url(given: str | None) -> URL:
    if not given:
        return URL.create("sqlite", database=str(incidents_path()))
    try:
        url = make_url(given)
    except (exc.ArgumentError, ValueError) as error:  # a port that is no number
        raise BadInputError(f"--store is no URL; write {_FORMS}") from error
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise BadInputError(f"--store {kind}: a store is {_FORMS}")
    if kind == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadInputError(f"--store would be forgotten at once; write {_FORMS}")
    return url.set(drivername="postgresql+psycopg" if kind == "postgresql" else "sqlite")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    options = "-c lock_timeout=15s -c statement_timeout=30s"
    try:
        return create_engine(url, connect_args={"connect_timeout": 5, "options": options})
    except ImportError as error:
        raise StoreError(
            "PostgreSQL needs its driver; next: pip install 'oncall-runbook[postgresql]'"
        ) from error


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    # The driver would begin a transaction late, and by itself; a writer takes its turn at once.
    @event.listens_for(engine, "connect")
    def by_hand(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
