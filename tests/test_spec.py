"""The experiment file: every fault at once, each with its line and column; what is written reads back the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import SpecFault
from assay.spec import Experiment, parse_yaml, read_yaml
from assay.spec.rendering import render
from assay.vocabulary import ColumnKind, Task
from assay.workflows.checking import checked, read_experiment

SMALL = "experiment: churn\ndata: {train: customers.csv, label: left}\n"
WHOLE = """\
experiment: churn
seed: 7
data: {train: [a.csv, b.csv], label: left, group: household, missing_label: drop, positive: "yes"}
task: binary
columns: {zip: {kind: category}, note: {drop: true}}
split: {name: by_group, folds: 3, test_fraction: 0.25}
steps: [impute, {name: one_hot, params: {max_levels: 9}}]
algorithms:
  - decision_tree
  - {name: lightgbm, params: {num_leaves: 15}, space: {learning_rate: {log_uniform: [0.01, 0.3]}}}
search: {name: uniform, trials: 6, time_budget_s: 90}
ensembles: [{name: vote, params: {voting: hard}}]
metric: log_loss
register: {name: churn-model, promote: never}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(SpecFault) as caught:
        checked(parse_yaml(text, "churn.yaml"))
    return [str(fault) for fault in caught.value.faults]


def test_two_keys_are_enough_for_an_experiment() -> None:
    experiment = checked(parse_yaml(SMALL))
    assert (experiment.data.label, experiment.split.folds, experiment.algorithms) == ("left", "auto", "auto")


def test_every_key_arrives_where_it_belongs() -> None:
    experiment = checked(parse_yaml(WHOLE))
    assert experiment.task is Task.BINARY
    assert experiment.columns["zip"].kind is ColumnKind.CATEGORY
    assert experiment.algorithms != "auto"
    assert experiment.algorithms[1].params == {"num_leaves": 15}
    assert experiment.model_name == "churn-model"


@pytest.mark.parametrize("text", [SMALL, WHOLE])
def test_what_is_rendered_reads_back_the_same(text: str) -> None:
    experiment = checked(parse_yaml(text))
    assert checked(parse_yaml(render(experiment))) == experiment


def test_rendering_fills_in_every_default() -> None:
    rendered = render(checked(parse_yaml(SMALL)))
    for line in ("trials: 40", "folds: auto", "threads_per_fit: 1", "promote: if_better"):
        assert line in rendered


def test_an_unknown_key_is_named_with_its_place_and_the_nearest_key() -> None:
    assert faults(SMALL + "serach: {trials: 3}\n") == [
        "churn.yaml:3:1 serach: unknown key 'serach'. Fix: did you mean 'search'?"
    ]


def test_a_wrong_type_says_what_was_found_and_expected() -> None:
    assert faults(SMALL + "search:\n  trials: many\n") == [
        "churn.yaml:4:3 search.trials: got text 'many', expected a whole number. "
        "Fix: use 40, the default, or remove the line"
    ]


def test_a_value_out_of_bounds_says_the_bound() -> None:
    assert faults(SMALL + "split: {folds: 0}\n") == [
        "churn.yaml:3:9 split.folds: got 0, expected 'auto' or at least 1. "
        'Fix: use "auto", the default, or remove the line'
    ]


def test_a_missing_key_is_named_at_the_block_that_lacks_it() -> None:
    assert faults("experiment: churn\ndata: {train: a.csv}\n") == [
        "churn.yaml:2:1 data.label: is missing. Fix: add the line `label: …`"
    ]


def test_a_word_outside_a_choice_names_the_nearest() -> None:
    assert faults(SMALL + "task: binray\n") == [
        "churn.yaml:3:1 task: got text 'binray', expected 'binary', 'multiclass' or 'regression'. "
        "Fix: did you mean 'binary'?"
    ]


def test_a_value_that_fits_no_form_of_a_key_is_told_all_of_them() -> None:
    assert faults(SMALL + "algorithms: lightgbm\n") == [
        "churn.yaml:3:1 algorithms: got text 'lightgbm', expected 'auto' or a list. Fix: write `[lightgbm]`"
    ]


def test_a_part_that_is_not_there_is_named_with_the_nearest() -> None:
    assert faults(SMALL + "ensembles: [vote, stak]\n") == [
        "churn.yaml:3:19 ensembles[1]: no part named 'stak' on the shelf ensembles. Fix: did you mean 'stack'?"
    ]


def test_a_setting_of_a_part_is_checked_where_it_stands() -> None:
    text = SMALL + "algorithms:\n  - name: decision_tree\n    params:\n      max_dpeth: 3\n"
    (said,) = faults(text)
    assert said.startswith("churn.yaml:6:7 algorithms[0].params.max_dpeth: unknown key 'max_dpeth'. Fix: did you mean")


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    found = faults(
        "experiment: my churn\nseed: -1\ndata: {train: a.csv, lable: left}\nsplit: {folds: x}\nmetric: auc\n"
    )
    places = [said.split(": ")[0] for said in found]
    assert places == [
        "churn.yaml:1:1 experiment",
        "churn.yaml:2:1 seed",
        "churn.yaml:3:1 data.label",
        "churn.yaml:3:22 data.lable",
        "churn.yaml:4:9 split.folds",
        "churn.yaml:5:1 metric",
    ]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("{max_depth: 3}", "expected one of {uniform: [low, high]}"),
        ("{max_depth: {integer: [9, 2]}}", "integer needs [low, high] with low <= high, got [9, 2]"),
        ("{max_depth: {log_uniform: [0, 1]}}", "log_uniform needs low > 0, got 0"),
        ("{max_depth: {integer: [0.5, 1]}}", "integer needs whole numbers, got [0.5, 1]"),
        ("{max_depth: {choice: []}}", "choice needs a list of at least one value"),
        ("{max_depth: {normal: [0, 1]}}", "unknown distribution 'normal'"),
    ],
)
def test_a_distribution_that_cannot_be_drawn_from_is_refused(space: str, said: str) -> None:
    (fault,) = faults(SMALL + f"algorithms: [{{name: decision_tree, space: {space}}}]\n")
    assert said in fault
    assert fault.startswith("churn.yaml:3:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("experiment: [churn\n", "churn.yaml:2:1: is not YAML"),
        ("experiment: a\nexperiment: b\n", "churn.yaml:2:1: is not YAML (found duplicate key"),
        ("just words", "churn.yaml: holds text, expected keys and values"),
        ("", "churn.yaml: holds nothing, expected keys and values"),
        ("- a\n- b\n", "churn.yaml: holds a list, expected keys and values"),
    ],
)
def test_a_file_that_is_no_experiment_says_what_it_is(text: str, said: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith(said)
    assert "Fix: " in fault


def test_yaml_cannot_make_anything_but_plain_values(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    text = f"experiment: !!python/object/apply:os.system ['touch {marker}']\ndata: {{train: a.csv, label: y}}\n"
    assert faults(text)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read (No such file"), (b"experiment: caf\xe9\n", "is not UTF-8"), (b"#" * 2**21, "has at most")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "churn.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SpecFault) as caught:
        read_yaml(file)
    assert caught.value.faults[0].place == str(file)
    assert said in caught.value.faults[0].found


def test_the_experiments_of_the_house_are_free_of_faults() -> None:
    for file in (Path(__file__).parents[1] / "jobs" / "experiments").glob("*.yaml"):
        assert isinstance(read_experiment(file), Experiment)


def test_a_threshold_outside_its_bounds_is_told_in_words() -> None:
    assert faults(SMALL + "threshold: 2\n") == ["churn.yaml:3:1 threshold: got 2, expected 'auto' or less than 1. "
                                                "Fix: use \"auto\", the default, or remove the line"]  # fmt: skip


def test_an_algorithm_that_cannot_be_weighted_is_refused_where_it_is_named() -> None:
    found = faults(SMALL + "class_weight: balanced\nalgorithms: [lightgbm, k_nearest_neighbours]\n")
    assert found == [
        "churn.yaml:4:24 algorithms[1]: cannot learn from weighted rows. Fix: leave it out, or the line `class_weight`"
    ]


def test_classes_may_be_written_as_numbers() -> None:
    assert checked(parse_yaml(SMALL + "class_weight: {0: 1, 1: 2.5}\n")).class_weight == {"0": 1.0, "1": 2.5}
    spec = Experiment.model_validate({"experiment": "a", "data": {"train": "a", "label": "b"}, "class_weight": {1: 2}})
    assert spec.class_weight == {"1": 2.0}
