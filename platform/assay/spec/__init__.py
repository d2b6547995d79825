"""The experiment file: its settings, how it is read, and how it is written."""

from assay.spec.layering import layered, preset_names
from assay.spec.reading import Located, check, parse_yaml, read_yaml
from assay.spec.schema import (
    ColumnSpec,
    ComputeSpec,
    DataSpec,
    Experiment,
    ForecastSpec,
    PartSpec,
    RegisterSpec,
    SearchSpec,
    SeriesSpec,
    SplitSpec,
)
from assay.spec.strict import Strict

__all__ = [
    "ColumnSpec",
    "ComputeSpec",
    "DataSpec",
    "Experiment",
    "ForecastSpec",
    "Located",
    "PartSpec",
    "RegisterSpec",
    "SearchSpec",
    "SeriesSpec",
    "SplitSpec",
    "Strict",
    "check",
    "layered",
    "parse_yaml",
    "preset_names",
    "read_yaml",
]
