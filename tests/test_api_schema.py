"""Schemathesis reads our OpenAPI and asks what it can think of: no 5xx, and nothing that is not declared."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import content_type_conformance as types
from schemathesis.specs.openapi.checks import negative_data_rejection as rejection
from schemathesis.specs.openapi.checks import response_schema_conformance as shapes
from schemathesis.specs.openapi.checks import status_code_conformance as codes
from schemathesis.specs.openapi.schemas import OpenApiSchema

from service.api.app import create_app
from service.settings import Settings
from tests.service_world import world
from tests.test_api_workers import serving

BOUNDED = settings(
    max_examples=10,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = sorted(
    operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()
)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenApiSchema]:
    """Serve the demo world and load what it says of itself."""
    folder = tmp_path_factory.mktemp("schema")
    with serving(_linked(folder), 1, folder / "log") as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


def _linked(folder: Path) -> Path:
    """Return a data directory with the world's lake and index, and records of its own."""
    data = folder / "data"
    data.mkdir()
    for name in ("lake", "index", "labels"):
        (data / name).symlink_to(world().data / name)
    return data


@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_asked_is_answered_as_declared(schema: OpenApiSchema, name: str) -> None:
    """Valid and invalid requests alike: a declared status, a declared media type, a body of the declared shape."""
    operation = schema.find_operation_by_id(name)
    known = {
        "address": [case.address for case in world().story.screenings],
        "chain": ["bitcoin"],
        "txid": list(world().story.coinjoins),
        "id": [*(case.address for case in world().story.screenings[:3]), "hinode"],
    }

    @BOUNDED
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy())
        for part, values in known.items():
            if part in case.path_parameters and data.draw(st.booleans()):
                case.path_parameters[part] = data.draw(st.sampled_from(values))
        case.call_and_validate(checks=[schemathesis.checks.not_a_server_error, codes, types, shapes])

    ask()


@pytest.mark.parametrize("name", ["screen", "screenings", "search", "sanctions", "address_transactions"])
def test_what_breaks_the_declaration_is_refused(schema: OpenApiSchema, name: str) -> None:
    """Requests that break the declared types, bounds or fields get a 4xx."""
    operation = schema.find_operation_by_id(name)

    @BOUNDED
    @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    def ask(case: Any) -> None:
        case.call_and_validate(checks=[schemathesis.checks.not_a_server_error, codes, rejection])

    ask()
