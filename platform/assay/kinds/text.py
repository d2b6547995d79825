"""Texts with a label: reviews, messages, sentences, and simple columns beside them where there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.cells import BY_DEFAULT, MissingValues, with_nulls
from assay.errors import DataFault
from assay.kinds.tabular import Tabular
from assay.profile import ColumnProfile, ColumnSummary, Profile
from assay.spec import ColumnSpec
from assay.vocabulary import ColumnKind, Task

SHOWN_ROWS = 1_000  # that show which columns are text


class Text(Tabular):
    """Rows of which one column is text; an empty text is a text without words, and the profile counts them.

    It claims rows whose one useful column is text. Asked for by name it takes other columns too, and where no column
    reads like sentences, the one of most words is the text.

    Example:
        >>> rows = pa.table({"said": ["so good", "too bad", "", "not bad"], "stars": [5, 1, 1, 5]})
        >>> kind = Text()
        >>> profile = kind.profile(kind.summarise(rows, np.arange(4), seed=0), "stars", None, {}, None)
        >>> profile.column("said").kind.value, profile.column("said").note
        ('text', '1 of 4 texts is empty')
    """

    def claims(self, table: pa.Table, label: str) -> bool:
        num_texts = 0
        names = [name for name in table.column_names if name != label]
        for name in names:  # one by one: of thousands of columns the first few say that it is a table
            summaries = self.summarise(table.select([name]), np.arange(table.num_rows), seed=0)
            for column in self.columns(summaries, label, {}):
                num_texts += not column.dropped
                if not column.dropped and (column.kind is not ColumnKind.TEXT or num_texts > 1):
                    return False
        return num_texts == 1

    def profile(
        self,
        summaries: Mapping[str, ColumnSummary],
        label: str,
        task: Task | None,
        declared: Mapping[str, Any],
        positive: str | None,
        missing: MissingValues = BY_DEFAULT,
    ) -> Profile:
        made = self._profile(summaries, label, task, declared, positive, missing)
        return replace(made, columns=tuple(_counted(column) for column in made.columns))

    def default_steps(self, wants: str) -> tuple[str, ...]:
        if wants == "raw":  # numbers beside the texts, which stay as they are
            return tuple(step for step in super().default_steps("dense") if step != "tfidf_text")
        return super().default_steps(wants)

    def wordless(
        self, table: pa.Table, label: str, declared: Mapping[str, Any], missing: MissingValues = BY_DEFAULT
    ) -> np.ndarray:
        """Return a mask of the rows whose texts are all empty; which columns are text is told from the first rows."""
        head = table.slice(0, SHOWN_ROWS)
        summaries = self.summarise(head, np.arange(head.num_rows), 0, missing)
        known = self.columns(summaries, label, declared, missing)
        names = [column.name for column in known if column.kind is ColumnKind.TEXT and not column.dropped]
        worded = _most_words(summaries, label, declared)
        empty_N = np.ones(table.num_rows, bool)
        for name in names or ([] if worded is None else [worded]):
            text = with_nulls(table.column(name), missing.rules(name).words(ColumnKind.TEXT))
            empty_N &= np.asarray(text.is_null())
        return empty_N if names or worded is not None else np.zeros(table.num_rows, bool)

    def _profile(
        self,
        summaries: Mapping[str, ColumnSummary],
        label: str,
        task: Task | None,
        declared: Mapping[str, Any],
        positive: str | None,
        missing: MissingValues = BY_DEFAULT,
    ) -> Profile:
        worded = _most_words(summaries, label, declared)
        try:
            made = super().profile(summaries, label, task, declared, positive, missing)
            if worded is None or any(column.kind is ColumnKind.TEXT for column in made.used):
                return _with_text(made)
        except DataFault:  # the column of most words may be all there is, and be taken for an identifier
            if worded is None:
                raise
        asked = {**declared, worded: ColumnSpec(kind=ColumnKind.TEXT)}
        return super().profile(summaries, label, task, asked, positive, missing)


def _most_words(summaries: Mapping[str, ColumnSummary], label: str, declared: Mapping[str, Any]) -> str | None:
    """Return the column of strings with the most words a value that nothing is declared of, if there is one."""
    words = {
        name: summary.num_words / summary.num_present
        for name, summary in summaries.items()
        if name != label and name not in declared and summary.stored == {"string"} and summary.num_distinct > 1
    }
    return max(words, key=lambda name: words[name], default=None)


def _with_text(made: Profile) -> Profile:
    if not any(column.kind is ColumnKind.TEXT for column in made.used):
        raise DataFault.at("kind", "is text, and no column holds text", "name one with `columns: {NAME: {kind: text}}`")
    return made


def _counted(column: ColumnProfile) -> ColumnProfile:
    """Return what is known of a column, with a word about its empty texts."""
    if column.dropped or column.kind is not ColumnKind.TEXT or not column.num_missing:
        return column
    verb = "is" if column.num_missing == 1 else "are"
    empty = f"{column.num_missing:,} of {column.num_rows:,} texts {verb} empty"
    return replace(column, note="; ".join(filter(None, (empty, column.note))))
