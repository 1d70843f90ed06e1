"""The application: routes, lifespan, errors, OpenAPI. Workers make it from the environment by `app()`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api import addresses, names, screenings, status, trails
from service.api.guard import Callers, Guard
from service.api.openapi import describe
from service.api.problems import ProblemError, faults_of, render
from service.desk import Desk
from service.settings import Settings, settings
from service.version import software

CODES = {404: "no_such_path", 405: "method_not_allowed", 400: "malformed"}


def create_app(chosen: Settings) -> FastAPI:
    """Return the application for these settings; nothing is opened before it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = chosen.cursors
        desk = await anyio.to_thread.run_sync(Desk.open, chosen)
        app.state.desk = desk
        app.state.callers = Callers(desk.records, chosen.rate_limit)
        await anyio.to_thread.run_sync(desk.live.start)
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(desk.close)

    app = FastAPI(
        title="Tadoru",
        version=software(),
        lifespan=lifespan,
        docs_url=None,  # the pages would load scripts from elsewhere; nothing leaves the premises
        redoc_url=None,
    )
    for module in (screenings, addresses, trails, names, status):
        app.include_router(module.router)
    app.add_middleware(Guard, settings=chosen, callers=lambda: app.state.callers)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    describe(app)
    return app


def app() -> FastAPI:
    """Return the application for the settings of the environment."""
    chosen = settings()
    logging.basicConfig(level=chosen.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return create_app(chosen)


def _invalid(request: Request, error: Exception) -> Response:
    errors: Any = error.errors() if isinstance(error, RequestValidationError) else []
    return render(faults_of(errors), request.scope["request_id"], request.url.path)


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = CODES.get(error.status_code, "http_error")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    problem = ProblemError(error.status_code, code, detail, headers=error.headers)
    return render(problem, request.scope["request_id"], request.url.path)
