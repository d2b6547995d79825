"""Words as numbers: those of the training texts by name, all others in a few buckets by their hash."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assay.cells import TERM, UNSPACED
from assay.errors import ArtifactFault

WORD = re.compile(rf"{TERM}|[^\w\s{UNSPACED}]")
MAX_LETTERS = 100  # of a word that count


@dataclass(frozen=True)
class Vocabulary:
    """Numbers words from 1 on; 0 is no word. After the known words come the buckets of the unknown ones."""

    words: tuple[str, ...]
    num_buckets: int

    @classmethod
    def learned(cls, texts: Sequence[str] | np.ndarray, min_rows: int, max_words: int, num_buckets: int) -> Vocabulary:
        """Return the words that are in at least `min_rows` of the texts, the most frequent `max_words` of them."""
        rows = Counter(word for text in texts for word in set(words_of(text)))
        common = sorted((-count, word) for word, count in rows.items() if count >= min_rows)
        return cls(tuple(word for _, word in common[:max_words]), num_buckets)

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The number of each known word."""
        return {word: number for number, word in enumerate(self.words, start=1)}

    def tokens(self, texts: Sequence[str] | np.ndarray, max_tokens: int) -> np.ndarray:
        """Return token_NL, int32: the first words of each text, 0 after its end; L is 1 at least."""
        found = [[self._number(word) for word in words_of(text)[:max_tokens]] for text in texts]
        token_NL = np.zeros((len(found), max(1, max(map(len, found), default=1))), np.int32)
        for row, numbers in zip(token_NL, found, strict=True):
            row[: len(numbers)] = numbers
        return token_NL

    def _number(self, word: str) -> int:
        known = self.number_of.get(word)
        return known or 1 + len(self.words) + zlib.crc32(word.encode("utf-8", "surrogatepass")) % self.num_buckets

    def checked(self) -> Vocabulary:
        """Return the vocabulary, which may come from a stranger.

        Raises:
            ArtifactFault: a word is there twice, or is none.
        """
        if len(self.number_of) != len(self.words) or not all(0 < len(word) <= MAX_LETTERS for word in self.words):
            raise ArtifactFault.at("network.json", "holds words twice, or what is not a word")
        return self


def words_of(text: str) -> list[str]:
    """Return the words and marks of a text in small letters.

    Example:
        >>> words_of("Not bad!")
        ['not', 'bad', '!']
    """
    return [word[:MAX_LETTERS] for word in WORD.findall(text.lower())]
