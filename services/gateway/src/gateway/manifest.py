"""The gateway: no tables and no events, one edge."""

from chassis.manifest import Service
from gateway.api.assembly import edge, open_upstreams
from gateway.api.protocol import guarded
from gateway.clients.upstreams import Upstreams
from gateway.settings import Settings

SERVICE = Service(name="gateway", settings=Settings, clients={Upstreams: open_upstreams}, edge=edge, protocol=guarded)
