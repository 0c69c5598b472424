"""The plans of the list and of the clocks on 20,000 files of 100 stores: an index, no scan, no sort."""

from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from media.domain.media import Kind, Status
from media.repo.media import BY_KEY, DUE_FOR_DELETION, NEWEST

from .conftest import House

FILL = """
insert into media.media (id, store_id, user_id, kind, status, former_status, gcs_key, file_name, mime_type, size_bytes,
                         created_at, delete_requested_at)
select gen_random_uuid(), md5((n % 100)::text)::uuid, md5(n::text)::uuid,
       case when n % 2 = 0 then 'product' else 'coa' end,
       case when n % 500 = 0 then 'delete_requested' else 'uploaded' end, case when n % 500 = 0 then 'uploaded' end,
       'key ' || n, 'scan ' || n || '.png', 'image/png', 1, now() - n * interval '1 minute',
       case when n % 500 = 0 then now() - interval '1 hour' end
  from generate_series(1, 20000) n
"""
STORE = UUID("c4ca4238-a0b9-2382-0dcc-509a6f75849b")
"""The second of a hundred."""


@pytest.fixture
async def explain(house: House) -> Any:
    """Answers the nodes of a statement's plan, as a prepared statement gets it once it is used often."""
    admin = await asyncpg.connect(house.world.admin_url, server_settings={"search_path": "media, public"})
    await admin.execute(FILL)
    await admin.execute("vacuum analyze media.media")
    await admin.close()

    async def explained(statement: str, *args: Any) -> list[str]:
        async with house.world.db.reader() as db:
            rows = await db.fetch(f"explain {statement}", *args)
        return [row[0] for row in rows]

    return explained


async def test_a_page_reads_its_index_backwards(explain: Any) -> None:
    for kind, status in product((None, Kind.COA), (None, Status.UPLOADED)):
        plan = await explain(NEWEST, STORE, kind, status, None, None, None, None, 26)

        assert "Index Scan Backward using ix_media_store_newest" in "\n".join(plan), plan
        assert not [line for line in plan if "Sort" in line or "Seq Scan" in line]


async def test_what_is_due_is_found_by_its_status(explain: Any) -> None:
    for place in ((None, None), (datetime(2026, 1, 1, tzinfo=UTC), STORE)):
        plan = await explain(DUE_FOR_DELETION, *place, 100)

        assert "ix_media_status_created_at" in "\n".join(plan), plan
        assert not [line for line in plan if "Seq Scan" in line]


async def test_a_key_is_found_at_once(explain: Any) -> None:
    assert "uq_media_gcs_key" in "\n".join(await explain(BY_KEY, "key 7"))
