"""Sessions as the gateway reads them, in Redis (spec 1.6).

A copy lives 5 minutes and is only ever a convenience: where it is missing, or says `ask`, the gateway asks identity.
Each change of a session first marks its copy `ask` under a nonce of its own, then commits, then writes the new state
and takes its nonce back; the copy says `ask` as long as any nonce is out, so a process that dies between leaves a
question behind and never a stale yes. The writing script compares (membership_version, generation), which grow with
each change, and never replaces a newer or a revoked copy.
"""

import asyncio
import time
from collections.abc import Collection
from uuid import UUID

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from chassis.telemetry import get_logger
from contracts.identity import SESSION_KEY, USER_SESSIONS_KEY, SessionState

LIFE_SECONDS = 300
PATIENCE_SECONDS = 0.5
"""As long as a request may wait for Redis; a slow one is treated like one that is away."""

REST_SECONDS = 1.0
"""After that Redis is left alone for a while, so that its absence costs one request its patience and not every one."""

FILLS_MAX = 100

CHANGES_KEY = "pf:session:changes:{sid}"

_log = get_logger("identity.hot_copies")

_MARK = """
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
local held = redis.call('GET', KEYS[1])
if held then
  local copy = cjson.decode(held)
  copy.ask = true
  redis.call('SET', KEYS[1], cjson.encode(copy), 'KEEPTTL')
end
"""

_WRITE = """
if ARGV[2] ~= '' then redis.call('SREM', KEYS[2], ARGV[2]) end
local under_change = redis.call('SCARD', KEYS[2]) > 0
local held = redis.call('GET', KEYS[1])
local new = cjson.decode(ARGV[1])
if held then
  local copy = cjson.decode(held)
  local newer = copy.membership_version > new.membership_version or copy.generation > new.generation
  if newer or (copy.revoked and not new.revoked) then
    copy.ask = under_change
    redis.call('SET', KEYS[1], cjson.encode(copy), 'KEEPTTL')
    return 0
  end
end
new.ask = under_change
redis.call('SET', KEYS[1], cjson.encode(new), 'EX', ARGV[3])
if new.revoked then
  redis.call('SREM', KEYS[3], new.sid)
else
  redis.call('SADD', KEYS[3], new.sid)
  redis.call('EXPIRE', KEYS[3], ARGV[3])
end
return 1
"""


class HotCopies:
    """Never raises for a Redis that is away: each call tells what it reached."""

    def __init__(self, redis: Redis) -> None:
        self._mark = redis.register_script(_MARK)
        self._write = redis.register_script(_WRITE)
        self._away_until = 0.0
        self._fills: set[asyncio.Task[frozenset[UUID]]] = set()

    async def mark(self, sids: Collection[UUID], nonce: str) -> frozenset[UUID]:
        """Make the gateway ask about these sessions from now on; answers those of which that is certain."""
        marked = set()
        for sid in sids:
            keys = [SESSION_KEY.format(sid=sid), CHANGES_KEY.format(sid=sid)]
            if not await self._reached(self._mark, keys, [nonce, LIFE_SECONDS]):
                break
            marked.add(sid)
        return frozenset(marked)

    async def write(self, states: Collection[SessionState], nonce: str = "") -> frozenset[UUID]:
        """Show these states, and end the change that `nonce` began; answers the sessions that were reached."""
        written = set()
        for state in states:
            keys = [
                SESSION_KEY.format(sid=state.sid),
                CHANGES_KEY.format(sid=state.sid),
                USER_SESSIONS_KEY.format(user_id=state.user_id),
            ]
            if not await self._reached(self._write, keys, [state.model_dump_json(), nonce, LIFE_SECONDS]):
                break
            written.add(state.sid)
        return frozenset(written)

    def fill(self, state: SessionState) -> None:
        """Show a state that somebody waits for, without letting them wait for Redis too."""
        if len(self._fills) < FILLS_MAX:
            task = asyncio.create_task(self.write([state]))
            self._fills.add(task)
            task.add_done_callback(self._fills.discard)

    async def close(self) -> None:
        """Finish what is being filled."""
        await asyncio.gather(*self._fills)

    async def _reached(self, script: AsyncScript, keys: list[str], arguments: list[str | int]) -> bool:
        """Whether the script ran. One that got no answer in time may have run all the same, which does no harm."""
        if time.monotonic() < self._away_until:
            return False
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await script(keys=keys, args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + REST_SECONDS
            _log.warning("hot_copies.redis_away", error=type(error).__name__)
            return False
        return True
