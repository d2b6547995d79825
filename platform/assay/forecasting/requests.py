"""What a model that forecasts wants to be sent: the history of each series, and rows to come without a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.forecasting.framing import Framing
from assay.profile import ColumnProfile, Profile
from assay.vocabulary import ColumnKind

CARD = "forecast"  # where a model's card holds the framing


def framing_of(card: Mapping[str, Any]) -> Framing | None:
    """Return how the model of a card frames series; None of a model that does not forecast."""
    told = card.get(CARD)
    return None if told is None else Framing.from_json(told)


def wanted(framing: Framing, profile: Profile) -> Profile:
    """Return the profile of rows as they are sent, where `profile` is of framed rows: series, time, known and label."""
    known = {column.name: column for column in profile.columns}
    time = (
        ColumnKind.NUMERIC if framing.clock.unit == "count" and not framing.clock.written.text else ColumnKind.DATETIME
    )
    columns = [
        *(replace(known[name], dropped="") for name in framing.series),
        ColumnProfile(framing.time, time),
        *(replace(known[name], dropped="") for name in framing.known),
        ColumnProfile(framing.label, ColumnKind.NUMERIC),
    ]
    return replace(profile, columns=tuple(columns))


def forecast(framing: Framing, table: pa.Table, predict: Callable[[pa.Table], np.ndarray]) -> pa.Table:
    """Return a forecast of each series in a table of its history, and of rows to come without a label.

    `predict` is that of the model: from framed rows to prediction_NK.

    Raises:
        DataFault: a gap, a time that is there twice, a history that is too short: with the rows.
    """
    framed = framing.future(table)
    return framing.answer(framed, predict(framed.table.drop_columns([framing.label]))[:, 0])
