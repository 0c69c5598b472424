"""${message}"""

import sqlalchemy as sa
from alembic import op
% if down_revision is None:

from chassis.db.floor import create_floor, drop_floor
% endif
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
% if down_revision is None:
    create_floor(op, ${repr(config.attributes["service"].name)})
% endif
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
% if down_revision is None:
    drop_floor(op, ${repr(config.attributes["service"].name)})
% endif
