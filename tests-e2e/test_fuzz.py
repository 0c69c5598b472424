"""Whatever is sent, no operation fails and every answer is one that its reference describes (acceptance 5, F-I1)."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from cast import Cast, assemble
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from operations import Operation, all_operations, service_reference
from passes import Passes
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.api.own_reference import OWN_REFERENCE
from packhouse.environment import EDGE, installed_services
from packhouse.stack import Stack

EXAMPLES = 30
SEED = 20_261_122
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@dataclass
class Fuzzing:
    """Who asks, and how the operations answered so far."""

    cast: Cast
    passes: Passes
    session: requests.Session = field(default_factory=requests.Session)
    answers: Counter[str] = field(default_factory=Counter)

    def headers(self, operation: Operation, path: str) -> dict[str, str]:
        """What the gateway sends along to a service, or a service to another; at the gateway the bearer."""
        if operation.is_internal:
            issuer = min(operation.listed & set(installed_services()))
            return self.passes.service_token(issuer, operation.service)
        caller = self.cast.who_may(operation)
        if operation.service == EDGE:
            return caller.bearer
        bearer = caller.bearer if operation.who == "bearer" else {}
        return bearer | self.passes.context(caller.context, operation.service, operation.method, path)


@pytest.fixture(scope="module")
async def cast(stack: Stack) -> AsyncIterator[Cast]:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30) as http:
        yield await assemble(stack, http)


@pytest.fixture(scope="module")
def fuzzing(stack: Stack, cast: Cast) -> Iterator[Fuzzing]:
    fuzzed = Fuzzing(cast, Passes(stack))
    yield fuzzed
    count = len(all_operations())
    print(f"\nseed {SEED}, {EXAMPLES} examples for each of {count} operations, answers: {dict(fuzzed.answers)}")


@cache
def _schema(service: str) -> Any:
    return schemathesis.openapi.from_dict(OWN_REFERENCE if service == EDGE else service_reference(service))


def cases(operation: Operation) -> st.SearchStrategy[Case]:
    """Requests as the reference describes them, and as it forbids them."""
    described = _schema(operation.service)[operation.path][operation.method]
    good = described.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.reference.get("parameters") or operation.takes_body):
        return good
    return st.one_of(good, described.as_strategy(generation_mode=GenerationMode.NEGATIVE))


@pytest.mark.parametrize("operation", all_operations(), ids=lambda operation: operation.name)
def test_every_answer_is_described_and_none_is_a_failure(fuzzing: Fuzzing, operation: Operation) -> None:
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(operation))
    def fuzz(case: Case) -> None:
        headers = fuzzing.headers(operation, case.formatted_path)
        response = case.call(base_url=fuzzing.passes.url(operation.service), session=fuzzing.session, headers=headers)
        fuzzing.answers[f"{response.status_code // 100}xx"] += 1
        case.validate_response(response, checks=CHECKS)

    fuzz()
