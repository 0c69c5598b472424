"""first"""

from alembic import op

from chassis.db.floor import create_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_floor(op, "mill")
    op.execute("create table mill.sacks (id uuid primary key, version bigint not null, weight int not null)")
