"""jars"""

from alembic import op

from chassis.db.floor import create_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_floor(op, "pantry")
    op.execute("""
        create table pantry.jars (
            id uuid primary key, store_id uuid not null, name text not null unique, opened int not null default 0,
            created_at timestamptz not null default clock_now())
    """)
