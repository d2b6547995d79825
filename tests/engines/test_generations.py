"""The order of the search: what is proposed depends on earlier generations and on nothing that chance decides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay import catalog
from assay.engines.budget import Budget
from assay.engines.folds import Folds
from assay.engines.generations import Generations, Plan, TrialRecord, fold_file, is_hopeless, mean_score, not_fitted
from assay.engines.trial import FoldResult
from assay.proposals import Candidate, Proposal
from assay.spec.spaces import LogUniform, Uniform
from assay.store.runs import Run
from assay.vocabulary import Shelf

NUM_FOLDS, GENERATION, NUM_TRIALS = 3, 4, 22
CANDIDATES = (
    Candidate("ridge", {}, {"alpha": LogUniform(1e-3, 1e3)}, ({}, {"alpha": 10.0}), 0.1),
    Candidate("lightgbm", {}, {"learning_rate": Uniform(0.01, 0.5)}, ({}, {"learning_rate": 0.3}), 1.0),
)


def plan(num_trials: int = NUM_TRIALS, skip: Sequence[int] = (), **expected_s: float) -> Plan:
    return Plan(
        CANDIDATES,
        {"ridge": "dense", "lightgbm": "codes"},
        catalog.make(Shelf.SEARCHES, "auto"),
        catalog.make(Shelf.METRICS, "r2"),
        Folds(catalog.make(Shelf.SPLITS, "shuffled"), np.arange(30)[None] % NUM_FOLDS, NUM_FOLDS),
        num_trials,
        GENERATION,
        threads=1,
        seed=11,
        skip=frozenset(skip),
        expected_s=expected_s,
    )


def begin(
    run: Run, asked: Plan | None = None, told: list[tuple[str, Any]] | None = None, budget: Budget | None = None
) -> Generations:
    def tell(type: str, data: Any) -> None:
        if told is not None:
            told.append((type, data))

    return Generations(asked or plan(), run, tell, budget)


def gain_of(record: TrialRecord, fold: int) -> float:
    """Return what a fold gains: a smooth function of the settings, so that the search has something to learn."""
    value = record.proposal.params.get("alpha", record.proposal.params.get("learning_rate", 1.0))
    return float(-((np.log10(value) + 0.7) ** 2) + 0.1 * fold)


def fit_fold(generations: Generations, record: TrialRecord, gain: float | None = None) -> None:
    """Write the next fold of a trial, as a worker does, and report it."""
    fold = len(record.folds)
    gain = gain_of(record, fold) if gain is None else gain
    generations.run.write_json(fold_file(record.number, fold), FoldResult(fold, gain, gain, 0.1, 1.0, 20).to_json())
    generations.take_in(record)


def fit(generations: Generations, record: TrialRecord, gain: float | None = None) -> None:
    while not record.ended:
        fit_fold(generations, record, gain)


def drive(generations: Generations, slots: int, seed: int = 0, stop_after: int | None = None) -> list[Any]:
    """Fit on some slots, folds arriving in an order that chance decides; returns what became of every trial."""
    draw, running, num_fitted = np.random.default_rng(seed), [], 0
    while stop_after is None or num_fitted < stop_after:
        while len(running) < slots and (record := generations.take()) is not None:
            running.append(record)
        if not running:
            break
        record = running[draw.integers(len(running))]
        fit_fold(generations, record)
        num_fitted += 1
        running = [record for record in running if not record.ended]
    return history(generations)


def history(generations: Generations) -> list[Any]:
    return [
        (record.number, record.proposal, record.ended, [fold.gain for fold in record.folds])
        for record in generations.finish()
    ]


@pytest.mark.parametrize(("slots", "seed"), [(1, 0), (2, 1), (5, 2), (8, 3), (50, 4)])
def test_trials_are_the_same_on_any_number_of_slots_in_any_order_of_arrival(
    tmp_path: Path, slots: int, seed: int
) -> None:
    expected = drive(begin(Run(tmp_path / "one")), slots=1)
    assert len(expected) == NUM_TRIALS
    assert drive(begin(Run(tmp_path / "many")), slots, seed) == expected


def test_the_search_learns_from_what_it_is_told(tmp_path: Path) -> None:
    gains = [max(gain_F) for *_, gain_F in drive(begin(Run(tmp_path)), slots=2)]
    assert max(gains[12:]) > max(gains[:4])


def test_two_generations_are_handed_out_before_anything_has_ended(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path))
    handed_out = [generations.take() for _ in range(2 * GENERATION + 1)]
    assert [record.number for record in handed_out[:-1] if record] == list(range(2 * GENERATION))
    assert handed_out[-1] is None
    assert not generations.done


def test_a_generation_waits_for_the_last_but_one_and_not_for_the_last(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path))
    first = [generations.take() for _ in range(2 * GENERATION)]
    for record in first[: GENERATION - 1]:
        fit(generations, record)
    assert generations.take() is None
    fit(generations, first[GENERATION - 1])
    assert generations.take().number == 2 * GENERATION


def third_generation(run: Run, gain_of_last: float | None, gain_of_last_but_one: float | None) -> tuple[Any, Any]:
    """Return proposals and bars of the third generation after two that gained so much (None: as they would)."""
    generations = begin(run)
    for record in [generations.take() for _ in range(2 * GENERATION)]:
        fit(generations, record, gain_of_last if record.number >= GENERATION else gain_of_last_but_one)
    return [generations.take().proposal for _ in range(GENERATION)], generations.bars[2]


def test_a_generation_knows_nothing_of_the_last_one(tmp_path: Path) -> None:
    low, high = (third_generation(Run(tmp_path / name), gain, None) for name, gain in (("low", -9.0), ("high", 9.0)))
    assert low == high


def test_a_generation_knows_the_last_but_one(tmp_path: Path) -> None:
    (_, low), (_, high) = (
        third_generation(Run(tmp_path / name), None, gain) for name, gain in (("low", -9.0), ("high", 9.0))
    )
    assert (low, high) == ([-9.0] * NUM_FOLDS, [9.0] * NUM_FOLDS)


def test_a_trial_below_the_bar_ends_and_the_first_of_each_family_never_does(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path))
    drive(generations, slots=3)
    stopped = [record for record in generations.records if record.ended == "stopped"]
    assert stopped
    assert all(record.number > 1 and len(record.folds) < NUM_FOLDS for record in stopped)
    for record in stopped:
        assert is_hopeless([fold.gain for fold in record.folds], generations.config(record)["bars"])


def test_a_fold_that_is_told_twice_counts_once(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path))
    record = generations.take()
    fit_fold(generations, record)
    generations.take_in(record)
    generations.note(record, record.folds[0])
    assert len(record.folds) == 1


def test_one_trial_is_fitted_when_the_time_is_spent_and_no_other(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path), budget=Budget(total_s=1e-9))
    first = generations.take()
    assert first is not None
    assert generations.take() is None
    assert generations.done
    assert not generations.overdue
    fit(generations, first)
    assert [record.ended for record in generations.finish()] == ["complete"]


def stopped_clock(total_s: float) -> Budget:
    return Budget(total_s, started=0.0, clock=lambda: 0.0)


def test_trials_that_ended_count_and_those_cut_before_them_are_told(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path))
    for record in [generations.take() for _ in range(6)]:
        if record.number != 3:
            fit(generations, record)
    counted = generations.finish()
    assert [record.number for record in counted] == list(range(6))
    assert not_fitted(counted) == [3]


def test_a_trial_that_would_not_end_in_time_is_skipped_and_cheaper_ones_go_on(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path), plan(ridge=0.1, lightgbm=100.0), budget=stopped_clock(60.0))
    fitted = drive(generations, slots=2)
    assert {proposal.algorithm for _, proposal, ended, _ in fitted if ended == "skipped"} == {"lightgbm"}
    assert {proposal.algorithm for _, proposal, ended, _ in fitted if ended != "skipped"} == {"ridge"}


def test_what_a_fit_takes_corrects_what_was_expected_of_it(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path), plan(ridge=0.001, lightgbm=0.001), budget=stopped_clock(1e6))
    fit(generations, generations.take())  # folds of 0.1 s
    assert generations.costs.fit_s("ridge") > 0.04
    assert generations.costs.fit_s("ridge") > generations.costs.fit_s("lightgbm") > 0.001


def test_time_is_kept_for_fitting_the_best_trials_once_more(tmp_path: Path) -> None:
    generations = begin(Run(tmp_path), budget=stopped_clock(60.0))
    before_s = generations.left_s
    fit(generations, generations.take())
    assert generations.left_s < before_s


def test_trials_and_skips_that_were_told_replay_the_same_search(tmp_path: Path) -> None:
    asked = plan(ridge=0.1, lightgbm=100.0)
    timed = begin(Run(tmp_path / "timed"), asked, budget=stopped_clock(60.0))
    expected = drive(timed, slots=3)
    again = plan(num_trials=len(expected), skip=not_fitted(timed.records[: len(expected)]))
    assert drive(begin(Run(tmp_path / "again"), again), slots=2) == expected


def test_the_number_of_trials_that_counted_replays_the_same_search(tmp_path: Path) -> None:
    whole = drive(begin(Run(tmp_path / "whole")), slots=3)
    assert drive(begin(Run(tmp_path / "again"), plan(num_trials=9)), slots=2) == whole[:9]


@pytest.mark.parametrize("stop_after", [1, 13, 31])
def test_a_search_that_was_cut_off_takes_up_finished_folds_and_ends_the_same(tmp_path: Path, stop_after: int) -> None:
    expected = drive(begin(Run(tmp_path / "whole")), slots=3)
    run = Run(tmp_path / "cut")
    drive(begin(run), slots=3, stop_after=stop_after)
    before = written(run)
    assert drive(begin(run), slots=2, seed=9) == expected
    assert len(before) == stop_after
    assert {name: time for name, time in written(run).items() if name in before} == before


def written(run: Run) -> dict[str, int]:
    return {file.name + file.parent.name: file.stat().st_mtime_ns for file in run.folder.glob("trials/*/fold-*.json")}


def test_a_trial_that_failed_is_not_tried_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    begin(run).take()
    run.write_json("trials/0000/failed.json", {"fold": 0, "reason": "ValueError: no"})
    told: list[tuple[str, Any]] = []
    assert begin(run, told=told).take().number == 1
    (data,) = [data for type, data in told if type == "trial"]
    assert (data["ended"], data["reason"], data["taken_up"]) == ("failed", "ValueError: no", True)


def test_every_trial_that_ends_is_told_with_its_score(tmp_path: Path) -> None:
    told: list[tuple[str, Any]] = []
    drive(begin(Run(tmp_path), plan(num_trials=5), told), slots=2)
    trials = [data for type, data in told if type == "trial"]
    assert sorted(data["trial"] for data in trials) == list(range(5))
    assert all(data["score"] is not None and not data["taken_up"] for data in trials)
    assert sum(type == "fold" for type, _ in told) == sum(data["folds"] for data in trials)


def test_a_fold_without_a_score_counts_as_the_others_do_on_average() -> None:
    record = TrialRecord(
        0,
        Proposal("a", {}),
        [FoldResult(fold, *[score] * 2, 0.1, 1.0, 20) for fold, score in enumerate([0.5, np.nan, 0.7])],
    )
    assert record.outcome().gain_F == pytest.approx((0.5, 0.6, 0.7))
    assert mean_score(record) == pytest.approx(0.6)
    assert not is_hopeless([np.nan], [0.9])
    assert is_hopeless([0.5, np.nan], [0.4, 0.6])


def test_a_fold_without_a_score_is_written_as_null_and_read_again() -> None:
    plain = FoldResult(0, np.nan, np.nan, 0.1, 1.0, 20).to_json()
    assert plain["score"] is None
    assert np.isnan(FoldResult.from_json(json.loads(json.dumps(plain, allow_nan=False))).gain)
