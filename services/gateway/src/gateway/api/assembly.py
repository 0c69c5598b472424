"""Puts the edge together out of one process's open resources."""

from chassis.floor import Floor
from chassis.limits import Limits
from gateway.api.edge import Edge
from gateway.api.own import OwnRoutes
from gateway.api.own_reference import OWN_REFERENCE
from gateway.api.rates import Rates
from gateway.clients.access_tokens import AccessTokens
from gateway.clients.health import Health
from gateway.clients.identity import Identity
from gateway.clients.reference import Reference
from gateway.clients.sessions import Sessions
from gateway.clients.upstreams import Upstreams
from gateway.domain.addresses import ClientAddress
from gateway.domain.cors import Cors
from gateway.domain.routes import SERVICES, RouteTable, anonymous_paths
from gateway.settings import Settings


def edge(floor: Floor) -> Edge:
    """The gateway's ASGI app."""
    settings = _settings(floor)
    upstreams = floor.client(Upstreams)
    identity = Identity(upstreams, floor.calls("identity"), floor.signing_key)
    tokens = AccessTokens(identity.key_set, floor.clock)
    is_production = settings.environment == "production"
    return Edge(
        tokens=tokens,
        sessions=Sessions(floor.redis, identity.session),
        upstreams=upstreams,
        routes=RouteTable(upstreams.services),
        own=OwnRoutes(
            tokens, Health(floor.redis, tokens, upstreams), Reference(upstreams, OWN_REFERENCE), settings.environment
        ),
        limits=Limits.of(floor.redis, settings),
        rates=Rates(settings),
        addresses=ClientAddress(settings.trusted_proxies, settings.trusted_hops),
        cors=Cors(settings.cors_origins),
        key=floor.signing_key,
        anonymous=anonymous_paths(production=is_production),
        metrics_networks=settings.metrics_networks,
        is_production=is_production,
    )


def open_upstreams(floor: Floor) -> Upstreams:
    """The HTTP session to the services that this installation has; the floor closes it."""
    settings = _settings(floor)
    return Upstreams({name: settings.addresses(name) for name in SERVICES}, settings.upstream_connections)


def _settings(floor: Floor) -> Settings:
    if not isinstance(floor.settings, Settings):
        raise TypeError("the gateway needs its own settings")
    return floor.settings
