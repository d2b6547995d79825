"""Texts of languages that put no space between words are texts, and their letters are terms."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.algorithms._tokens import words_of
from assay.batch import Batch, Column
from assay.cells import num_words
from assay.vocabulary import ColumnKind, Shelf

SENTENCES = {
    "Chinese": ("这家餐厅的味道真的很好", "服务太差了我们不会再来"),
    "Japanese": ("とても美味しいお店でした", "サービスがひどかったです"),
    "Thai": ("อาหารอร่อยมากและบริการดี", "บริการแย่มากไม่มาอีกแล้ว"),
    "Khmer": ("ម្ហូបឆ្ងាញ់ណាស់ហើយសេវាកម្មល្អ", "សេវាកម្មអាក្រក់ណាស់មិនមកទៀតទេ"),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_long_strings_of_such_letters_are_text(language: str) -> None:
    texts = [f"{SENTENCES[language][place % 2]}{place}" for place in range(40)]
    rows = pa.table({"said": texts, "y": ["good", "bad"] * 20})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(40), 0), "y", None, {}, None)
    assert profile.column("said").kind is ColumnKind.TEXT
    assert catalog.make(Shelf.KINDS, "text").claims(rows, "y")


def test_names_of_a_few_such_letters_are_no_text() -> None:
    rows = pa.table({"city": ["北京市", "上海市", "广州市", "深圳市"] * 10, "x": range(40), "y": ["a", "b"] * 20})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(40), 0), "y", None, {}, None)
    assert profile.column("city").kind is ColumnKind.CATEGORY


@pytest.mark.parametrize("step", ["tfidf_text", "hashed_text"])
def test_steps_tell_such_texts_apart(step: str) -> None:
    text_N = np.array(SENTENCES["Chinese"] * 20, dtype=object)
    batch = Batch({"said": text_N}, {"said": Column(ColumnKind.TEXT)}, np.arange(40))
    part = catalog.make(Shelf.STEPS, step)
    changed = part.learn(batch, 0)[1].columns["said"] if step == "tfidf_text" else part.apply({}, batch).columns["said"]
    assert np.abs(changed[0] - changed[1]).max() > 0.1


def test_words_with_spaces_stay_whole() -> None:
    assert words_of("so good, 这家店 café") == ["so", "good", ",", "这", "家", "店", "café"]
    assert (num_words("so good"), num_words("这家餐厅的味道")) == (2, 3)
