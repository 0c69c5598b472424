"""What is generated agrees with the manifests it is generated from."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import contracts
from chassis.manifest import load
from contracts.event import Event
from contracts.identity import StoreChanged
from packhouse.environment import installed_services
from packhouse.generate import documents
from packhouse.generate.catalogue import CONSUMERS
from packhouse.generate.contracts import FOLDER
from packhouse.generate.events import AWAITED, MAP, PAGE, consumers, said, unsaid
from packhouse.generate.markdown import section

ROOT = Path(__file__).parents[3]
SERVICES = [load(name) for name in installed_services()]


def declared() -> Iterator[type[Event]]:
    """Every event that `contracts` names."""
    for found in pkgutil.iter_modules(contracts.__path__, "contracts."):
        for kind in vars(import_module(found.name)).values():
            if isinstance(kind, type) and issubclass(kind, Event) and hasattr(kind, "topic"):
                yield kind


def test_event_map_complete() -> None:
    """Spec 1.9: each event has an emitter and a schema, each ear a mouth, each mouth an ear or a promise of one."""
    made, heard, emitted = documents(ROOT, SERVICES), consumers(SERVICES), said(SERVICES)
    promised = made[AWAITED].splitlines()

    assert {event.topic for event in declared()} == {event.topic for event in emitted}
    assert {FOLDER / "events" / f"{event.topic}.json" for event in emitted} <= set(made)
    assert unsaid(SERVICES) == []
    for event in emitted:
        hearers, planned = heard.get(event.topic, []), CONSUMERS[event.topic]
        waited_for = [name for name in planned if name not in hearers]
        assert set(hearers) <= set(planned), f"{event.topic} is heard by somebody whom the catalogue does not name"
        assert hearers or waited_for, f"{event.topic} is for nobody"
        assert not waited_for or f"| `{event.topic}` | {', '.join(waited_for)} |" in promised
    for path in (MAP, PAGE, AWAITED):
        assert (ROOT / path).read_text(encoding="utf-8") == made[path], f"{path} is stale: make generate"


def test_an_event_that_nobody_says_is_found() -> None:
    assert StoreChanged.topic in unsaid([service for service in SERVICES if service.name != "identity"])


def test_every_service_with_doors_has_a_contract() -> None:
    made = documents(Path(), SERVICES)
    assert {FOLDER / "openapi" / f"{one.name}.json" for one in SERVICES if one.routers} <= set(made)


def test_the_same_manifests_always_give_the_same_documents() -> None:
    assert documents(Path(), SERVICES) == documents(Path(), SERVICES)


def test_a_generated_section_leaves_the_rest_of_a_page_alone(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# orders\n\n<!-- generated: events -->\nold\n<!-- end: events -->\n\nBy hand.\n")
    page.write_text(section(page, "events", "new"))
    assert page.read_text() == "# orders\n\n<!-- generated: events -->\n\nnew\n\n<!-- end: events -->\n\nBy hand.\n"
    assert section(page, "events", "new") == page.read_text()
