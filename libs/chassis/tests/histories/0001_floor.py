"""The floor and nothing else."""

from alembic import op

from chassis.db.floor import create_floor, drop_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_floor(op, "other")


def downgrade() -> None:
    drop_floor(op, "other")
