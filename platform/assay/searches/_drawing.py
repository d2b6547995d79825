"""Drawing settings with Optuna, define-by-run: one study over algorithms and their hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.parts import Json
from assay.proposals import Candidate, Outcome, Proposal
from assay.spec.spaces import Choice, Distribution, Integer, LogUniform, Uniform


def draw(candidates: Sequence[Candidate], known: Sequence[Outcome], count: int, sampler: Any) -> list[Proposal]:
    """Return `count` proposals that `sampler` makes after it has been told what is known, in trial order.

    A fresh study each time makes the proposals a function of the arguments alone: nothing to restore on resume.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    by_key = {candidate.key: candidate for candidate in candidates}
    for outcome in known:
        if outcome.gain_F and outcome.proposal.algorithm in by_key:
            study.add_trial(_told(outcome, candidates, by_key[outcome.proposal.algorithm]))
    return [_ask(study.ask(), candidates, by_key) for _ in range(count)]


def _ask(trial: Any, candidates: Sequence[Candidate], by_key: dict[str, Candidate]) -> Proposal:
    candidate = by_key[trial.suggest_categorical("algorithm", [candidate.key for candidate in candidates])]
    drawn = {name: _suggest(trial, f"{candidate.key}.{name}", form) for name, form in candidate.space.items()}
    return Proposal(candidate.key, {**drawn, **candidate.fixed})


def _suggest(trial: Any, name: str, form: Distribution) -> Any:
    match form:
        case Uniform(low, high):
            return trial.suggest_float(name, low, high)
        case LogUniform(low, high):
            return trial.suggest_float(name, low, high, log=True)
        case Integer(low, high, log):
            return trial.suggest_int(name, low, high, log=log)
        case Choice(values):
            return trial.suggest_categorical(name, values)


def _told(outcome: Outcome, candidates: Sequence[Candidate], candidate: Candidate) -> Any:
    import optuna

    forms = {name: _optuna_form(form) for name, form in candidate.space.items()}
    params: Json = {"algorithm": candidate.key}
    known = {"algorithm": optuna.distributions.CategoricalDistribution([entry.key for entry in candidates])}
    for name, form in forms.items():
        value = outcome.proposal.params.get(name)
        if _within(candidate.space[name], value):
            params[f"{candidate.key}.{name}"] = value
            known[f"{candidate.key}.{name}"] = form
    value = sum(outcome.gain_F) / len(outcome.gain_F)
    return optuna.trial.create_trial(params=params, distributions=known, value=value)


def _within(form: Distribution, value: Any) -> bool:
    """Whether the search could have drawn this value; a portfolio may hold others."""
    match form:
        case Choice(values):
            return value in values
        case Integer(low, high):
            return isinstance(value, int) and low <= value <= high
        case Uniform(low, high) | LogUniform(low, high):
            return isinstance(value, int | float) and low <= value <= high


def _optuna_form(form: Distribution) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match form:
        case Uniform(low, high):
            return FloatDistribution(low, high)
        case LogUniform(low, high):
            return FloatDistribution(low, high, log=True)
        case Integer(low, high, log):
            return IntDistribution(low, high, log=log)
        case Choice(values):
            return CategoricalDistribution(values)
