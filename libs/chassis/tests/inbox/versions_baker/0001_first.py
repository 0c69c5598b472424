"""first"""

from alembic import op

from chassis.db.floor import create_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_floor(op, "baker")
    op.execute("""
        create table baker.loaves (
            n bigint generated always as identity primary key, sack_id uuid not null, number int not null,
            baked_at timestamptz not null default clock_timestamp())
    """)
    op.execute("""
        create table baker.sack_views (
            sack_id uuid primary key, source_epoch int not null, version bigint not null, weight int not null)
    """)
