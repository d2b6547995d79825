"""The tree of seeds: chance depends on names and on nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay.seeds import SEED_BITS, child, generator, row_hash

names = st.lists(st.one_of(st.text(max_size=8), st.integers()), min_size=1, max_size=4)


@given(seed=st.integers(0, 2**31 - 1), path=names)
def test_a_seed_fits_what_every_library_accepts(seed: int, path: list[str | int]) -> None:
    assert 0 <= child(seed, *path) < 1 << SEED_BITS


@given(one=names, other=names)
def test_other_names_lead_to_other_seeds(one: list[str | int], other: list[str | int]) -> None:
    same = [(type(name), name) for name in one] == [(type(name), name) for name in other]
    assert (child(7, *one) == child(7, *other)) is same


def test_a_number_and_its_text_are_different_names() -> None:
    assert child(7, "trial", 3) != child(7, "trial", "3")


def test_seeds_are_these_numbers_in_every_version() -> None:
    assert (child(0), child(7, "trial", 3), child(7, "folds")) == (2143842104, 390129859, 430643135)


def test_another_process_grows_the_same_tree() -> None:
    script = (
        "import numpy as np; from assay.seeds import child, row_hash; "
        "print(child(3, 'a', 1), row_hash(np.arange(5), 9).tolist())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{child(3, 'a', 1)} {row_hash(np.arange(5), 9).tolist()}"


def test_a_generator_is_one_of_its_own() -> None:
    assert generator(1, "x").random(3).tolist() == generator(1, "x").random(3).tolist()
    assert generator(1, "x").random() != generator(1, "y").random()


@given(row=st.integers(0, 2**62), seed=st.integers(0, 2**31 - 1))
def test_the_hash_of_a_row_depends_on_its_id_and_not_on_its_neighbours(row: int, seed: int) -> None:
    alone = row_hash(np.array([row]), seed)[0]
    assert row_hash(np.array([5, row, 6]), seed)[1] == alone
    assert alone.dtype == np.uint64


def test_hashes_of_rows_in_a_line_are_spread_evenly() -> None:
    hash_N = row_hash(np.arange(100_000), seed=1)
    assert len(np.unique(hash_N)) == 100_000
    share_K = np.bincount((hash_N >> np.uint64(60)).astype(int), minlength=16) / 100_000
    assert np.abs(share_K - 1 / 16).max() < 0.004
