"""A small client of a server of assay: `Client(url).predict(rows)`. Needs httpx and nothing else of the product."""

from assay_serving.client.answers import Contribution, Explanation, Feedback, Metadata, Predictions
from assay_serving.client.asking import Client
from assay_serving.client.errors import AskError, Failed, Refused

__all__ = [
    "AskError",
    "Client",
    "Contribution",
    "Explanation",
    "Failed",
    "Feedback",
    "Metadata",
    "Predictions",
    "Refused",
]
