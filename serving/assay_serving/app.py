"""The Ray Serve application: one deployment, ingress and predictor in one, so that a request crosses no more processes.

serve run serving/config.yaml
"""
# No `from __future__ import annotations` here: Ray Serve looks at the class in build's signature to check its argument.

import asyncio
import sys
from functools import lru_cache
from typing import Any

import numpy as np
from fastapi import FastAPI
from ray import serve
from ray.serve.config import BackpressureConfig
from ray.serve.context import _get_global_client

from assay_serving import gate, processes, settings, shadow
from assay_serving.desk import Desk, load_here
from assay_serving.settings import ModelRef, Plan, ServeArgs
from assay_serving.shadow import Mirror
from assay_serving.web import create_app

# The desk answers the overloaded client itself, in JSON, from MAX_WAITING on. Serve's own limits lie a little beyond:
# its answer is plain text, and a replica that is full at Serve's limit would leave health checks in the queue.
MAX_ONGOING = settings.MAX_BATCH_REQUESTS + settings.MAX_WAITING + 64

SHADOW_APP = "assay-shadow"  # the application beside ours, found by this name when there is a shadow to ask

# Python lets a thread compute for 5 ms before another may run, so every event loop of the replica waits that long for
# a predict call. Measured with 8 clients on a busy machine: health checks p50 34 ms -> 18 ms, predictions 16 -> 13 ms.
SWITCH_INTERVAL_S = 0.000_5


@serve.deployment(
    name="Model",
    max_ongoing_requests=MAX_ONGOING,
    max_queued_requests=settings.MAX_WAITING,
    backpressure_config=BackpressureConfig(status_code=503, retry_after_s=settings.RETRY_AFTER_S),
    health_check_period_s=2,
    health_check_timeout_s=5,
    graceful_shutdown_timeout_s=settings.REQUEST_TIMEOUT_S + 5,  # what is being answered is answered
    graceful_shutdown_wait_loop_s=0.2,
)
@serve.ingress()
class ModelDeployment:
    """A replica: it starts with no model, and Serve gives it one by `reconfigure`, at the start as at any switch."""

    def __init__(
        self, token_digest: str | None, threads: int, members: list[Any] | None = None, deadline_s: float = 1.0
    ) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        # Asked of the running Serve, not of our arguments: they could say anything.
        gate.refuse_open_door(_get_global_client().http_config.host, token_digest)
        self._desk = Desk(threads, load=processes.fan_out(members, deadline_s).load if members else load_here)
        self._mirror = Mirror(self._desk, _ask_shadow)
        self._desk.watching.append(self._mirror.watch)
        self._token_digest = token_digest

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._desk, self._token_digest, self._mirror)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Follow another plan (see `Plan`) while requests go on."""
        await self._desk.switch(Plan.model_validate(user_config))

    async def check_health(self) -> None:
        """Raise when only a new process can help; then Serve starts one."""
        self._desk.check()


@serve.deployment(name="Shadow", max_ongoing_requests=shadow.MAX_ASKED, graceful_shutdown_timeout_s=1)
class ShadowDeployment:
    """A process for the versions that only watch: what it does, even dying, reaches no client."""

    def __init__(self, threads: int) -> None:
        self._desk = Desk(threads)

    async def ask(self, ref: dict[str, str], rows: bytes) -> np.ndarray:
        """Return prediction_NK of a version for rows packed by `shadow.packed`."""
        return await shadow.answer(self._desk, ModelRef.model_validate(ref), rows)


async def _ask_shadow(ref: ModelRef, rows: bytes) -> np.ndarray:
    found: np.ndarray = await (await asyncio.to_thread(_shadow_handle)).ask.remote(ref.model_dump(), rows)
    return found


@lru_cache(maxsize=1)
def _shadow_handle() -> Any:
    return serve.get_app_handle(SHADOW_APP)


def build_shadow(args: ServeArgs) -> serve.Application:
    """Return the application beside the one of `build` in which shadows are asked; deploy it as `assay-shadow`."""
    options = {"num_cpus": args.threads}
    return ShadowDeployment.options(ray_actor_options=options).bind(args.threads)  # type: ignore[attr-defined]


def build(args: ServeArgs) -> serve.Application:
    """Return the application that serves the models of a plan.

    The token is read here, from the environment of whoever deploys, and only its hash goes to the replicas.
    """
    options = {
        **_size(args),
        "user_config": args.plan.model_dump(),
        # The same code under the same version: deploying another plan reconfigures the replicas and restarts none.
        # Another fan-out is another version: replicas at work would keep the handles they started with.
        "version": f"assay-{settings.PRODUCT_VERSION}-{args.fan_out}-{args.member_deadline_s}",
        "_internal": True,
    }
    deployment = ModelDeployment.options(  # type: ignore[attr-defined]
        **options, ray_actor_options={"num_cpus": args.threads}
    )
    members = processes.deployments(args, options)
    return deployment.bind(gate.token_digest(), args.threads, members, args.member_deadline_s)


def _size(args: ServeArgs) -> dict[str, Any]:
    """Return how many replicas there are: a fixed number, or as many as the waiting requests call for."""
    if args.max_replicas is None:
        return {"num_replicas": args.num_replicas}
    return {
        "autoscaling_config": {
            "min_replicas": args.num_replicas,
            "max_replicas": max(args.max_replicas, args.num_replicas),
            "target_ongoing_requests": settings.MAX_BATCH_REQUESTS // 2,
            "upscale_delay_s": 3,  # a second burst finds the replica there; Serve's 30 s answer 503 meanwhile
            "downscale_delay_s": 120,
        }
    }
