"""``mien world``: people who do not exist, with the truth about them."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import Map, examples
from mien.cli.options import Credentials

SHOW = "mien world show --out people.png"
SAMPLE = "mien world sample 17 --out sample.png"
MAKE = "mien world make smiles.yaml --count 10000 --out smiles"
CLIP = "mien world clip 7 --out clip.mp4 --curves"
PEOPLE = "mien world people portraits --out people"

app = typer.Typer(
    cls=Map,
    help="Make pictures of people who do not exist, with every label known.",
    epilog=examples(SHOW, SAMPLE, CLIP, MAKE, PEOPLE),
    rich_markup_mode=None,
)

RecipeFile = Annotated[
    Path | None,
    typer.Argument(metavar="[RECIPE]", help="A recipe (YAML).  [default: the usual one]"),
]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help="A recipe (YAML).  [default: the usual one]"),
]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="Split of the recipe.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another seed, other data.")]


@app.command(epilog=examples(SAMPLE, "mien world sample 3 --recipe smiles.yaml --out 3.png"))
def sample(
    number: Annotated[int, typer.Argument(metavar="N", min=0, help="Number of the sample.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Picture to write.")],
    recipe: RecipeOption = None,
    split: Split = "train",
    seed: Seed = 0,
    credentials: Credentials = True,
) -> None:
    """Draw one sample: image, landmarks, parsing, depth, normals and albedo side by side."""
    import json

    from mien.world.shards import labels
    from mien.world.sheet import panel, write_picture

    drawn = _world(recipe, split, seed).sample(number)
    write_picture(out, panel(drawn), credentials=credentials)
    print(json.dumps(labels(drawn), indent=2))


@app.command(epilog=examples(SHOW, "mien world show --count 16 --seed 5 --out some.png"))
def show(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Picture to write.")],
    recipe: RecipeOption = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=1000)] = 64,
    split: Split = "train",
    seed: Seed = 0,
    truth: Annotated[
        bool, typer.Option("--truth", help="Landmarks, parsing, depth, normals beside each.")
    ] = False,
    credentials: Credentials = True,
) -> None:
    """Draw a contact sheet of the first samples."""
    from mien.world.sheet import card, contact_sheet, write_picture

    world = _world(recipe, split, seed)
    drawn = (world.sample(index) for index in range(count))
    tiles = [card(one, world.recipe.size) if truth else one["image"] for one in drawn]
    write_picture(out, contact_sheet(tiles), credentials=credentials)


@app.command(
    epilog=examples(CLIP, "mien world clip 7 --recording speech.wav --truth 7.npz --out 7.mp4")
)
def clip(
    number: Annotated[int, typer.Argument(metavar="N", min=0, help="Number of the clip.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Video to write.")],
    recipe: RecipeOption = None,
    split: Split = "train",
    seed: Seed = 0,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", help="At least.")] = 4.0,
    fps: Annotated[float, typer.Option("--fps", metavar="N", help="Frames per second.")] = 25.0,
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="CODE", help="en-us, de, ...  [default: any]"),
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--recording", metavar="FILE", help="Say this sound instead.")
    ] = None,
    transcript: Annotated[
        str | None, typer.Option("--transcript", metavar="TEXT", help="What the recording says.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="FILE", help="All that is known: .npz, .json.")
    ] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Draw sound, phonemes and curves below the picture.")
    ] = False,
    credentials: Credentials = True,
) -> None:
    """Make a video of a person who speaks.

    What is said fits the emotion; with --recording it is a sound file. Making speech needs
    `pip install 'mien[speech]'`, a recording without a transcript does not.
    """
    import json

    from mien.errors import UsageError
    from mien.media.audio import read_audio
    from mien.world.clips import Clips, labels
    from mien.world.reel import check_truth, write_clip, write_truth

    if truth is not None:
        check_truth(truth)
    if transcript is not None and recording is None:
        raise UsageError("--transcript says what a --recording says; there is none")
    world = _world(recipe, split, seed)
    clips = Clips(world.recipe, split, seed, seconds, fps, language)
    if recording is None:
        made = clips.sample(number)
    else:
        made = clips.of_recording(number, *read_audio(recording), transcript, language or "en-us")
    write_clip(made, out, curves=curves, credentials=credentials)
    if truth is not None:
        write_truth(made, truth)
    print(json.dumps(labels(made), ensure_ascii=False, indent=2))


@app.command(epilog=examples(MAKE, "mien world make --count 500 --split val --maps --out val"))
def make(
    recipe: RecipeFile = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False)] = Path("world"),
    count: Annotated[int, typer.Option("--count", metavar="N", min=1)] = 1000,
    split: Split = "train",
    seed: Seed = 0,
    start: Annotated[int, typer.Option("--start", metavar="N", min=0, help="First sample.")] = 0,
    maps: Annotated[bool, typer.Option("--maps", help="Also depth, normals, albedo, uv.")] = False,
    lossless: Annotated[bool, typer.Option("--lossless", help="PNG instead of JPEG.")] = False,
    format: Annotated[str, typer.Option("--format", metavar="NAME", help="tar, parquet.")] = "tar",
    in_a_row: Annotated[
        int, typer.Option("--in-a-row", metavar="N", min=1, help="Pictures of one person in a row.")
    ] = 1,
    processes: Annotated[int, typer.Option("--processes", metavar="N", min=1, max=256)] = 1,
) -> None:
    """Write samples as shards (tar for WebDataset, or Parquet) with a manifest."""
    from mien.evaluate.report import commit
    from mien.world.shards import make as make_shards

    world = _world(recipe, split, seed)
    manifest = make_shards(
        world.recipe, out, count=count, split=split, seed=seed, start=start,
        in_a_row=in_a_row, maps=maps, lossless=lossless, format=format, processes=processes,
        commit=commit(), on_shard=print,
    )  # fmt: skip
    print(f"{manifest['count']} samples, {len(manifest['shards'])} shards: {out}")


@app.command(epilog=examples(PEOPLE, "mien world people portraits --limit 100 --out some"))
def people(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Pictures of faces.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False)],
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Only so many portraits.")
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="TEXT", help="Where they are from, for the manifest.")
    ] = "",
    processes: Annotated[int, typer.Option("--processes", metavar="N", min=1, max=256)] = 1,
) -> None:
    """Make people of portraits: skins without light, shapes, colours.

    Recipes use them by the field `portraits`. A run that ended early goes on where it was.
    """
    from mien.evaluate.report import commit
    from mien.world.portraits import prepare

    def tell(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            print(f"{done} of {total}")

    manifest = prepare(
        folder, out, processes=processes, limit=limit, source=source, commit=commit(),
        on_done=tell,
    )  # fmt: skip
    for reason, count in manifest["skipped"].items():
        print(f"left out: {count}, {reason}")
    print(f"{manifest['people']} people of {manifest['portraits']} portraits: {out}")


def _world(recipe: Path | None, split: str, seed: int):
    from mien.world.recipe import Recipe
    from mien.world.world import World

    return World(Recipe() if recipe is None else Recipe.load(recipe), split, seed)
