"""What a run tells of itself: ``metrics.csv``, a line for the user, TensorBoard, pictures."""

import csv
import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.errors import InputError, MienError
from mien.media.files import atomic
from mien.media.image import write_image
from mien.train.system import Stage

Say = Callable[[str], None]
Row = dict[str, str]
MOST_PICTURES = 8


class Table:
    """A CSV file that grows by rows; a new column makes it be written anew, whole or not at all."""

    def __init__(self, path: Path):
        self.path = path
        self.columns, _ = _read(path)

    def forget(self, stage: str, after: int) -> None:
        """Remove a stage's rows after a step: they come again after a resumption."""
        columns, rows = _read(self.path)
        try:
            rows = [row for row in rows if row["stage"] != stage or int(row["step"]) <= after]
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.path}: not the metrics of a run") from error
        self._write(columns, rows)

    def add(self, row: Row) -> None:
        new = [column for column in row if column not in self.columns]
        if new:
            _, rows = _read(self.path)
            self._write([*self.columns, *new], [*rows, row])
        else:
            with self.path.open("a", newline="") as stream:
                stream.write(_text(self.columns, [row]))

    def _write(self, columns: list[str], rows: list[Row]) -> None:
        self.columns = columns
        header = dict(zip(columns, columns, strict=True))
        with atomic(self.path) as path:
            path.write_text(_text(columns, [header, *rows] if columns else []), newline="")


def _text(columns: list[str], rows: list[Row]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, restval="", lineterminator="\n").writerows(rows)
    return text.getvalue()


def _read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and whole rows of a file that a kill may have cut off in its last row."""
    if not path.exists():
        return [], []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    header, *rows = list(csv.reader(whole)) or [[]]
    return header, [dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]


@dataclass
class Sums:
    """The terms of a turn, summed on their device: a report is the first to wait for them."""

    names: list[str]
    values: torch.Tensor
    count: int = 0


class Log:
    """Means of the terms of a stage between two reports. Only the first process reports."""

    def __init__(self, folder: Path, stage: Stage, say: Say, *, first: bool):
        self.folder, self.stage, self.say = folder, stage, say
        self.sums: dict[str, Sums] = {}
        self.table = Table(folder / "metrics.csv") if first else None
        self.board = _tensorboard(folder) if first else None
        self.clock, self.begun = time.monotonic(), 0

    def start(self, step: int, state: Mapping[str, Any]) -> None:
        """Go on from a step with the sums that a checkpoint kept."""
        self.begun = step
        for turn, (names, values, count) in state.items():
            self.sums[turn] = Sums(names, torch.tensor(values, dtype=torch.float64), count)
        if self.table is not None:
            self.table.forget(self.stage.name, step)

    def add(self, turn: str, names: list[str], values: torch.Tensor) -> None:
        """The terms of one step of a turn, one number each."""
        values, sums = values.double(), self.sums.get(turn)
        if sums is None or sums.names != names:
            self.sums[turn] = Sums(names, values, 1)
        else:
            sums.values = sums.values.to(values.device) + values
            sums.count += 1

    def state(self) -> dict[str, Any]:
        """The sums since the last report, as :meth:`start` takes them."""
        return {t: (s.names, s.values.tolist(), s.count) for t, s in self.sums.items()}

    def means(self) -> tuple[list[str], torch.Tensor]:
        """Names and means since the last report; sums begin anew."""
        sums, self.sums = list(self.sums.values()), {}
        names = [name for s in sums for name in s.names]
        return names, torch.cat([s.values / s.count for s in sums])

    def report(self, step: int, values: dict[str, float], rate: float) -> None:
        """Write the means of all processes; raises MienError where one is not finite."""
        now = time.monotonic()
        pace = max(now - self.clock, 1e-9) / max(step - self.begun, 1)  # seconds to a step
        self.clock, self.begun = now, step
        numbers = {**values, "rate": rate, "samples_per_second": self.stage.batch / pace}
        if self.table is not None:
            row = {"stage": self.stage.name, "step": str(step)}
            self.table.add(row | {name: f"{number:.6g}" for name, number in numbers.items()})
            told = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            left = _duration((self.stage.steps - step) * pace)
            self.say(
                f"{self.stage.name} {step}/{self.stage.steps}  {told}  "
                f"{self.stage.batch / pace:.0f}/s  {left} left"
            )
        if self.board is not None:
            for name, number in numbers.items():
                self.board.add_scalar(f"{self.stage.name}/{name}", number, step)
        _require_finite(values, step, self.stage)

    def pictures(self, step: int, pictures: Mapping[str, torch.Tensor]) -> None:
        """Write each kind of picture as one PNG, its samples side by side."""
        for name, batch in pictures.items():
            image = _row_of(batch)
            folder = self.folder / "pictures"
            folder.mkdir(exist_ok=True)
            write_image(folder / f"{self.stage.name}-{step:08d}-{name}.png", image)
            if self.board is not None:
                self.board.add_image(f"{self.stage.name}/{name}", image, step, dataformats="HWC")

    def close(self) -> None:
        if self.board is not None:
            self.board.close()


def _require_finite(values: Mapping[str, float], step: int, stage: Stage) -> None:
    """Raise MienError where a mean is not finite: what follows would be lost."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise MienError(
                f"stage {stage.name!r}, step {step}: the loss {name!r} is {value}; training has "
                "diverged, the last checkpoint is from before"
            )


def _tensorboard(folder: Path) -> Any:
    """A writer where TensorBoard is installed, else None."""
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter  # takes seconds

    return SummaryWriter(folder / "tensorboard")


def _row_of(batch: torch.Tensor) -> np.ndarray:
    """Pictures (N, 3, H, W) 0..1 -> (H, n W, 3) uint8."""
    if batch.ndim != 4 or batch.shape[1] != 3:
        raise InputError(f"pictures are (N, 3, H, W), not {tuple(batch.shape)}")
    shown = batch[:MOST_PICTURES].detach().float().clamp(0, 1).mul(255).round().byte().cpu()
    return np.concatenate(list(shown.permute(0, 2, 3, 1).numpy()), axis=1)


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
