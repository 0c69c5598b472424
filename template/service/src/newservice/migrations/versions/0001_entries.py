"""The floor, and entries."""

from alembic import op

from chassis.db.floor import create_floor, drop_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ENTRIES = """
create table newservice.entries (
    id uuid not null,
    store_id uuid not null,
    title text not null,
    title_key text not null,
    created_at timestamptz default clock_now() not null,
    constraint pk_entries primary key (id),
    constraint uq_entries_store_id_title_key unique (store_id, title_key),
    constraint ck_entries_title check (char_length(title) <= 200)
)
"""


def upgrade() -> None:
    create_floor(op, "newservice")
    op.execute(_ENTRIES)
    op.execute("create index ix_entries_newest on newservice.entries (store_id, created_at, id)")


def downgrade() -> None:
    op.execute("drop table newservice.entries")
    drop_floor(op, "newservice")
