"""eSpeak NG in a process of its own: a small server that speaks one text per request.

Run as a script, ``python -I espeak.py LIBRARY DATA``, by :mod:`mien.world.speech`; it needs the
standard library alone. Every text is spoken by a library that was loaded afresh, since the state
that eSpeak NG keeps from one text to the next would change the samples; and a text on which the
library crashes ends this process, not the caller's.

A request is a line of JSON, ``{"voice", "text", "pitch", "range", "rate"}``, or ``{}`` for the list
of languages. An answer is a line of JSON, then as many bytes of 16-bit samples as it says.
"""

import _ctypes
import ctypes
import json
import os
import sys
from typing import IO, Any

# From espeak-ng/speak_lib.h.
OUTPUT_SYNCHRONOUS = 2
PHONEME_EVENTS, PHONEME_IPA, DONT_EXIT = 1, 2, 0x8000
CHARS_UTF8 = 1
RATE, PITCH, RANGE = 1, 3, 4
END_OF_LIST = 0
EVENTS = {1: "word", 7: "phoneme"}


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("rest", ctypes.c_byte * 24),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Library:
    """eSpeak NG, freshly loaded; :meth:`close` takes it out of memory again."""

    def __init__(self, library: str, data: str) -> None:
        self._lib = ctypes.CDLL(library)
        options = PHONEME_EVENTS | PHONEME_IPA | DONT_EXIT
        self.rate = self._lib.espeak_Initialize(OUTPUT_SYNCHRONOUS, 0, data.encode(), options)
        if self.rate <= 0:
            raise RuntimeError(f"eSpeak NG cannot read its data in {data}")
        self._lib.espeak_ng_SetRandSeed(ctypes.c_long(1))

    def close(self) -> None:
        self._lib.espeak_Terminate()
        unload = getattr(_ctypes, "dlclose", None) or _ctypes.FreeLibrary  # type: ignore[attr-defined]
        unload(self._lib._handle)

    def languages(self) -> list[list[str]]:
        """Code, name and voice file of each language."""
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        voices = self._lib.espeak_ListVoices(None)
        out = []
        for pointer in voices:
            if not pointer:
                return out
            voice = pointer.contents
            code = ctypes.string_at(voice.languages + 1)  # a byte of priority comes first
            out.append([text.decode() for text in (code, voice.name, voice.identifier)])
        return out

    def speak(
        self, voice: str, text: str, pitch: int, range: int, rate: int
    ) -> tuple[bytes, list[list[Any]]]:
        """The samples, and events: kind, sample, place in the text, length there, IPA symbol."""
        if self._lib.espeak_SetVoiceByName(voice.encode()):
            raise RuntimeError(f"eSpeak NG has no voice {voice}")
        for parameter, value in ((PITCH, pitch), (RANGE, range), (RATE, rate)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        samples, events = bytearray(), []

        def hear(wave: Any, count: int, heard: Any) -> int:
            if wave and count > 0:
                samples.extend(ctypes.string_at(wave, 2 * count))
            i = 0
            while heard[i].type != END_OF_LIST:
                if heard[i].type in EVENTS:
                    events.append(_plain(heard[i]))
                i += 1
            return 0

        callback = _Callback(hear)
        self._lib.espeak_SetSynthCallback(callback)
        encoded = text.encode()
        self._lib.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, CHARS_UTF8, None, None)
        return bytes(samples), events


def _plain(event: _Event) -> list[Any]:
    kind = EVENTS[event.type]
    symbol = ""
    if kind == "phoneme":  # eight bytes; a longer name is cut, maybe within a character
        raw = ctypes.string_at(ctypes.addressof(event) + _Event.id.offset, 8)
        symbol = raw.split(b"\0")[0].decode("utf-8", "ignore")
    return [kind, event.sample, event.text_position - 1, event.length, symbol]


def serve(library: str, data: str, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are none."""
    for line in requests:
        request = json.loads(line)
        espeak = Library(library, data)
        try:
            samples, events = espeak.speak(**request) if request else (b"", espeak.languages())
            answer = {"rate": espeak.rate, "bytes": len(samples), "events": events}
        except RuntimeError as error:
            samples, answer = b"", {"error": str(error)}
        espeak.close()
        answers.write(json.dumps(answer).encode() + b"\n" + samples)
        answers.flush()


if __name__ == "__main__":
    # The library may print; what it prints must not get into the answers.
    private = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(private, "wb") as out:
        serve(sys.argv[1], sys.argv[2], sys.stdin.buffer, out)
