"""Every part ends with an example, and every example of the package runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import assay
from assay import catalog
from assay.vocabulary import Shelf

PARTS = [(shelf, key) for shelf in Shelf for key in catalog.keys(shelf)]
MODULES = [module.name for module in pkgutil.walk_packages(assay.__path__, "assay.") if "__main__" not in module.name]


@pytest.mark.parametrize(("shelf", "key"), PARTS)
def test_every_part_shows_an_example(shelf: Shelf, key: str) -> None:
    part = catalog.find(shelf, key)
    told = (part.__doc__ or "") + "".join(value.__doc__ or "" for value in vars(part).values() if callable(value))
    assert "Example:" in told
    assert ">>> " in told


@pytest.mark.parametrize(("shelf", "key"), PARTS)
def test_every_part_has_one_sentence_for_the_list(shelf: Shelf, key: str) -> None:
    assert catalog.summary(shelf, key).endswith(".")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0
