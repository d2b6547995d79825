"""Which version answers: the one that was asked for, else the canary for its share of the keys, else the champion."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from assay.errors import did_you_mean
from assay_serving.settings import ModelPlan, ModelRef, Plan


class NotServed(LookupError):
    """There is no such model or version here; the text is for the client."""


@dataclass(frozen=True)
class Routes:
    """The plan that requests follow; replaced whole, so that no request sees half of a change."""

    plans: Mapping[str, ModelPlan] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Routes:
        """Return the routes of a plan."""
        return cls({model.name: model for model in plan.models})

    def __iter__(self) -> Iterator[ModelPlan]:
        return iter(self.plans.values())

    @property
    def first(self) -> str:
        """The name that is meant where a protocol has no room for one."""
        return next(iter(self.plans))

    def plan(self, name: str) -> ModelPlan:
        """Return the plan of a name.

        Raises:
            NotServed: no model has it.
        """
        if name not in self.plans:
            raise NotServed(f"no model named '{name}'; {did_you_mean(name, list(self.plans))}")
        return self.plans[name]

    def role(self, ref: ModelRef) -> str:
        """Return what a version that answered is: `champion` or `canary`; empty when another plan came meanwhile."""
        plan = self.plans.get(ref.name)
        if plan is None or ref not in plan.answering:
            return ""
        return "champion" if ref == plan.answering[0] else "canary"

    def find(self, name: str, version: str | None = None) -> ModelRef:
        """Return a version by number, or the champion.

        Raises:
            NotServed: there is no such model or version.
        """
        answering = self.plan(name).answering
        for ref in answering:
            if version in (None, ref.version):
                return ref
        known = " and ".join(f"'{ref.version}'" for ref in answering)
        raise NotServed(f"model '{name}' has no version '{version}' here, it has {known}")

    def choose(self, name: str, version: str | None, key: bytes) -> ModelRef:
        """Return the version that answers a request of this key.

        Raises:
            NotServed: there is no such model or version.
        """
        plan = self.plan(name)
        if version is None and plan.canary is not None and place_of(plan, key) < plan.canary_share:
            return plan.ref(plan.canary)
        return self.find(name, version)


def place_of(plan: ModelPlan, key: bytes) -> float:
    """Return where a key lies in [0, 1) for this canary: the same on every replica, another for another canary.

    A share that grows keeps the keys it had: they lie below the smaller share already.
    """
    assert plan.canary is not None
    salt = f"{plan.name}/{plan.canary.version}/".encode()
    return int.from_bytes(hashlib.sha256(salt + key).digest()[:8], "big") / 2**64
