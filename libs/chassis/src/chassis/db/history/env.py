"""Run by alembic for one service; `chassis.db.migrations` hands everything over in the configuration's attributes."""

from alembic import context

from chassis.db.migrations import comparison_options

attributes = context.config.attributes
options = comparison_options(attributes["service"], without=attributes.get("without", frozenset()))
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
else:
    connection = attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=True, **options)
with context.begin_transaction():
    context.run_migrations()
