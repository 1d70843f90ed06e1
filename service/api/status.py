"""Health, readiness, status, metrics and self-test."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from service import reading, selftest
from service.api import metrics, status_models
from service.api.wire import StrictRoute, desk_of, raw, reply
from service.version import software

router = APIRouter(route_class=StrictRoute, tags=["status"])


@router.get("/healthz", response_model=status_models.Health, operation_id="healthz")
def healthz() -> Response:
    """Say that the process answers."""
    return reply({"status": "ok"})


@router.get("/readyz", response_model=status_models.Health, operation_id="readyz")
def readyz(request: Request) -> Response:
    """Say that there is an index to answer from; 503 until then."""
    with desk_of(request).live.ask():
        return reply({"status": "ok"})


@router.get("/v1/status", response_model=status_models.StatusAnswer, operation_id="status")
def status(request: Request) -> Response:
    """Return how far each chain is, and with which labels."""
    desk = desk_of(request)
    chains = []
    if desk.live.ready:
        with desk.live.ask() as question:
            chains.append(reading.chain_status(question.ground, desk.settings))
    return reply(
        {
            "software": software(),
            "ready": bool(chains),
            "chains": chains,
            "policies": [policy.name for policy in desk.policies.values()],
            "retention_years": desk.settings.retention_years,
        }
    )


@router.get("/v1/selftest", response_model=status_models.SelfTest, operation_id="selftest")
def run_selftest(request: Request) -> Response:
    """Run synthetic positive controls through the deciding code."""
    return reply(selftest.run(desk_of(request)))


@router.get("/metrics", operation_id="metrics", responses={200: {"content": {"text/plain": {}}}})
def read_metrics(request: Request) -> Response:
    """Return Prometheus metrics of all workers."""
    desk = desk_of(request)
    if desk.live.ready:
        with desk.live.ask() as question:
            metrics.HEIGHT.set(question.ground.generation.height)
            metrics.LAG.set(question.ground.lag())
    response = raw(metrics.exposition())
    response.headers["content-type"] = metrics.CONTENT_TYPE
    return response
