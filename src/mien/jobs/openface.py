"""``mien analyze --columns openface``: a table for each input, as OpenFace's scripts expect it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mien.face import Face
from mien.jobs.pictures import Names
from mien.jobs.stream import Reading
from mien.media import measures, table
from mien.media.blocks import ROWS, Block
from mien.media.foreign import openface

FOLDER = "openface"


class OpenFaceTables:
    """The tables of the inputs, one after the other; each appears when its input ends."""

    def __init__(self, out: Path, outputs: Sequence[str], stack: ExitStack) -> None:
        self._outputs, self._stack = outputs, stack
        self._files = Names(out)
        self._names = measures.ordered(table.COLUMNS + table.columns_of(outputs))
        self._add: Callable[[Block], None] | None = None
        self._waiting: list[Face] = []

    def write(self, reading: Reading, faces: Sequence[Face]) -> None:
        """The faces of a frame."""
        if self._add is None:
            path = self._files.path(FOLDER, reading.name, ".csv")
            self._add = self._stack.enter_context(openface.open_table(path, self._names))
        self._waiting += faces
        if len(self._waiting) >= ROWS:
            self._flush()

    def finish(self) -> None:
        """The input has ended."""
        self._flush()
        self._stack.close()
        self._add = None

    def _flush(self) -> None:
        for block in measures.face_blocks(self._waiting, self._outputs):
            assert self._add is not None
            self._add(block)
        self._waiting = []


@contextmanager
def open_openface(out: Path, outputs: Sequence[str]) -> Iterator[OpenFaceTables]:
    """Tables in ``out``/openface, STEM.csv for each input; on an error the last is left out."""
    with ExitStack() as stack:
        yield OpenFaceTables(out, outputs, stack)
