"""pydantic-open-inference, at its default options, against a real server."""

from __future__ import annotations

import base64
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic_open_inference import (
    BadStatusCodeFromServerError,
    DatatypeOverride,
    IncompatibleTensorError,
    InputsBaseModel,
    OutputsBaseModel,
    RemoteModel,
)

pytestmark = pytest.mark.cluster
Doubles = Annotated[list[float], DatatypeOverride("FP64")]


class People(InputsBaseModel):
    age: Doubles
    city: list[str]
    member: list[bool]
    joined: list[str]
    note: list[str]


class Probabilities(NamedTuple):
    over: float
    under: float


class Verdict(OutputsBaseModel):
    prediction: list[str]
    probability: list[Probabilities]


class Person(InputsBaseModel):
    age: float
    city: str
    member: bool
    joined: str
    note: str


class OneVerdict(OutputsBaseModel):
    prediction: str


class Numbers(InputsBaseModel):
    x0: Doubles
    x1: Doubles


class Photos(InputsBaseModel):
    photo: list[str]


class Value(OutputsBaseModel):
    prediction: list[float]


class Halves(OutputsBaseModel):
    prediction: list[str]


def remote(url: str, inputs: Any, outputs: Any, name: str = "demo", version: str | None = None) -> Any:
    return RemoteModel(
        model_name=name, model_version=version, inputs_model=inputs, outputs_model=outputs, server_url=url
    )


@pytest.mark.parametrize("version", [None, "1"])
def test_a_model_is_ready_fits_its_description_and_answers(url: str, row: dict[str, Any], version: str | None) -> None:
    model = remote(url, People, Verdict, version=version)
    assert model.is_ready()
    model.validate()
    found = model.infer(People(**{name: [value, value] for name, value in row.items()}))
    assert found.prediction == ["over", "over"]
    assert sum(found.probability[0]) == pytest.approx(1.0)


def test_a_single_row_needs_no_lists(url: str, row: dict[str, Any]) -> None:
    assert remote(url, Person, OneVerdict).infer(Person(**row)).prediction == "over"


def test_numbers_are_predicted(url: str) -> None:
    model = remote(url, Numbers, Value, "number")
    model.validate()
    assert model.infer(Numbers(x0=[2, 0], x1=[0, 1])).prediction == pytest.approx([6, 0], abs=1.5)


def test_images_are_read_as_base64(url: str, photos: list[bytes]) -> None:
    model = remote(url, Photos, Halves, "photos")
    model.validate()
    texts = [base64.b64encode(file).decode() for file in photos]
    assert model.infer(Photos(photo=texts)).prediction == ["upper", "lower"]


def test_a_model_that_is_not_there_is_not_ready_and_answers_404(url: str, row: dict[str, Any]) -> None:
    for model in (remote(url, Person, OneVerdict, "unknown"), remote(url, Person, OneVerdict, version="9")):
        assert not model.is_ready()
        with pytest.raises(BadStatusCodeFromServerError) as refused:
            model.infer(Person(**row))
        assert refused.value.status_code == 404


def test_columns_that_are_missing_are_found_by_the_description_and_by_the_server(url: str) -> None:
    with pytest.raises(IncompatibleTensorError):
        remote(url, Photos, OneVerdict).validate()
    with pytest.raises(BadStatusCodeFromServerError) as refused:
        remote(url, Photos, OneVerdict).infer(Photos(photo=["a"]))
    assert refused.value.status_code == 400
