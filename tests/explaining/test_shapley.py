"""Shapley values of games whose values are known: by their definition, and of what was drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pytest

from assay.explaining import shapley


def a_game(num_players: int, seed: int = 0) -> dict[int, float]:
    """Return a value for every coalition, by the bits of its players."""
    draw = np.random.default_rng(seed)
    return {code: float(draw.normal()) for code in range(2**num_players)}


def by_definition(game: Mapping[int, float], num_players: int) -> np.ndarray:
    """Return the mean gain of each player over all orders."""
    gain_P = np.zeros(num_players)
    for order in itertools.permutations(range(num_players)):
        code = 0
        for player in order:
            gain_P[player] += game[code | 1 << player] - game[code]
            code |= 1 << player
    return gain_P / math.factorial(num_players)


def played(plan: shapley.Plan, *games: Mapping[int, float]) -> shapley.Shares:
    """Return the shares of a plan whose grounds are these games in turn."""
    code_M = (plan.z_MP * 2 ** np.arange(plan.z_MP.shape[1])).sum(axis=1)
    told = zip(code_M.tolist(), plan.ground_M.tolist(), strict=True)
    return plan.shares(np.array([games[ground % len(games)][code] for code, ground in told]))


@pytest.mark.parametrize("num_players", [1, 2, 3, 5])
def test_all_coalitions_give_the_values_of_the_definition(num_players: int) -> None:
    game = a_game(num_players)
    found = played(shapley.Every(num_players, 1), game)
    np.testing.assert_allclose(found.mean_P, by_definition(game, num_players), atol=1e-12)


def test_grounds_are_averaged() -> None:
    games = [a_game(3, seed) for seed in range(4)]
    found = played(shapley.Every(3, 4), *games)
    np.testing.assert_allclose(found.mean_P, np.mean([by_definition(game, 3) for game in games], axis=0), atol=1e-12)
    assert found.base == pytest.approx(np.mean([game[0] for game in games]))


@pytest.mark.parametrize("num_grounds", [1, 7, 64])
def test_drawn_orders_add_up_exactly(num_grounds: int) -> None:
    game = a_game(6)
    found = played(shapley.Walks.drawn(6, num_grounds, seed=0), game)
    assert found.base + found.mean_P.sum() == pytest.approx(game[63], abs=1e-12)


def test_drawn_orders_come_near_as_they_grow_in_number_and_their_error_says_how_near() -> None:
    game = a_game(6)
    true_P, scores = by_definition(game, 6), []
    for seed in range(20):
        found = played(shapley.Walks.drawn(6, 120, seed=seed), game)
        assert found.error_P is not None
        scores.append((found.mean_P - true_P) / found.error_P)
    many = played(shapley.Walks.drawn(6, 6_000, seed=0), game)
    assert np.abs(many.mean_P - true_P).max() < 0.05
    assert 0.5 < np.sqrt(np.mean(np.square(scores))) < 1.3  # 1 when the error is what it says


def test_every_order_stands_beside_its_reverse() -> None:
    order_KP = shapley.Walks.drawn(5, 10, seed=0).order_KP
    np.testing.assert_array_equal(order_KP[::2], order_KP[1::2, ::-1])


def test_who_changes_nothing_gets_nothing() -> None:
    game = a_game(5)
    idle = {code: game[code & ~4] for code in game}
    for plan in (shapley.Every(5, 1), shapley.Walks.drawn(5, 9, seed=0)):
        assert played(plan, idle).mean_P[2] == 0


def test_nobody_plays_alone() -> None:
    found = shapley.plan(0, 1, 2_048).shares(np.array([3.0]))
    assert (found.base, found.mean_P.tolist(), found.error_P) == (3.0, [], None)


@pytest.mark.parametrize("num_players", [1, 2, 4, 5, 14, 64, 300])
@pytest.mark.parametrize("num_grounds", [1, 40, 2_048])
def test_a_plan_keeps_to_its_evaluations(num_players: int, num_grounds: int) -> None:
    plan = shapley.plan(num_players, num_grounds, 2_048)
    ends_apart = (~plan.z_MP.all(axis=1) & plan.z_MP.any(axis=1)).sum()
    assert ends_apart <= max(2_048, 2 * shapley.FEWEST_PAIRS * num_players)
    assert plan.ground_M.max() == plan.num_grounds - 1
