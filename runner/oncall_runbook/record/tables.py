"""The tables of the store; times are milliseconds since the epoch, and changes are migrations."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()


def _of_incident(*, primary_key: bool = False) -> Column[int]:
    target = ForeignKey("incidents.id")
    return Column("incident", target, nullable=False, primary_key=primary_key)


incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("card", String(100)),
    Column("severity", String(10), nullable=False),
    Column("severity_reason", Text, nullable=False),
    Column("severity_by_person", Boolean, nullable=False),
    Column("status", String(20), nullable=False),
    Column("impact", Text),
    Column("owner", Text),
    Column("eta", BigInteger),
    Column("began", BigInteger),
    Column("detected", BigInteger, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("acknowledged", BigInteger),
    Column("acknowledged_by", Text),
    Column("mitigated", BigInteger),
    Column("resolved", BigInteger),
    # What the policy said when the ladder was set up; until then `armed` is false.
    Column("armed", Boolean, nullable=False),
    Column("response_due", BigInteger),
    Column("update_minutes", Integer),
    Column("update_due", BigInteger),
    Column("update_sent", String(64)),  # sha256 of the last status update
    Column("review_hours", Integer),  # none: this severity needs no review
    Column("review_state", String(20), nullable=False),
    Column("review_due", BigInteger),
    Column("root_cause", Text),
    Column("resolution", Text),
    Column("prevention", Text),
    Column("opened_by_run", String(40), unique=True),
    Index("incidents_open", "resolved", "opened"),
)

hosts = Table(
    "hosts",
    metadata,
    _of_incident(primary_key=True),
    Column("host", String(255), primary_key=True),
    Column("verdict", String(20)),
    Column("judged", BigInteger),
)

runs = Table(
    "runs",
    metadata,
    _of_incident(primary_key=True),
    Column("run", String(40), primary_key=True),
)

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_incident(),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("run", String(40)),
    Column("host", String(255)),
    Column("data", JSON, nullable=False),
    Column("key", String(400)),  # what is written twice has the same, and stands here once
    UniqueConstraint("incident", "key"),
    Index("entries_at", "incident", "at"),
)

steps = Table(
    "steps",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_incident(),
    Column("position", Integer, nullable=False),
    Column("after_minutes", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("note", Text, nullable=False),
    Column("state", String(20), nullable=False),  # waiting, sent, stopped, expired
    Column("sent", BigInteger),
    Index("steps_due", "state", "due"),
    Index("steps_of", "incident"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_incident(),
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),  # page, update, reminder
    Column("role", String(100), nullable=False),
    Column("channel", String(200), nullable=False),
    Column("fingerprint", String(16), nullable=False),  # of the address, which is a secret
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column(
        "state", String(20), nullable=False
    ),  # queued, sending, sent, failed, unknown, cancelled
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("sent", BigInteger),
    Column("claimed_by", String(300)),
    Column("claimed", BigInteger),
    Column("error", Text, nullable=False),
    Index("messages_due", "state", "next_at"),
    Index("messages_of", "incident"),
)

items = Table(
    "items",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_incident(),
    Column("text", Text, nullable=False),
    Column("owner", Text),
    Column("deadline", String(10)),
    Column("done", BigInteger),
    Index("items_of", "incident"),
)
