"""Runs migrations over the connection, and within the transaction, that the store has opened."""

from alembic import context

from oncall_runbook.record.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
