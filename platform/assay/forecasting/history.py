"""How much history series have: the season that it can hold, the horizon that it can judge, the error of naive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.errors import DataFault
from assay.forecasting.clock import Clock
from assay.forecasting.features import Past
from assay.forecasting.series import Series
from assay.notices import notice
from assay.spec import ForecastSpec

MIN_LEVEL = 7  # values that a level is the mean of, at least


def past_of(series: Sequence[Series], spec: ForecastSpec, clock: Clock) -> Past:
    """Return how the past is looked at: with the season of the file, else the longest usual one that histories hold.

    A history holds a season if every series (half of them, where short ones are left out) has an origin behind it, and
    the longest can be judged on whole horizons after others were learned from.

    Raises:
        DataFault: no history is long enough for the horizon.
    """
    known_n = np.array([one.known for one in series])
    wanted = (spec.season,) if spec.season else clock.seasons
    pasts = [Past(spec.horizon, season, max(2 * season, MIN_LEVEL), _year(season, clock)) for season in wanted]
    usual = float(np.median(known_n)) if spec.short == "skip" else int(known_n.min())
    longest = int(known_n.max())
    for past in pasts:
        if longest - past.fewest < 2 * spec.horizon or (not spec.season and usual <= past.fewest):
            continue
        if past.season < wanted[0]:
            shortest = series[int(np.argmin(known_n))]
            place = f"series '{shortest.name}'" if spec.series else "the series"
            notice(
                f"forecast.season: {past.season} and not {wanted[0]}, the usual one of {clock.word}: {place} has "
                f"{shortest.known:,} values, {pasts[0].fewest + 2 * spec.horizon:,} are needed"
            )
        return past
    last = pasts[-1]
    most = (longest - last.fewest) // 2
    if longest <= last.fewest:
        return last  # each series is refused by name
    season = f" a season of {last.season} needs" if spec.season else " every forecast needs"
    raise DataFault.at(
        "forecast.horizon",
        f"{spec.horizon:,} steps of {clock.said} are too many for {longest:,} training rows of the longest series:"
        f"{season} {last.fewest} values before it, and models are judged on whole horizons they did not learn from",
        (f"write a horizon of at most {most}, or " if most >= 1 else "")
        + f"give {last.fewest + 2 * spec.horizon:,} values of a series"
        + (", or a shorter `season`" if spec.season and spec.season > 1 else ""),
    )


def _year(season: int, clock: Clock) -> int:
    return clock.year // season * season if clock.year > 2 * season else 0


def naive_error(y_T: np.ndarray, season: int) -> float:
    """Return the mean absolute difference of values one season apart, NaN of fewer values.

    Source: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy", the scale of the MASE.

    Example:
        >>> naive_error(np.array([1.0, 5.0, 2.0, 9.0]), 2)
        2.5
    """
    return float(np.abs(y_T[season:] - y_T[:-season]).mean()) if len(y_T) > season else float("nan")
