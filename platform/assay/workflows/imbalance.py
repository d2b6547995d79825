"""Class weights: how much a row of a rare class counts while members learn; their probabilities are then calibrated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from assay.batch import Batch
from assay.cells import Levels
from assay.errors import Fault, SpecFault, did_you_mean, raise_all
from assay.profile import LabelProfile
from assay.spec import Experiment


def check_weights(experiment: Experiment, label: LabelProfile) -> None:
    """Check the class weights, once the classes are known.

    Raises:
        SpecFault: weights for numbers, or for a class that the label does not have.
    """
    asked = experiment.class_weight
    if asked == "none":
        return
    if not label.classes:
        raise SpecFault.at("class_weight", "is for classes, the label has numbers", "remove the line")
    known = Levels(label.classes)
    unknown = [name for name in asked if known.code(name) == len(label.classes)] if isinstance(asked, dict) else []
    raise_all(
        SpecFault,
        [
            Fault(f"class_weight.{name}", f"the label has no class '{name}'", did_you_mean(name, label.classes))
            for name in unknown
        ],
    )


def weighted(batch: Batch, experiment: Experiment, label: LabelProfile) -> Batch:
    """Return the rows with the weights that the file asks for; their mean is 1.

    Source of `balanced`: King and Zeng 2001, "Logistic regression in rare events data", Political Analysis 9(2).
    """
    asked = experiment.class_weight
    if asked == "none":
        return batch
    if isinstance(asked, dict):
        weight_K = np.ones(len(label.classes))
        weight_K[[Levels(label.classes).code(name) for name in asked]] = list(asked.values())
    else:
        weight_K = 1.0 / np.maximum(np.array(label.class_counts, np.float64), 1.0)
    weight_N = weight_K[batch.label_N]
    return replace(batch, weight_N=weight_N / weight_N.mean())
