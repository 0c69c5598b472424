"""What the wire sees of the people of a store, and of invitations."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from chassis.web import Body, Email, Name
from identity.api.schemas import GivenPassword, View
from identity.domain.members import Invite, Member
from identity.domain.people import MembershipStatus
from identity.flows.members import Acceptance, Guest
from kernel.scope import Role


class InviteBody(Body):
    email: Email
    first_name: Name
    last_name: Name
    role: Role

    def guest(self) -> Guest:
        return Guest(email=self.email, first_name=self.first_name, last_name=self.last_name, role=self.role)


class RoleBody(Body):
    role: Role


class AcceptInviteBody(Body):
    """The password is the account's own where the e-mail has one; else it is set, with 8 to 128 characters."""

    token: Annotated[str, Field(min_length=1, max_length=256)]
    password: GivenPassword
    first_name: Name | None = None
    last_name: Name | None = None

    def acceptance(self) -> Acceptance:
        return Acceptance(
            token=self.token, password=self.password, first_name=self.first_name, last_name=self.last_name
        )


class MemberView(View):
    """Somebody who belongs to the store, or is invited to: then there is an `invite_id`, and no user is told."""

    membership_id: UUID | None = None
    invite_id: UUID | None = None
    store_id: UUID
    user_id: UUID | None = None
    email: str
    first_name: str
    last_name: str
    role: Role
    membership_status: MembershipStatus
    created_at: datetime
    last_login_at: datetime | None = None


class InviteView(MemberView):
    expires_at: datetime

    @classmethod
    def of(cls, invite: Invite) -> Self:
        shown = invite.model_dump(include=set(cls.model_fields))
        return cls(invite_id=invite.id, membership_status=MembershipStatus.INVITED, **shown)


class MembersView(View):
    items: list[MemberView]

    @classmethod
    def of(cls, members: list[Member], invites: list[Invite]) -> Self:
        joined = [MemberView.model_validate(member) for member in members]
        return cls(items=[*joined, *map(InviteView.of, invites)])


class InvitedView(View):
    """`invite_token` is told once, and only where there is no mail to send it by."""

    invite: InviteView
    invite_token: str | None = None
