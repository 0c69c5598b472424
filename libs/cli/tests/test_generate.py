"""What is generated agrees with the manifests it is generated from."""

from pathlib import Path

from chassis.manifest import load
from packhouse.environment import installed_services
from packhouse.generate import documents
from packhouse.generate.catalogue import CONSUMERS
from packhouse.generate.events import consumers, said, unsaid
from packhouse.generate.markdown import section

SERVICES = [load(name) for name in installed_services()]


def test_everything_that_is_heard_is_said_by_somebody() -> None:
    assert unsaid(SERVICES) == []


def test_every_event_has_its_row_in_the_catalogue_and_nobody_hears_beyond_it() -> None:
    heard = consumers(SERVICES)
    for event in said(SERVICES):
        assert event.topic in CONSUMERS
        assert set(heard.get(event.topic, ())) <= set(CONSUMERS[event.topic])


def test_every_event_and_every_service_with_doors_has_a_contract() -> None:
    made = {str(path) for path in documents(Path(), SERVICES)}
    assert {f"docs/contracts/events/{event.topic}.json" for event in said(SERVICES)} <= made
    assert {f"docs/contracts/openapi/{one.name}.json" for one in SERVICES if one.routers} <= made


def test_the_same_manifests_always_give_the_same_documents() -> None:
    assert documents(Path(), SERVICES) == documents(Path(), SERVICES)


def test_a_generated_section_leaves_the_rest_of_a_page_alone(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# orders\n\n<!-- generated: events -->\nold\n<!-- end: events -->\n\nBy hand.\n")
    page.write_text(section(page, "events", "new"))
    assert page.read_text() == "# orders\n\n<!-- generated: events -->\n\nnew\n\n<!-- end: events -->\n\nBy hand.\n"
    assert section(page, "events", "new") == page.read_text()
