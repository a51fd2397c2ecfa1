"""``mien parity``: a system beside the published code, by golden files."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import examples
from mien.cli.table import print_table
from mien.errors import MienError

EXAMPLES = examples(
    "mien parity facexformer.model.npz",
    "mien parity golden/fmae-iat.*.npz --tolerance 1e-5",
)


def parity(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Golden files.", show_default=False)
    ],
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", metavar="X", min=0, help="Largest error that is accepted."),
    ] = 1e-4,
) -> None:
    """Compare systems with the published code, by golden files.

    A golden file names a network, its size, its inputs and what came out. The system is built at
    that size, filled through its importer of published weights, and run. Errors are in parts of
    the range of what was recorded; one above the tolerance is a failure (exit code 1).
    """
    from mien.systems import golden
    from mien.systems.parity import compare

    rows, failures = [], []
    for file in files:
        try:
            differences = compare(golden.read(file))
        except MienError as error:
            failures.append(str(error))
            continue
        worst = max(differences, key=lambda d: d.relative)
        if worst.relative > tolerance:
            failures.append(f"{file}: {worst.name} is off by {worst.relative:.1e} of its range")
        for d in differences:
            verdict = "ok" if d.relative <= tolerance else "TOO FAR"
            rows.append((file.name, d.name, f"{d.error:.2e}", f"{d.range:.3g}",
                         f"{d.relative:.1e}", verdict))  # fmt: skip
    if rows:
        print_table(("file", "tensor", "largest error", "range", "error / range", ""), rows)
    if failures:
        raise MienError("; ".join(failures))
