"""A portfolio of strong settings, cheap ones first, then Optuna's tree-structured Parzen estimator."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from assay.parts import Search
from assay.proposals import Candidate, Outcome, Proposal
from assay.searches._drawing import draw
from assay.seeds import child
from assay.spec.strict import Strict


class Auto(Search):
    """First one strong member of each family, then the portfolio's further settings, then what TPE proposes.

    The first setting of each family is never stopped early: an ensemble needs different members.

    Source: Watanabe 2023, "Tree-structured Parzen estimator"; Salinas and Erickson 2024 (portfolios).

    Example:
        >>> slow, fast = Candidate("svm", {}, {}, ({},), 9.0), Candidate("ridge", {}, {}, ({},), 1.0)
        >>> [proposal.algorithm for proposal in Auto().propose([slow, fast], [], 0, 2, seed=0)]
        ['ridge', 'svm']
    """

    class Params(Strict):
        stop_quantile: float = Field(0.66, ge=0, le=1, description="a trial below this share of known ones is stopped")
        min_known: int = Field(4, ge=1, description="outcomes needed before anything is stopped")

    def propose(
        self, candidates: Sequence[Candidate], known: Sequence[Outcome], first: int, count: int, seed: int
    ) -> list[Proposal]:
        planned = portfolio(candidates)[first : first + count]
        missing = count - len(planned)
        if not missing:
            return planned
        return planned + draw(candidates, known, missing, _sampler(child(seed, "tpe", first)))

    def bars(self, known: Sequence[Outcome], num_folds: int) -> list[float]:
        found = []
        for fold in range(num_folds):
            means = [np.mean(outcome.gain_F[: fold + 1]) for outcome in known if len(outcome.gain_F) > fold]
            enough = len(means) >= self.params.min_known
            found.append(float(np.quantile(means, self.params.stop_quantile)) if enough else float("-inf"))
        return found


def portfolio(candidates: Sequence[Candidate]) -> list[Proposal]:
    """Return the first setting of each strong family, of each other family, then the second of all, and so on.

    Within a round the cheapest come first.
    """
    ordered = sorted(candidates, key=lambda candidate: (candidate.cost, candidate.key))
    rounds = max(len(candidate.portfolio) for candidate in candidates)
    turns = [(0, True), (0, False), *((turn, None) for turn in range(1, rounds))]
    return [
        Proposal(candidate.key, {**candidate.portfolio[turn], **candidate.fixed}, stoppable=turn > 0)
        for turn, strong in turns
        for candidate in ordered
        if turn < len(candidate.portfolio) and strong in (None, candidate.strong)
    ]


def _sampler(seed: int) -> object:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # `group` models each algorithm's settings together and apart from the others'.
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=4, n_ei_candidates=48
        )
