"""Stand-ins for the cloud that let through what Google would not. What is imported here is heavy, hence late."""

from collections.abc import Mapping

from planted.registry import plant


@plant("signed links without an end", evidence="ExpiredToken")
def endless() -> None:
    from emulators.storage import signatures

    signatures._require_time = lambda *_: None


@plant("headers that nobody signed", evidence="curityHeader")
def unsigned_headers() -> None:
    from emulators.storage import signatures

    require_headers = signatures._require_headers

    def trusting(claim: signatures.Claim, headers: Mapping[str, str]) -> None:
        require_headers(claim, {name: value for name, value in headers.items() if name in claim.headers})

    signatures._require_headers = trusting


@plant("a second put that overwrites", evidence="412")
def overwriting() -> None:
    from emulators.storage.backend import Backend

    async def nothing_is_there(*_: object) -> str:
        return "0"

    Backend._generation = nothing_is_there


@plant("tokens that anybody signs", evidence="DID NOT RAISE")
def any_token() -> None:
    from emulators.storage.account import Account

    Account.accepts = lambda *_: True


@plant("a refused message that is overtaken", evidence="other")
def overtaking() -> None:
    from emulators.pubsub.backlog import Backlog

    give_back = Backlog._give_back

    def hasty(self: Backlog, ack_id: str) -> None:
        key = self._key(self._leases[ack_id].held)
        give_back(self, ack_id)
        self._keys_in_work.discard(key)

    Backlog._give_back = hasty
