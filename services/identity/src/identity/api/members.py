"""The people of a store: who belongs to it, who is invited, and in which role."""

from uuid import UUID

from chassis.web import OM, Answer, Caller, Router, member, no_content, reply
from identity import queries
from identity.api.member_schemas import InviteBody, InvitedView, InviteView, MembersView, MemberView, RoleBody
from identity.clients.mail import Mailer
from identity.domain.letters import invitation
from identity.flows import members as flows
from identity.flows.hot_copies import changing
from identity.usecases import members

router = Router(prefix="/api/v1/stores/me", tags=["members"])

TOKEN_FIELDS = frozenset({"invite_token"})


@router.get("/users", allow=member(OM), answers=MembersView, reasons=("role_missing", "store_context_missing"))
async def list_members(call: Caller) -> Answer:
    """Active members, then open invitations; each by age."""
    async with call.reader() as db:
        return reply(MembersView.of(*await queries.people_of_store(db, call.scope)))


@router.post(
    "/users/invite",
    allow=member(OM),
    answers=InvitedView,
    status=201,
    reasons=("duplicate", "role_missing", "store_context_missing"),
)
async def invite_member(call: Caller, body: InviteBody) -> Answer:
    """The token goes out by mail, or into this answer where there is none. An older one of the same e-mail is void."""
    announced = await flows.announce(call, body.guest())
    mailer = call.client(Mailer)
    shown = None if mailer.is_configured else announced.token
    async with call.transaction() as tx:
        invite = await members.invite(tx, call.scope, announced.new, announced.email_mark)
        view = InvitedView(invite=InviteView.of(invite), invite_token=shown)
        answer = tx.answer(view, unstored=TOKEN_FIELDS)
    mailer.post(invitation(invite, announced.token, call.settings.app_url))
    return answer


@router.delete("/invites/{invite_id}", allow=member(OM), status=204, reasons=("role_missing", "store_context_missing"))
async def revoke_invite(call: Caller, invite_id: UUID) -> Answer:
    async with call.transaction() as tx:
        await members.revoke_invite(tx, call.scope, invite_id)
    return no_content()


@router.patch(
    "/users/{user_id}",
    allow=member(OM),
    answers=MemberView,
    reasons=("last_owner", "role_missing", "store_context_missing"),
)
async def change_member_role(call: Caller, user_id: UUID, body: RoleBody) -> Answer:
    async with call.reader() as db:
        sids = await queries.live_sessions_of_member(db, call.scope, user_id)
    async with changing(call, sids) as change, call.transaction() as tx:
        changed = await members.change_role(tx, change, call.scope, call.user, user_id, body.role)
        return tx.answer(MemberView.model_validate(changed))


@router.delete(
    "/users/{user_id}", allow=member(OM), status=204, reasons=("last_owner", "role_missing", "store_context_missing")
)
async def remove_member(call: Caller, user_id: UUID) -> Answer:
    """Their sessions in this store are over before this is answered."""
    async with call.reader() as db:
        sids = await queries.live_sessions_of_member(db, call.scope, user_id)
    async with changing(call, sids) as change, call.transaction() as tx:
        await members.remove(tx, change, call.scope, call.user, user_id)
    return no_content()
