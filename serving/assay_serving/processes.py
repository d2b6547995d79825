"""Fan-out on Ray Serve: a deployment for each member process, and the replica's way to ask them.

Separate deployments, not replicas of one: a replica answers for its share of the members and for no other, and Serve
restarts it alone. Each holds a share of the weights, so all of them together hold each weight once.
"""
# No `from __future__ import annotations` here: Ray Serve looks at the signatures of deployments.

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from assay.batch import Batch
from assay_serving import settings
from assay_serving.fan_out import FanOut
from assay_serving.members import Bench
from assay_serving.panel import Gone, Panel
from assay_serving.settings import ModelRef, Plan, ServeArgs


@serve.deployment(
    max_ongoing_requests=2 * settings.MAX_BATCH_REQUESTS,
    health_check_period_s=2,
    health_check_timeout_s=5,
    graceful_shutdown_timeout_s=5,
    graceful_shutdown_wait_loop_s=0.2,
)
class MemberDeployment:
    """A process for some members of every model."""

    def __init__(self, number: int, num_processes: int, threads: int) -> None:
        self._bench = Bench(number, num_processes, threads)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Load what a plan adds; a replica that Serve starts anew is asked nothing before."""
        await self._bench.follow(Plan.model_validate(user_config))

    async def load(self, ref: dict[str, str]) -> None:
        """Return when the members of a version are here."""
        await self._bench.load(ModelRef.model_validate(ref))

    async def said(self, ref: dict[str, str], batch: Batch) -> Mapping[int, np.ndarray]:
        """Return prediction_NK of each member that is here, by its place in the model."""
        return await self._bench.said(ModelRef.model_validate(ref), batch)

    async def check_health(self) -> None:
        """Raise when only a new process can help."""
        self._bench.check()


def deployments(args: ServeArgs, options: Mapping[str, Any]) -> list[serve.Application]:
    """Return the member processes of an application, `Member-0` and so on; `options` are those of its replicas."""
    # The members of a request compute in turn or at once, together what one process would: so they share its CPUs.
    num_cpus = args.threads / max(1, args.fan_out)
    options = {**options, "ray_actor_options": {"num_cpus": num_cpus if num_cpus <= 1 else math.ceil(num_cpus)}}
    if "autoscaling_config" in options:  # a replica of the server asks one question at a time, whatever waits there
        options["autoscaling_config"] = {**options["autoscaling_config"], "target_ongoing_requests": 2}
    return [
        MemberDeployment.options(name=f"Member-{number}", **options).bind(  # type: ignore[attr-defined]
            number, args.fan_out, args.threads
        )
        for number in range(args.fan_out)
    ]


def fan_out(handles: Sequence[DeploymentHandle], deadline_s: float) -> FanOut:
    """Return how a replica loads versions and asks for their members, over these handles."""

    async def ask(number: int, ref: ModelRef, batch: Batch) -> Mapping[int, np.ndarray]:
        found: Mapping[int, np.ndarray] = await _answer(handles[number].said.remote(ref.model_dump(), batch))
        return found

    async def load(number: int, ref: ModelRef) -> None:
        await _answer(handles[number].load.remote(ref.model_dump()))

    return FanOut(Panel(ask, load, deadline_s), len(handles))


async def _answer(response: Any) -> Any:
    try:
        return await response
    except (RayActorError, DeploymentUnavailableError) as error:
        raise Gone from error
    except asyncio.CancelledError:
        response.cancel()  # or it would wait in the other process for its turn
        raise
