"""The kind text: what it claims, which columns it takes, and rows without a word."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import sentences

from assay import catalog
from assay.errors import DataFault
from assay.spec import ColumnSpec, Experiment
from assay.vocabulary import ColumnKind, Shelf
from assay.workflows.choices import algorithms_for, kind_of
from assay.workflows.wordless import with_words


def experiment(**data: str) -> Experiment:
    return Experiment.model_validate({"experiment": "texts", "data": {"train": "x.csv", "label": "label", **data}})


def with_gaps() -> pa.Table:
    """Return 20 sentences, of which those in rows 3, 7 and 11 say nothing."""
    said = sentences.table(20).column("said").to_pylist()
    said[3], said[7], said[11] = "", None, " \t"
    return sentences.table(20).set_column(0, "said", pa.array(said))


def test_rows_of_one_column_of_sentences_are_texts() -> None:
    assert kind_of(experiment(), sentences.table()) == "text"


def test_sentences_among_other_columns_stay_a_table() -> None:
    rows = sentences.table().append_column("stars", pa.array(np.arange(120) % 5))
    assert kind_of(experiment(), rows) == "tabular"


def test_asked_for_by_name_it_takes_other_columns_too() -> None:
    rows = sentences.table().append_column("stars", pa.array(np.arange(120) % 5))
    profile = sentences.profile_of(rows)
    assert {column.name: column.kind for column in profile.used} == {
        "said": ColumnKind.TEXT,
        "stars": ColumnKind.NUMERIC,
    }


def test_where_no_column_reads_like_sentences_the_wordiest_is_the_text() -> None:
    rows = pa.table({"word": ["yes please", "no thanks"] * 30, "x": ["a", "b", "c"] * 20, "label": ["p", "q"] * 30})
    assert sentences.profile_of(rows).column("word").kind is ColumnKind.TEXT


def test_rows_without_a_column_of_strings_are_refused() -> None:
    with pytest.raises(DataFault, match="no column holds text"):
        sentences.profile_of(pa.table({"x": [1.5, 2.5] * 30, "label": ["p", "q"] * 30}))


def test_a_column_that_the_author_calls_a_category_is_not_the_text() -> None:
    with pytest.raises(DataFault, match="no column holds text"):
        sentences.profile_of(sentences.table(), said=ColumnSpec(kind=ColumnKind.CATEGORY), label=ColumnSpec())


def test_rows_without_a_word_are_refused_by_their_numbers() -> None:
    with pytest.raises(DataFault) as caught:
        with_words(with_gaps(), experiment(), "training rows")
    fault = caught.value.faults[0]
    assert fault.place == "training rows"
    assert fault.found == "3 of 20 rows hold no text: 3, 7, 11"
    assert "broken: skip" in fault.fix


def test_rows_without_a_word_are_left_out_and_counted_where_the_file_says_so() -> None:
    rows, num_left_out = with_words(with_gaps(), experiment(broken="skip"), "training rows")
    assert num_left_out == 3
    assert rows.equals(with_gaps().filter(pa.array([row not in (3, 7, 11) for row in range(20)])))


def test_one_of_two_texts_is_enough() -> None:
    rows = with_gaps().append_column("title", sentences.table(20, seed=1).column("said"))
    asked = experiment().model_copy(update={"kind": "text"})
    assert with_words(rows, asked, "training rows") == (rows, 0)


def test_an_empty_text_in_a_table_is_a_missing_value() -> None:
    rows = with_gaps().append_column("stars", pa.array(np.arange(20) % 5))
    assert with_words(rows, experiment(), "training rows") == (rows, 0)


def test_many_rows_without_a_word_are_named_in_part() -> None:
    said = pa.array([f"a film of note {row}" if row % 2 else "" for row in range(40)])
    rows = pa.table({"said": said, "label": ["p", "q"] * 20})
    with pytest.raises(DataFault, match=r"20 of 40 rows hold no text: 0, 2, 4, 6, 8 \(and 15 more\)"):
        with_words(rows, experiment().model_copy(update={"kind": "text"}), "test rows")


def test_texts_are_learned_by_terms_by_counts_and_by_a_network() -> None:
    profile = sentences.profile_of(sentences.table())
    asked = experiment().model_copy(update={"kind": "text"})
    found = {spec.name for spec in algorithms_for(asked, profile.label.task)}
    assert {"text_linear", "text_naive_bayes", "rnn"} <= found
    assert all("text" in catalog.find(Shelf.ALGORITHMS, key).kinds for key in found)
