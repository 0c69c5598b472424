"""People of a store who keep, or get, more than they should."""

from typing import Any

from planted.registry import plant


@plant("removal without ending sessions", evidence=r"\(False, False\) == \(True, False\)")
def kept_sessions() -> None:
    from identity.usecases import members

    async def nothing(*_given: Any) -> None:
        return

    members.end_sessions = nothing


@plant("a manager may grant every role", evidence="KeyError: .error.")
def any_role() -> None:
    from identity.usecases import members
    from kernel.scope import Role

    members.may_appoint = lambda actor, _role: actor in {Role.OWNER, Role.MANAGER}


@plant("an invitation judged before its lock only", evidence="duplicate")
def judged_early() -> None:
    from identity.usecases import joining

    joining.demand_open = lambda invite: invite
