"""Steps of time as an experiment file writes them: 15 minutes, 1 day, 1 business day, 3 months."""

from __future__ import annotations

import re

UNITS = ("second", "minute", "hour", "day", "business day", "week", "month", "quarter", "year")
STEP = rf"((?P<count>[1-9]\d{{0,8}}) )?(?P<unit>{'|'.join(UNITS)})s?"


def parse_step(text: str) -> tuple[int, str]:
    """Return the number and the unit of a step of time.

    Raises:
        ValueError: it is written in another way.

    Example:
        >>> parse_step("15 minutes"), parse_step("business day")
        ((15, 'minute'), (1, 'business day'))
    """
    found = re.fullmatch(STEP, text.strip().lower())
    if found is None or (found["unit"] == "business day" and int(found["count"] or 1) != 1):
        raise ValueError(
            f"'{text}' is no step of time; write a number and a unit, such as 15 minutes; units: {', '.join(UNITS)}"
        )
    return int(found["count"] or 1), found["unit"]
