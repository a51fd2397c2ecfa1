"""Text as numbers and back, without a vocabulary to learn or to fetch: one token for each byte."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Protocol


class Tokeniser(Protocol):
    """What a language model reads and writes by."""

    begin: int
    end: int

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without ``begin`` and ``end``."""
        ...

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of tokens, in pieces, as soon as they are known."""
        ...


class Bytes:
    """UTF-8: tokens 0 to 255, and two more for begin and end."""

    end, begin = 256, 257
    vocabulary = 258

    def encode(self, text: str) -> list[int]:
        """The bytes of a text; half a surrogate becomes a question mark."""
        return list(text.encode("utf-8", "replace"))

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """Whole characters, as soon as their last byte is there; broken ones as U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in tokens:
            piece = decoder.decode(bytes([token])) if token < 256 else ""
            if piece:
                yield piece
        if rest := decoder.decode(b"", final=True):
            yield rest


def until(pieces: Iterable[str], mark: str) -> Iterator[str]:
    """Pieces of a text up to a mark; what may be its beginning is held back until it is known."""
    held = ""
    for piece in pieces:
        held += piece
        if mark in held:
            held = held[: held.index(mark)]
            break
        sure = len(held) - _begun(held, mark)
        if sure:
            yield held[:sure]
            held = held[sure:]
    if held:
        yield held


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of the text begin the mark."""
    return next((n for n in range(len(mark) - 1, 0, -1) if text.endswith(mark[:n])), 0)
