"""One question, or many from a file of lines, answered one after the other."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from mien.errors import InputError, MienError, UsageError
from mien.jobs.ask.answer import Answer, Answerer, Answering
from mien.jobs.terminal import one_line
from mien.media.files import atomic, check_readable

TASK = "conversation"
LONGEST = 1 << 20  # bytes of a line with a question


def ask(
    source: str | os.PathLike[str],
    question: str,
    *,
    every: int = 1,
    device: str = "cpu",
) -> Answer:
    """The answer to a question about the faces in a photo or a video, from mien-base's readings.

    every: look at every n-th frame of a video.

    Raises UsageError for no question, InputError for an input that cannot be used, MienError where
    the device or the weights are not there.
    """
    return run_ask(os.fspath(source), question, every=every, device=device)


def run_ask(
    source: str,
    question: str,
    *,
    every: int = 1,
    device: str = "cpu",
    system: str | None = None,
    run: Path | None = None,
    weights: str | None = None,
    say: Callable[[str], object] | None = None,
) -> Answer:
    """``mien ask FILE QUESTION``: like :func:`ask`; ``say`` gets the text as it is known.

    system: slug of a system of the task "conversation" that answers instead, with the weights of a
    ``run`` of ``mien train`` or ``weights``.
    """
    if not question.strip():
        raise UsageError('no question: ask something, such as "How does she look, and why?"')
    return open_answerer(system, run, weights, device, every)(source, question, say)


def run_batch(
    questions: Path,
    out: Path | None = None,
    *,
    every: int = 1,
    device: str = "cpu",
    system: str | None = None,
    run: Path | None = None,
    weights: str | None = None,
    on_answer: Callable[[dict[str, Any]], object] = print,
) -> int:
    """``mien ask --batch``: answers line by line, and calls ``on_answer`` with each as it is done.

    questions: JSON lines with ``file``, ``question`` and, if wanted, ``id``. out: JSON lines, one
    for each question in their order, with ``line``, its number, and either the answer
    (:meth:`Answer.row`) or ``error``; the file appears when all are answered.

    Returns the number of lines without an answer; each costs a line on standard error.
    """
    if out is not None and out.exists() and questions.exists() and out.samefile(questions):
        raise UsageError(f"{out}: holds the questions; choose another file for --out")
    check_readable(questions)
    answerer = open_answerer(system, run, weights, device, every)
    failed = 0
    with ExitStack() as stack:
        written = None
        if out is not None:
            temporary = stack.enter_context(atomic(out))
            written = stack.enter_context(temporary.open("w", encoding="utf-8"))
        for number, line in _lines(stack.enter_context(questions.open("rb"))):
            row = _answered(answerer, number, line)
            if "error" in row:
                failed += 1
                print(f"mien: {questions}: line {number}: {one_line(row['error'])}",
                      file=sys.stderr)  # fmt: skip
            if written is not None:
                written.write(json.dumps(row) + "\n")
            on_answer(row)
    return failed


def open_answerer(
    system: str | None, run: Path | None, weights: str | None, device: str, every: int
) -> Answerer:
    """What answers: mien's own, or a system.

    A system of the task "conversation" says how by a class method ``answerer(run, weights,
    device)`` that returns an :class:`Answerer`.

    Raises UsageError for a system that is not there or answers no questions.
    """
    if every < 1:
        raise UsageError(f"every must be at least 1, not {every}")
    if system is None:
        if run is not None or weights is not None:
            raise UsageError("weights are of a system: say which, with --system SLUG")
        return Answering(device, every)
    from mien.systems import available, load  # here: the default needs no registry

    known = available()
    if system in known and known[system].task not in (TASK, ""):
        able = [name for name, entry in known.items() if entry.task == TASK]
        others = f"; of those that do there are: {', '.join(able)}" if able else ""
        raise UsageError(
            f"{system} answers no questions{others}; leave --system out for mien's own"
        )
    make = getattr(load(system), "answerer", None)
    if make is None:
        raise UsageError(f"{system} does not say how it answers questions; leave --system out")
    return make(run, weights, device)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers; of one that is too long the beginning."""
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        rest = line
        while len(rest) > LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
        if line.strip():
            yield number, line


def _answered(answerer: Answerer, number: int, line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {"line": number}
    try:
        asked = _asked(line)
        row |= asked
        return row | answerer(asked["file"], asked["question"]).row()
    except MienError as error:
        return row | {"error": str(error)}


def _asked(line: bytes) -> dict[str, Any]:
    """``file``, ``question`` and, where there is one, ``id`` of a line."""
    if len(line) > LONGEST:
        raise InputError(f"longer than {LONGEST} bytes")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON") from error
    if not isinstance(values, dict):
        raise InputError('not an object such as {"file": "a.jpg", "question": "..."}')
    for key in ("file", "question"):
        value = values.get(key)
        if not (isinstance(value, str) and value.strip()):
            raise InputError(f"no {key!r}, which is to be a text")
    return {key: values[key] for key in ("id", "file", "question") if key in values}
