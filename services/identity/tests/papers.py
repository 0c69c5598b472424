"""Media as media tells of them, and licences that are made with them."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx

from contracts.identity import LicenseStatusChanged
from contracts.media import MediaChanged, MediaKind, MediaStatus
from kernel.clock import business_day
from testkit.world import World

from .people import Person

NOON = timedelta(hours=12)
_numbers = count(1)


def medium_of(
    store_id: UUID | None, kind: MediaKind = "license_doc", status: MediaStatus = "uploaded", **facts: Any
) -> MediaChanged:
    media_id = uuid4()
    mime_type = facts.pop("mime_type", "application/pdf" if kind == "license_doc" else "image/png")
    return MediaChanged(
        media_id=media_id,
        version=2,
        store_id=store_id or uuid4(),
        kind=kind,
        status=status,
        mime_type=mime_type,
        size_bytes=1000,
        file_name="scan",
        gcs_key=f"{store_id}/{kind}/{media_id}.bin",
        uploaded_at=datetime(2026, 1, 1, tzinfo=UTC),
        **facts,
    )


async def a_medium(owner: Person, kind: MediaKind = "license_doc", status: MediaStatus = "uploaded") -> MediaChanged:
    """One of the owner's store, of which identity has heard."""
    medium = medium_of(owner.claims.store_id, kind, status)
    await owner.world.hears(medium)
    return medium


async def becomes(world: World, medium: MediaChanged, status: MediaStatus, **facts: Any) -> MediaChanged:
    """Something about this medium has changed, as media tells it."""
    changed = medium.model_copy(update={"status": status, "version": medium.version + 1, **facts})
    await world.hears(changed)
    return changed


async def submits(person: Person, medium: MediaChanged | UUID, key: str | None = None, **facts: Any) -> httpx.Response:
    media_id = medium if isinstance(medium, UUID) else medium.media_id
    body = {"media_id": str(media_id), "issuing_state": "OK", "type": "grower", "number": f"GAAA-{next(_numbers)}"}
    return await person.does("POST", "/api/v1/licenses", {**body, **facts}, key)


async def a_licence(owner: Person, **facts: Any) -> dict[str, Any]:
    answer = await submits(owner, await a_medium(owner), **facts)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


async def decides(admin: Person, licence: dict[str, Any], decision: str, reason: str | None = None) -> httpx.Response:
    body = {"decision": decision, **({"reason": reason} if reason else {})}
    return await admin.does("POST", f"/api/v1/admin/licenses/{licence['id']}/verify", body)


async def a_verified_licence(admin: Person, owner: Person, days: int | None = None) -> dict[str, Any]:
    """Good for so many more days after today, or for ever."""
    today = business_day(owner.world.clock.now())
    last_day = {} if days is None else {"expiration_date": str(today + timedelta(days=days))}
    licence = await a_licence(owner, **last_day)
    answer = await decides(admin, licence, "verified")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


async def noon(world: World, days: int = 0) -> None:
    """Turn the clock to the next noon in Chicago, so many days on: no test then runs across the end of a day."""
    local = world.clock.now().astimezone(UTC) - timedelta(hours=6)
    midnight = datetime(local.year, local.month, local.day, tzinfo=UTC)
    world.clock.turn(midnight + timedelta(days=1 + days) + NOON - local)


async def licences(person: Person, path: str = "/api/v1/licenses") -> list[dict[str, Any]]:
    answer = await person.does("GET", path)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"]["items"])


async def kyc(owner: Person) -> str | None:
    """As the gateway would believe it, which is the truth."""
    copy = await owner.hot_copy()
    state = await owner.state()
    assert copy is None or copy == state
    return state.kyc_status if state else None


async def statuses_told(world: World) -> list[tuple[str | None, str]]:
    return [(event.previous_status, event.status) for event in await world.emitted(LicenseStatusChanged)]


async def audited(world: World) -> list[str]:
    """What has been done to licences, in order."""
    async with world.db.reader() as db:
        rows = await db.fetch("select action from audit_logs where target_type = 'license' order by seq")
    return [row["action"] for row in rows]
