"""GET /v1/entities, search, lists, sanctions, categories and methods: what is known by name."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from service import answers, catalogue
from service.answers import Json
from service.api import reads, who_models
from service.api.method_models import MethodsAnswer
from service.api.wire import DEFAULT_PAGE, Cursor, Limit, StrictRoute, ask, pinned_page, read_cursor, reply
from service.desk import Desk
from service.live import Question

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["catalogue"])


@router.get("/entities/{id}", response_model=who_models.EntityAnswer, operation_id="entity")
def entity(request: Request, entity_id: Annotated[str, Path(alias="id", min_length=1, max_length=200)]) -> Response:
    """Return a real-world party with its listings."""
    return ask(request, None, lambda question, _: catalogue.entity(question, entity_id))


@router.get("/entities/{id}/relations", response_model=who_models.RelationsAnswer, operation_id="relations")
def relations(request: Request, entity_id: Annotated[str, Path(alias="id", min_length=1, max_length=200)]) -> Response:
    """Return who owns, operates, succeeds, hides in or fronts for whom, and how the party counts as listed by that."""
    return ask(request, None, lambda question, _: catalogue.related(question, entity_id))


@router.get("/search", response_model=reads.SearchAnswer, operation_id="search")
def search(request: Request, q: Annotated[str, Query(min_length=2, max_length=128)]) -> Response:
    """Find addresses, transactions, entities and labels by their exact text or how they begin."""
    return ask(request, None, lambda question, _: {"items": catalogue.search(question, q)})


@router.get("/lists", response_model=reads.ListsAnswer, operation_id="lists")
def lists(request: Request) -> Response:
    """Return the legal lists with date and hash."""
    return ask(
        request,
        None,
        lambda question, _: {
            "items": catalogue.lists(question.cursor),
            "as_of": answers.as_of(question.ground),
        },
    )


@router.get("/sanctions", response_model=reads.SanctionsPage, operation_id="sanctions")
def sanctions(
    request: Request,
    status: Literal["sanctioned", "removed"] | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Response:
    """List listing intervals of addresses, removals included."""
    place = read_cursor(cursor, 2)

    def pinned(question: Question, _: Desk) -> Json:
        return pinned_page(
            question, place, lambda after: catalogue.sanctions(question, status, limit, after[0] if after else None)
        )

    return ask(request, None, pinned)


@router.get("/categories", response_model=reads.CategoriesAnswer, operation_id="categories")
def categories() -> Response:
    """Return the taxonomy."""
    return reply({"items": catalogue.categories()})


@router.get("/methods", response_model=MethodsAnswer, operation_id="methods")
def methods() -> Response:
    """Return the rules with version, failure modes and measured error."""
    return reply(catalogue.methods())
