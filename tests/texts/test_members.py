"""What learns from texts: that it does, that it is the same each time, and what it makes of texts it never saw."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sentences
from safetensors.numpy import load, save

from assay.errors import ArtifactFault
from assay.vocabulary import Shelf

KEYS = ["text_linear", "text_naive_bayes", "rnn"]
every_member = pytest.mark.parametrize("key", KEYS)


@every_member
def test_it_tells_new_sentences_apart(key: str) -> None:
    fitted = sentences.algorithm(key).fit(sentences.batch(), seed=0)
    new = sentences.batch(60, seed=1)
    assert (fitted.predict(new).argmax(axis=1) == new.label_N).mean() > 0.9


@every_member
def test_the_same_seed_gives_the_same_bits(key: str) -> None:
    first, second = (sentences.algorithm(key).fit(sentences.batch(), seed=4) for _ in range(2))
    assert first.files() == second.files()
    np.testing.assert_array_equal(first.predict(sentences.batch()), second.predict(sentences.batch()))


@every_member
@pytest.mark.parametrize("said", ["", "   ", "xyzzy plugh", "é\u0301 " * 3_000, "!?"])
def test_any_text_gets_probabilities(key: str, said: str) -> None:
    fitted = sentences.algorithm(key, **({"num_epochs": 1} if key == "rnn" else {})).fit(sentences.batch(), seed=0)
    prediction_NK = fitted.predict(sentences.texts(said, "a great film"))
    assert np.isfinite(prediction_NK).all()
    np.testing.assert_allclose(prediction_NK.sum(axis=1), 1, atol=1e-6)


@every_member
def test_a_text_gets_the_same_answer_alone_and_among_others(key: str) -> None:
    fitted = sentences.algorithm(key).fit(sentences.batch(), seed=0)
    together_NK = fitted.predict(sentences.texts("a great film", "so dull", "it was here and it was rather lovely"))
    alone_NK = fitted.predict(sentences.texts("a great film"))
    np.testing.assert_allclose(together_NK[:1], alone_NK, atol=1e-6)


@every_member
def test_a_text_without_a_word_gets_the_same_answer_alone_and_among_others(key: str) -> None:
    fitted = sentences.algorithm(key).fit(sentences.batch(), seed=0)
    among_K = fitted.predict(sentences.texts("", "it was a great film and so much longer"))[0]
    np.testing.assert_allclose(fitted.predict(sentences.texts(""))[0], among_K, atol=1e-6)


@every_member
def test_training_texts_without_a_word_still_fit(key: str) -> None:
    empty = sentences.batch()
    empty.columns["said"][:] = ""
    prediction_NK = sentences.algorithm(key).fit(empty, seed=0).predict(sentences.texts("a great film"))
    assert np.isfinite(prediction_NK).all()


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("counted", ["log", "once"])
@pytest.mark.parametrize(("max_words", "max_letters"), [(1, 0), (0, 4), (3, 6)])
def test_every_choice_of_terms_learns(by_class: bool, counted: str, max_words: int, max_letters: int) -> None:
    chosen = {"by_class": by_class, "counted": counted, "max_words": max_words, "max_letters": max_letters}
    new = sentences.batch(60, seed=1)
    answer_NK = sentences.algorithm("text_linear", **chosen).fit(sentences.batch(), seed=0).predict(new)
    assert (answer_NK.argmax(axis=1) == new.label_N).mean() > 0.9


@pytest.mark.parametrize("name", ["term", "idf", "weight", "offset", "class"])
def test_terms_that_do_not_fit_are_refused(name: str) -> None:
    algorithm = sentences.algorithm("text_linear")
    files = dict(algorithm.fit(sentences.batch(), seed=0).files())
    arrays = load(files["terms.safetensors"])
    arrays[name] = arrays[name][:-1]
    with pytest.raises(ArtifactFault):
        algorithm.load({**files, "terms.safetensors": save(arrays)})


def test_words_that_are_there_twice_are_refused() -> None:
    algorithm = sentences.algorithm("rnn", num_epochs=1)
    files = dict(algorithm.fit(sentences.batch(), seed=0).files())
    shape = json.loads(files["network.json"])
    shape["words"][1] = shape["words"][0]
    with pytest.raises(ArtifactFault, match="twice"):
        algorithm.load({**files, "network.json": json.dumps(shape).encode()})


def test_the_shelf_says_what_each_is_for() -> None:
    assert all(sentences.catalog.summary(Shelf.ALGORITHMS, key) for key in KEYS)
