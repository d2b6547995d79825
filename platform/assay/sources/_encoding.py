"""The encoding of a text file: UTF-8 wherever its bytes allow it, else detected from the bytes that are not ASCII."""

from __future__ import annotations

import codecs
from typing import Any

from assay.errors import DataFault
from assay.sources._paths import open_stream

BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 64 << 10  # of lines with bytes that are not ASCII
MARKS = (  # the longer ones first: the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
# What Excel, Windows, old Macs and databases of all languages write; the usual ones first.
CANDIDATES = [
    "cp1252", "mac_roman", "latin_1", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257",
    "iso8859_2", "iso8859_15", "cp850", "cp437", "shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp949",
]  # fmt: skip
# Encodings of one byte for Latin letters, which libraries confuse: told apart by what their letters are in words.
_LATIN = {
    "cp1252": "äöüßéèêëàâáãåæçñíìîïóòôõøúùûýÿœšžðþ",
    "mac_roman": "äöüßéèêëàâáãåæçñíìîïóòôõøúùûÿœ",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžľĺŕôäöüßăâîşţőű",
    "iso8859_2": "ąćęłńóśźżáčďéěíňřšťúůýžľĺŕôäöüßăâîşţőű",
    "cp1254": "çğıİöşüâîû",
    "latin_1": "äöüßéèêëàâáãåæçñíìîïóòôõøúùûýÿðþ",
}
_RARE = "ðþýÿ"  # of Icelandic, whose bytes are letters of every other word in Turkish
_SIGNS = "\N{LEFT SINGLE QUOTATION MARK}“”„\N{EN DASH}\N{EM DASH}…•€£°©®™½²³¿¡«»§º"  # between words
_ALSO_LATIN = {"iso8859_15", "cp1257", "cp850", "cp437"}


def known(name: str, place: str) -> str:
    """Return Python's name of an encoding.

    Raises:
        DataFault: there is none of this name.
    """
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise DataFault.at(place, f"'{name}' is no encoding", "such as utf-8, cp1252, mac_roman or shift_jis") from None


def detect(file: str) -> str:
    """Return the encoding of a file: by its mark, UTF-8 where all bytes are, else the most likely one.

    Raises:
        DataFault: no encoding fits, or it holds zero bytes as no text does.
    """
    with open_stream(file) as stream:
        head = stream.read(BLOCK_BYTES)
        marked = next((name for mark, name in MARKS if head.startswith(mark)), None)
        if marked is not None:
            return marked
        if b"\0" in head:
            return _of_pairs(file, head)
        sample = _not_utf8(stream, head)
    if sample is None:
        return "utf-8"
    return _likeliest(sample)


def _of_pairs(file: str, head: bytes) -> str:
    """Return which UTF-16 text without a mark is, by where its zero bytes stand."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    raise DataFault.at(file, "is not text (it holds zero bytes)", "name its real format in data.format")


def _not_utf8(stream: Any, block: bytes) -> bytes | None:
    """Return lines with bytes that are not ASCII, from all over the file; None where all bytes are UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    sound, sample = True, bytearray()
    while block:
        if not block.isascii():
            if sound:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    sound = False
            lines = (line for line in block.splitlines(keepends=True) if not line.isascii())
            for line in lines:
                if len(sample) >= SAMPLE_BYTES:
                    break
                sample += line
        block = stream.read(BLOCK_BYTES)
    return None if sound else bytes(sample)


def _likeliest(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=CANDIDATES, enable_fallback=False).best()
    if best is not None and best.encoding not in {*_LATIN, *_ALSO_LATIN}:
        return str(best.encoding)
    return max(_LATIN, key=lambda name: _plausible(sample, name))


def _plausible(sample: bytes, name: str) -> float:
    """Return the share of characters beyond ASCII that Latin text has where they stand."""
    try:
        text = sample.decode(name)
    except UnicodeDecodeError:
        return -1.0
    letters = {*_LATIN[name], *_LATIN[name].upper()}
    places = [place for place, character in enumerate(text) if ord(character) > 127]
    good = sum(_fits_word(text, place) if text[place] in letters else _is_sign(text, place) for place in places)
    return good / max(1, len(places))


def _fits_word(text: str, place: int) -> float:
    """Return how plausible a letter is: no capital follows a small letter, and some letters are of few languages."""
    letter, before = text[place], text[place - 1 : place]
    if letter.isupper() and before.islower():
        return 0.0
    return 0.9 if letter.lower() in _RARE else 1.0


def _is_sign(text: str, place: int) -> bool:
    """Whether a sign stands where it may; an apostrophe and a blank may stand between letters."""
    if text[place] in "\N{RIGHT SINGLE QUOTATION MARK}\N{NO-BREAK SPACE}":
        return True
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    return text[place] in _SIGNS and not (before.isalpha() and after.isalpha())
