"""The Ray Serve application: one deployment, ingress and predictor in one, so that a request crosses no more processes.

serve run serving/config.yaml
"""
# No `from __future__ import annotations` here: Ray Serve looks at the class in build's signature to check its argument.

import asyncio
import logging
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from fastapi import FastAPI
from ray import serve
from ray.serve.config import BackpressureConfig
from ray.serve.context import _get_global_client

from assay.store.tokens import digest_of
from assay_serving import access_log, processes, settings, shadow
from assay_serving.access import Access, refuse_open_door, token_digest
from assay_serving.desk import Desk, load_here
from assay_serving.hosts import HostNames
from assay_serving.logbook import Logbook
from assay_serving.metrics import ByReplica
from assay_serving.metrics_hub import Hub, Reporter
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
    # In Serve's Python proxy, before they wait here: with as many there as here some waited for 35 s.
    max_queued_requests=settings.MAX_BATCH_REQUESTS,
    backpressure_config=BackpressureConfig(status_code=503, retry_after_s=settings.RETRY_AFTER_S),
    health_check_period_s=2,
    health_check_timeout_s=5,
    graceful_shutdown_timeout_s=settings.REQUEST_TIMEOUT_S + 5,  # what is being answered is answered
    graceful_shutdown_wait_loop_s=0.2,
    logging_config={"enable_access_log": False},  # ours says more
)
@serve.ingress()
class ModelDeployment:
    """A replica: it starts with no model, and Serve gives it one by `reconfigure`, at the start as at any switch."""

    def __init__(
        self,
        token_digest: str | None,
        threads: int,
        allow_hosts: Sequence[str] = (),
        hub: Any | None = None,
        members: Sequence[Any] = (),
        deadline_s: float = 1.0,
    ) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        # Asked of the running Serve, not of our arguments: they could say anything.
        self._host: str | None = _get_global_client().http_config.host
        self._has_own_token = token_digest is not None
        self._access = Access(token_digest, locked=not settings.is_loopback(self._host))
        self._names = HostNames(self._host, allow_hosts)
        self._desk = Desk(threads, load=processes.fan_out(members, deadline_s).load if members else load_here)
        self._mirror = Mirror(self._desk, _ask_shadow)
        self._logbook = Logbook(self._desk)
        self._desk.watching += [self._mirror.watch, self._logbook.watch]
        self._hub = hub
        self._reporter: Reporter | None = None

    def __serve_build_asgi_app__(self) -> FastAPI:
        app = create_app(self._desk, self._access, self._mirror, self._names, self._logbook)
        if self._hub is not None:
            replica = serve.get_replica_context().replica_id.unique_id
            self._reporter = Reporter(app.state.metrics, replica, self._hub)
        return app

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Follow another plan (see `Plan`) while requests go on."""
        plan = Plan.model_validate(user_config)
        if not self._desk.routes.plans:  # at the start; later the last token may be revoked, and nobody comes in
            refuse_open_door(self._host, has_token=self._has_own_token or bool(plan.tokens))
        self._access.follow(plan.tokens)
        access_log.write_to(logging.getLogger("ray.serve").handlers, plan.log_level)
        if self._reporter is not None:
            self._reporter.start()
        await self._desk.switch(plan)
        self._logbook.follow(plan.prediction_log)

    async def check_health(self) -> None:
        """Raise when only a new process can help; then Serve starts one."""
        self._desk.check()

    def __del__(self) -> None:
        """Write what the log holds; Serve calls this once all is answered, before it ends the process."""
        self._logbook.close()


@serve.deployment(name="Metrics", ray_actor_options={"num_cpus": 0}, max_ongoing_requests=256)
class MetricsDeployment:
    """Where replicas leave what they counted, so that each can answer for all."""

    def __init__(self) -> None:
        self._hub = Hub()

    async def tell(self, *told: Any) -> None:
        """See `Hub.tell`."""
        self._hub.tell(*told)

    async def ask(self, *told: Any) -> ByReplica:
        """See `Hub.ask`."""
        return self._hub.ask(*told)


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
    arguments = (token_digest(), args.threads, args.allow_hosts)
    several = args.num_replicas > 1 or args.max_replicas is not None
    counting = MetricsDeployment.options(version=f"assay-{settings.PRODUCT_VERSION}", _internal=True)  # type: ignore[attr-defined]
    hub = counting.bind() if several else None
    fanned = (args.fan_out, args.member_deadline_s)
    options = {
        **_size(args),
        "user_config": args.plan.model_dump(),
        # The same code under the same version: deploying another plan reconfigures the replicas and restarts none.
        # Other arguments are another version, since replicas at work would keep those they started with.
        "version": f"assay-{settings.PRODUCT_VERSION}-{digest_of(repr((arguments, several, fanned)))[:8]}",
        "_internal": True,
    }
    deployment = ModelDeployment.options(  # type: ignore[attr-defined]
        **options, ray_actor_options={"num_cpus": args.threads}
    )
    members = processes.deployments(args, options)
    return deployment.bind(*arguments, hub=hub, members=members, deadline_s=args.member_deadline_s)


def _size(args: ServeArgs) -> dict[str, Any]:
    """Return how many replicas there are: a fixed number, or as many as the waiting requests call for."""
    if args.max_replicas is None:
        return {"num_replicas": args.num_replicas}
    return {
        "autoscaling_config": {
            "min_replicas": args.num_replicas,
            "max_replicas": max(args.max_replicas, args.num_replicas),
            "target_ongoing_requests": settings.MAX_BATCH_REQUESTS // 2,
            # A burst is over before Serve has looked: it reads every 10 s, takes the mean of 30 s, and waits 30 s more.
            "metrics_interval_s": 1,
            "look_back_period_s": 5,
            "upscale_delay_s": 3,
            "downscale_delay_s": 120,
        }
    }
