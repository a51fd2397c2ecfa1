"""``mien provenance``: what content credentials say of files."""

import json
from typing import Annotated

import typer

from mien.cli.map import examples

EXAMPLES = examples("mien provenance moving.mp4", "mien provenance --json *.jpg")


def provenance(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures, videos, sound.")],
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each file.")] = False,
) -> None:
    """Say who signed a file as generated, and whether it was changed since.

    A file without content credentials may be anything: that nothing is found says nothing. Exit
    code 1 when the credentials of a file do not fit its content.
    """
    from dataclasses import asdict

    from mien.media.provenance import read

    changed = False
    for file in files:
        found = read(file)
        changed |= found is not None and not found.intact
        if as_json:
            print(json.dumps({"file": file, "credentials": found and asdict(found)}))
        else:
            print(f"{file}: {_said(found)}")
    if changed:
        raise typer.Exit(1)


def _said(found) -> str:
    if found is None:
        return "no content credentials"
    signer = "this computer" if found.by_us else f"{found.signer!r}, whom nobody vouches for"
    state = "unchanged since" if found.intact else f"CHANGED since ({', '.join(found.problems)})"
    made = f"{found.what or 'no description'}; {found.source or 'source unknown'}"
    return f"{made}; made with {found.made_by}; signed by {signer}; {state}"
