"""What a session may reach at all (spec 1.6). Roles inside a store are the services' business."""

from contracts.identity import SessionState
from gateway.domain.routes import ALLOWED_BEFORE_NEW_PASSWORD, needs_store
from kernel.refusal import Forbidden
from kernel.scope import SystemRole

_GROUPS = {"admin": SystemRole.ADMIN, "agent": SystemRole.AGENT}


def guard_group(path: str, session: SessionState) -> None:
    """Refuse everything but a new password where one is due, and the agents' and admins' groups to everybody else."""
    if session.must_change_password and path not in ALLOWED_BEFORE_NEW_PASSWORD:
        raise Forbidden("must_change_password")
    group = path.split("/", 4)[3] if path.startswith("/api/v1/") else ""
    required = _GROUPS.get(group)
    if required is not None and session.system_role is not required:
        raise Forbidden("role_missing")


def guard_store(path: str, session: SessionState) -> None:
    """Refuse a path that acts for a store to a session that has none."""
    if session.store_id is None and needs_store(path):
        raise Forbidden("store_context_missing", "store context missing")
