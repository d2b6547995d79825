"""Algorithms and settings drawn at random: the search to compare others with."""

from __future__ import annotations

from collections.abc import Sequence

from assay.parts import Search
from assay.proposals import Candidate, Outcome, Proposal
from assay.searches._drawing import draw
from assay.seeds import child


class UniformSearch(Search):
    """Each trial draws an algorithm and its settings, whatever is known.

    Source: Bergstra and Bengio 2012, "Random search for hyper-parameter optimization".

    Example:
        >>> candidate = Candidate("ridge", {}, {}, ({},), 1.0)
        >>> [proposal.algorithm for proposal in UniformSearch().propose([candidate], [], 0, 2, seed=0)]
        ['ridge', 'ridge']
    """

    def propose(
        self, candidates: Sequence[Candidate], known: Sequence[Outcome], first: int, count: int, seed: int
    ) -> list[Proposal]:
        import optuna

        return draw(candidates, (), count, optuna.samplers.RandomSampler(seed=child(seed, "uniform", first)))
