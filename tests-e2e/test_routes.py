"""The gateway's table and the services' manifests agree (spec 11)."""

from collections import Counter
from uuid import uuid4

from operations import Operation, all_operations

from gateway.domain.routes import SERVICES, RouteTable
from packhouse.environment import EDGE

AT_THE_EDGE = {"/.well-known/jwks.json"}
"""What the gateway answers in the place of the service that has it too."""


def test_route_table_covers_every_service_route_once() -> None:
    """Each public route of a service leads there and nowhere else; internal ones lead nowhere."""
    table = RouteTable(frozenset(SERVICES))
    of_services = [one for one in all_operations() if one.service != EDGE and one.path not in AT_THE_EDGE]

    def leads_astray(operation: Operation) -> bool:
        route = table.find(operation.at(str(uuid4())))
        return (route and route.service) != (None if operation.is_internal else operation.service)

    assert [one.name for one in of_services if leads_astray(one)] == []
    public = Counter((one.method, one.path) for one in of_services if not one.is_internal)
    assert max(public.values()) == 1
    print(f"{len(public)} public routes, each of one service")
