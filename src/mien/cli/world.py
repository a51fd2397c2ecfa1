"""``mien world``: people who do not exist, with the truth about them."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import Map, examples

SHOW = "mien world show --out people.png"
SAMPLE = "mien world sample 17 --out sample.png"
MAKE = "mien world make smiles.yaml --count 10000 --out smiles"

app = typer.Typer(
    cls=Map,
    help="Make pictures of people who do not exist, with every label known.",
    epilog=examples(SHOW, SAMPLE, MAKE),
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
) -> None:
    """Draw one sample: image, landmarks, parsing, depth, normals and albedo side by side."""
    import json

    from mien.media.image import write_image
    from mien.world.shards import labels
    from mien.world.sheet import panel

    drawn = _world(recipe, split, seed).sample(number)
    write_image(out, panel(drawn))
    print(json.dumps(labels(drawn), indent=2))


@app.command(epilog=examples(SHOW, "mien world show --count 16 --seed 5 --out some.png"))
def show(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Picture to write.")],
    recipe: RecipeOption = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=1000)] = 64,
    split: Split = "train",
    seed: Seed = 0,
) -> None:
    """Draw a contact sheet of the first samples."""
    from mien.media.image import write_image
    from mien.world.sheet import contact_sheet

    world = _world(recipe, split, seed)
    write_image(out, contact_sheet([world.sample(index) for index in range(count)]))


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
    processes: Annotated[int, typer.Option("--processes", metavar="N", min=1, max=256)] = 1,
) -> None:
    """Write samples as WebDataset shards with a manifest."""
    from mien.world.shards import make as make_shards

    world = _world(recipe, split, seed)
    manifest = make_shards(
        world.recipe, out, count=count, split=split, seed=seed, start=start, maps=maps,
        lossless=lossless, processes=processes, on_shard=print,
    )  # fmt: skip
    print(f"{manifest['count']} samples, {len(manifest['shards'])} shards: {out}")


def _world(recipe: Path | None, split: str, seed: int):
    from mien.world.recipe import Recipe
    from mien.world.world import World

    return World(Recipe() if recipe is None else Recipe.load(recipe), split, seed)
