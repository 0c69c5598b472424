"""What identity writes to people."""

from dataclasses import dataclass

from identity.domain.members import INVITE_LIFE, Invite


@dataclass(frozen=True, slots=True)
class Letter:
    """Plain text for one address. It may hold a one-time token, so it is never stored and never logged."""

    to: str
    subject: str
    text: str


def way_in(app_url: str | None, page: str, token: str) -> str:
    """The link to a page of the web app that takes the token, or the bare token where no web app is known.

    The token stands behind `#`: browsers send that part neither to a server nor to the next page's.
    """
    return f"{app_url.rstrip('/')}/{page}#token={token}" if app_url else token


def invitation(invite: Invite, token: str, app_url: str | None) -> Letter:
    """No name of the person stands in it: whoever invites has made it up, and could advertise with it."""
    return Letter(
        to=invite.email,
        subject=f"Join {invite.store_name} on Packhouse",
        text=(
            f"{invite.store_name} invites you to work with them on Packhouse, as {invite.role}.\n\n"
            f"{way_in(app_url, 'accept-invite', token)}\n\n"
            f"This works once, within {INVITE_LIFE.days} days. If you expected no invitation, you need do nothing.\n"
        ),
    )
