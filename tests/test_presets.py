"""Presets: what the author wrote wins, what is rendered stands on its own, and every preset is a valid fragment."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import assay
from assay.cli import app
from assay.errors import SpecFault
from assay.parts import ALL_TASKS
from assay.profile import LabelProfile
from assay.spec import parse_yaml, preset_names
from assay.spec.layering import HOME, fragment
from assay.spec.rendering import plain, render
from assay.vocabulary import Task
from assay.workflows import choices
from assay.workflows.checking import checked, read_experiment
from assay.workflows.propose import initial

SMALL = "experiment: churn\ndata: {train: customers.csv, label: left}\n"
every_preset = pytest.mark.parametrize("name", preset_names())


def settings(text: str) -> dict[str, Any]:
    return plain(checked(parse_yaml(text, "churn.yaml")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An experiment file with a preset."""
    written = tmp_path / "churn.yaml"
    written.write_text(SMALL + "preset: fast\nsplit: {folds: 4}\n")
    return written


@every_preset
def test_every_preset_is_a_valid_fragment_of_an_experiment(name: str) -> None:
    found = settings(SMALL + f"preset: {name}\n")
    for section, keys in fragment(name).items():
        assert not isinstance(keys, dict) or {key: found[section][key] for key in keys} == keys


@every_preset
@pytest.mark.parametrize("task", sorted(ALL_TASKS))
def test_every_part_that_a_preset_names_fits_every_task(name: str, task: Task) -> None:
    experiment = checked(parse_yaml(SMALL + f"preset: {name}\n"))
    assert choices.ensembles_for(experiment, LabelProfile("left", task))
    assert choices.algorithms_for(experiment, task)


@every_preset
def test_a_preset_says_nothing_about_the_data(name: str) -> None:
    assert not fragment(name).keys() & {"experiment", "data", "columns", "task", "kind", "preset", "register"}


def test_balanced_is_what_a_run_does_when_nothing_is_said() -> None:
    assert settings(SMALL + "preset: balanced\n") == settings(SMALL)


def test_what_the_author_wrote_wins_over_the_preset_and_the_rest_of_the_section_stays() -> None:
    found = settings(SMALL + "preset: fast\nsearch: {generation: 2}\nsplit: {folds: 4}\n")
    assert (found["search"]["trials"], found["search"]["generation"], found["split"]["folds"]) == (12, 2, 4)


def test_a_list_of_the_author_replaces_that_of_the_preset() -> None:
    found = settings(SMALL + "preset: best\nensembles: [greedy]\n")
    assert [part["name"] for part in found["ensembles"]] == ["greedy"]


@every_preset
def test_what_is_rendered_stands_without_its_preset_and_reads_back_the_same(name: str) -> None:
    experiment = checked(parse_yaml(SMALL + f"preset: {name}\n"))
    assert "preset" not in render(experiment)
    assert checked(parse_yaml(render(experiment))) == experiment


def test_an_unknown_preset_is_named_with_its_line_and_the_nearest() -> None:
    with pytest.raises(SpecFault) as caught:
        settings(SMALL + "preset: bset\nseed: -1\n")
    assert str(caught.value.faults[0]) == "churn.yaml:3:1 preset: got text 'bset'. Fix: did you mean 'best'?"
    assert len(caught.value.faults) == 2


def test_a_fault_beside_a_preset_keeps_its_line() -> None:
    with pytest.raises(SpecFault, match=r"churn\.yaml:4:9 split\.folds: got 0, expected 'auto' or at least 1"):
        settings(SMALL + "preset: best\nsplit: {folds: 0}\n")


def test_a_preset_that_is_given_beside_the_file_takes_the_place_of_the_file_s(file: Path) -> None:
    experiment = read_experiment(file, "best")
    assert (experiment.search.trials, experiment.split.folds) == (200, 4)


@pytest.mark.parametrize("verb", ["run", "plan", "render"])
def test_an_unknown_preset_on_the_command_line_is_told_before_anything_starts(file: Path, verb: str) -> None:
    ended = CliRunner().invoke(app, [verb, str(file), "--preset", "fats"])
    assert isinstance(ended.exception, SpecFault)
    assert str(ended.exception) == "preset: there is none named 'fats'. Fix: did you mean 'fast'?"


def test_python_takes_a_preset_under_the_same_name() -> None:
    made = assay.Experiment(experiment="churn", preset="fast", data={"train": "customers.csv", "label": "left"})
    assert (made.spec.search.trials, made.spec.split.folds) == (12, 3)


def test_init_leaves_to_the_preset_what_the_preset_says(tmp_path: Path) -> None:
    rows = tmp_path / "customers.csv"
    rows.write_text("age,left\n" + "".join(f"{age},{age % 2}\n" for age in range(30)))
    _, text = initial([str(rows)], "left", preset="best")
    experiment = checked(parse_yaml(text))
    assert "preset: best" in text
    assert (experiment.search.trials, experiment.split.folds) == (200, 8)


def test_presets_travel_with_the_package() -> None:
    root = Path(__file__).parents[1]
    globs = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["assay"]
    shipped = {path for pattern in globs for path in HOME.parents[1].glob(pattern)}
    assert {HOME / f"{name}.yaml" for name in preset_names()} <= shipped
