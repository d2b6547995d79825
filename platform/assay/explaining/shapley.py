"""Shapley values: which coalitions of players to ask a model about, and what its answers say each player adds.

The share of player p is the mean, over all orders in which players may join, of what the value gains when p joins those
before it. Shares add up to v(all) - v(none), a player that changes nothing gets 0, and two that change the same get the
same. Few players are asked in every coalition; more are asked along random orders, each beside its reverse.

Those who do not play stand on ground: a row of other values. Every order is walked on one ground, so that the shares
of a walk add up exactly, and so do their means.

Source: Shapley 1953, "A value for n-person games"; Castro, Gomez and Tejada 2009, "Polynomial calculation of the
Shapley value based on sampling"; Strumbelj and Kononenko 2014, "Explaining prediction models and individual predictions
with feature contributions"; Mitchell, Cooper, Frank and Holmes 2022, "Sampling permutations for Shapley value
estimation", for the reverse of each order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from assay.seeds import generator

FEWEST_PAIRS = 8  # orders beside their reverses, for however many players
FEWEST_GROUNDS = 128  # asked in every coalition; with fewer, more of them along a few orders err less


@dataclass(frozen=True)
class Shares:
    """What each player adds on each ground, and the value of nobody, of which the mean over grounds is the base."""

    base: float
    share_GP: np.ndarray

    @property
    def mean_P(self) -> np.ndarray:
        """The Shapley values; base + their sum is the value of all."""
        return np.asarray(self.share_GP.mean(axis=0))

    @property
    def error_P(self) -> np.ndarray | None:
        """The standard error of each, when grounds (and orders) were drawn at random; None of one ground."""
        num_grounds = len(self.share_GP)
        if num_grounds < 2:
            return None
        return np.asarray(self.share_GP.std(axis=0, ddof=1) / math.sqrt(num_grounds))


@dataclass(frozen=True)
class Every:
    """Every coalition on every ground: no chance but that of the grounds."""

    num_players: int
    num_grounds: int

    @property
    def z_MP(self) -> np.ndarray:
        """The coalitions, by the bits of their number, ground after ground."""
        code_C = np.arange(2**self.num_players)
        z_CP = (code_C[:, None] >> np.arange(self.num_players)) & 1
        return np.tile(z_CP.astype(bool), (self.num_grounds, 1))

    @property
    def ground_M(self) -> np.ndarray:
        """The ground of each coalition."""
        return np.repeat(np.arange(self.num_grounds), 2**self.num_players)

    def shares(self, value_M: np.ndarray) -> Shares:
        """Return the Shapley values by their formula; who never changes the value gets 0 exactly."""
        code_C = np.arange(2**self.num_players)
        size_C = self.z_MP[: len(code_C)].sum(axis=1)
        value_GC = value_M.reshape(self.num_grounds, -1)
        share_GP = np.zeros((self.num_grounds, self.num_players))
        for player in range(self.num_players):
            without_C = code_C[(code_C >> player) & 1 == 0]
            orders_C = [math.comb(self.num_players - 1, size) for size in size_C[without_C]]
            gain_GC = value_GC[:, without_C | (1 << player)] - value_GC[:, without_C]
            share_GP[:, player] = gain_GC @ (1 / (self.num_players * np.array(orders_C)))
        return Shares(float(value_GC[:, 0].mean()), share_GP)


@dataclass(frozen=True)
class Walks:
    """Random orders, each beside its reverse and both on one ground; the players before one are its coalitions."""

    order_KP: np.ndarray  # two rows for each ground: an order, and its reverse

    @classmethod
    def drawn(cls, num_players: int, num_grounds: int, seed: int) -> Walks:
        """Draw an order for each ground; orders in which everybody stands at each place as often erred no less."""
        draw = generator(seed, "orders", num_players)
        order_GP = np.array([draw.permutation(num_players) for _ in range(num_grounds)])
        return cls(np.stack([order_GP, order_GP[:, ::-1]], axis=1).reshape(-1, num_players))

    @property
    def num_grounds(self) -> int:
        """One for each order and its reverse."""
        return len(self.order_KP) // 2

    @property
    def z_MP(self) -> np.ndarray:
        """The coalitions, from nobody to everybody, walk after walk."""
        num_walks, num_players = self.order_KP.shape
        place_KP = np.argsort(self.order_KP, axis=1)
        z_KQP = place_KP[:, None, :] < np.arange(num_players + 1)[None, :, None]
        return z_KQP.reshape(num_walks * (num_players + 1), num_players)

    @property
    def ground_M(self) -> np.ndarray:
        """The ground of each coalition."""
        return np.repeat(np.arange(self.num_grounds), 2 * (self.order_KP.shape[1] + 1))

    def shares(self, value_M: np.ndarray) -> Shares:
        """Return what each player gained when it joined, the mean of an order and its reverse for each ground."""
        value_KQ = value_M.reshape(len(self.order_KP), -1)
        share_KP = np.empty(self.order_KP.shape)
        np.put_along_axis(share_KP, self.order_KP, np.diff(value_KQ, axis=1), axis=1)
        share_GP = share_KP.reshape(self.num_grounds, 2, -1).mean(axis=1)
        return Shares(float(value_KQ[:, 0].mean()), share_GP)


Plan = Every | Walks  # z_MP says who plays, ground_M on which of `num_grounds`; `shares` is told what each came to


@lru_cache(maxsize=64)
def plan(num_players: int, num_grounds: int, evaluations: int, seed: int = 0) -> Plan:
    """Return which coalitions to ask about with about so many evaluations of the model.

    `num_grounds` are to be had; when the players stand on their own ground there is one. The same numbers give the same
    plan, whatever is explained.
    """
    every = 2**num_players if num_players < 24 else evaluations + 1
    if every * min(num_grounds, FEWEST_GROUNDS) <= evaluations:
        return Every(num_players, min(num_grounds, evaluations // every))
    num_pairs = max(FEWEST_PAIRS, evaluations // (2 * (num_players - 1)))
    return Walks.drawn(num_players, num_pairs, seed)
