"""The world as an endless, seeded sequence of pictures with their truth.

world = World(Recipe.load("smiles.yaml"), split="train", seed=0)
sample = world.sample(17)           # the same bytes on any machine, in any process
sample["image"], sample["landmarks"], sample["parsing"], sample["action_units"], ...
"""

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.head.albedo import AlbedoModel
from mien.head.fit import GAZE_CURVES, gaze_curves
from mien.head.model import CELEBAMASK
from mien.world import backdrop, degrade, emotions, makeup, occluders, stylise, surroundings
from mien.world.action_units import INDEX, MAXIMUM, curves, hide_behind_lids
from mien.world.people import People, person
from mien.world.recipe import OWN, Recipe
from mien.world.render import MAPS, Drawn, Look, draw
from mien.world.scene import Person, Scene, sky
from mien.world.unlit import skin_tone

LIVELY = 0.15  # intensity of what every face does a little
IDLE_UNITS = (1, 2, 4, 7, 12, 14, 15, 17, 24)
LOOKS = 12  # people whose textures and hair, 12 MB each, a process keeps

DRAWN = ("beard", "makeup", "glasses", "mask", "occluder", "pattern", "style", "hat", "earrings",
         "necklace", "scarf")  # fmt: skip
WORN = {"hat": occluders.Hat, "earrings": occluders.Earrings, "necklace": occluders.Necklace,
        "scarf": occluders.Scarf}  # fmt: skip
"""Factors of yes and no that a picture shows."""

JEWELS = {"hat": CELEBAMASK.index("hat"), "earrings": CELEBAMASK.index("earring"),
          "necklace": CELEBAMASK.index("necklace")}  # fmt: skip
"""Of what is worn, what has a class of its own and may be out of the picture or below hair."""

SEEN = 4  # pixels from which on that is in the picture

Sample = dict[str, Any]


class World:
    """Samples of a recipe.

    recipe: what varies. split: of the recipe; its people are in no other. seed: of everything else.
    in_a_row: how many samples with numbers next to each other show the same person.

    Raises InputError for an unknown split or one without people.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        split: str = "train",
        seed: int = 0,
        *,
        in_a_row: int = 1,
    ) -> None:
        self.recipe = recipe or Recipe()
        self.split, self.seed, self.in_a_row = split, seed, in_a_row
        self.people = self.recipe.numbers(split)
        self._everybody = People(
            self.people, self.recipe.prepared(), self.recipe.parents(split),
            self.recipe.from_portraits,
        )  # fmt: skip

    def scene(self, index: int) -> Scene:
        """What sample ``index`` shows, before it is drawn."""
        rng = np.random.default_rng([self.seed, _code(self.split), index])
        turn = np.random.default_rng([self.seed, _code(self.split), index // self.in_a_row, 1])
        number = self.people[int(turn.integers(len(self.people)))]
        who = self._everybody.person(number)
        scene = self._scene(who, self.recipe.draw(number, rng), rng)
        record = self._everybody.portrait(who) if turn.random() < self.recipe.backdrop else None
        return scene if record is None else backdrop.shown_in(scene, record)

    def sample(self, index: int, only: Collection[str] | None = None) -> Sample:
        """Sample ``index`` with all its truth, see :func:`truth`, or ``only`` what is named.

        Normals, albedo and uv take time of their own, which is not spent where they are not named.
        Raises InputError for a name that is not of the truth.
        """
        scene = self.scene(index)
        return truth(scene, drawn(scene, only), only)

    def _scene(self, who: Person, factors: dict[str, Any], rng: np.random.Generator) -> Scene:
        face = _performed(factors, rng)
        sides, gaze = face["sides"], face["gaze"]
        expression = curves(sides)
        expression[GAZE_CURVES] = gaze_curves(gaze)
        factors["beard"] = factors["beard"] and who.beard.style != "none"
        return Scene(
            person=_styled(who, factors["hair"], factors["beard"]),
            expression=expression.astype(np.float32),
            gaze=gaze,
            pose=np.array([factors["yaw"], factors["pitch"], factors["roll"]]),
            light=sky(rng, factors["contrast"]),
            size=self.recipe.size,
            focal=factors["focal"],
            fill=factors["fill"],
            shift=(factors["shift_x"], factors["shift_y"]),
            exposure=factors["exposure"],
            glossy=factors["glossy"],
            **_surroundings(factors, who, rng),
            labels={**face, "factors": factors, "age": who.age},
        )


def drawn(scene: Scene, only: Collection[str] | None = None) -> Drawn:
    """A scene as it looks; people's textures and hair are kept between calls.

    only: names of the truth that is asked for; None: all.
    """
    if scene.portrait is not None:
        return backdrop.draw(scene)
    maps = MAPS if only is None else [name for name in MAPS if name in only]
    return draw(scene, _look(scene.person), maps=maps)


def truth(scene: Scene, drawn: Drawn, only: Collection[str] | None = None) -> Sample:
    """All that is known of a drawn scene, by name, or ``only`` what is named.

    image, landmarks, landmarks68, visible, parsing, occluded, depth, normals, albedo, uv, alpha:
    as of ``mien.world.render.Drawn``. light (9, 3), lamp (3,), lamp_strength. pose (3,) and gaze
    (4,) in degrees. expression (52,). action_units (23,) 0..5 and sides (23, 2). emotion: index in
    ``mien.world.emotions.NAMES``. intensity 0..5, valence, arousal. person: number. identity (80,),
    skin (60,): codes. skin_tone: ITA in degrees. age: years. hair, beard: styles, "" where a
    portrait has its own. hat: its kind, "" for none. hair_colour, eye_colour (3,) linear. gender,
    group: as portraits are labelled, "" where they are not or where parents differ. source:
    "model", "portrait" or "mixture"; parents: the portraits that the person is of. backdrop:
    whether the picture is that portrait (:mod:`mien.world.backdrop`). factors: as drawn by the
    recipe; drawn: those that the picture shows.
    """
    who, labels = scene.person, scene.labels
    sides = np.asarray(labels["sides"], np.float32)
    whole = {
        **{name: getattr(drawn, name) for name in Drawn.__dataclass_fields__ if name != "colour"},
        "light": scene.light.around,
        "lamp": scene.light.lamp,
        "lamp_strength": np.float32(scene.light.strength),
        "pose": scene.pose.astype(np.float32),
        "gaze": np.asarray(scene.gaze, np.float32).ravel(),
        "expression": scene.expression,
        "action_units": sides.mean(1),
        "sides": sides,
        "emotion": labels["emotion"],
        "intensity": labels["intensity"],
        "valence": labels["valence"],
        "arousal": labels["arousal"],
        "person": who.number,
        "identity": who.identity,
        "skin": who.albedo,
        "skin_tone": _tone(who.number) if who.texture is None else skin_tone(who.texture),
        "age": labels["age"],
        "gender": who.gender,
        "group": who.group,
        "source": who.source,
        "parents": list(who.parents),
        "backdrop": scene.portrait is not None,
        "hair": "" if scene.portrait else who.hair.style,
        "hair_colour": np.array(who.hair.colour, np.float32),
        "eye_colour": who.iris,
        "beard": _beard(who),
        "hat": _hat(scene),
        "drawn": _shown(labels["factors"], drawn.parsing),
        "factors": labels["factors"],
    }
    if only is None:
        return whole
    if unknown := sorted(set(only) - set(whole)):
        raise InputError(f"a sample of the world has no {unknown[0]!r}")
    return {name: whole[name] for name in only}


def _surroundings(factors: dict[str, Any], who: Person, rng: np.random.Generator) -> dict[str, Any]:
    """What is on, around and before a person: the fields of a scene."""
    spawned = rng.spawn(8 + len(WORN))
    props = [kind.sample(rng) for (name, kind), rng in zip(WORN.items(), spawned[8:], strict=True)
             if factors[name]]  # fmt: skip
    if factors["glasses"]:
        props.append(occluders.Glasses.sample(spawned[0]))
    if factors["mask"]:
        props.append(occluders.Mask.sample(spawned[1]))
    if factors["occluder"]:
        kind = spawned[2].choice(2 if factors["hat"] else 3)  # hair does not fall over a hat
        props.append(
            occluders.Hand.sample(spawned[2], _hand_colour(who)) if kind == 0
            else occluders.Thing.sample(spawned[2]) if kind == 1
            else occluders.Strands.sample(spawned[2], who.hair.colour)
        )  # fmt: skip
    return {
        "makeup": makeup.sample(spawned[3]) if factors["makeup"] else None,
        "clothes": surroundings.Clothes.sample(spawned[4]),
        "props": tuple(props),
        "shade": occluders.Shade.sample(spawned[5]) if factors["pattern"] else None,
        "background": surroundings.sample(spawned[6]),
        "faults": degrade.sample(spawned[7], factors["degrade"]) if factors["degrade"] else None,
        "style": stylise.sample(spawned[7]) if factors["style"] else None,
        "seed": int(rng.integers(2**31)),
    }


def _hand_colour(who: Person) -> occluders.Colour:
    """The linear colour of the skin beside the nose."""
    skin = AlbedoModel.bundled().texture(who.albedo) if who.texture is None else who.texture
    rows, columns = (np.array([[90, 110], [50, 70]]) * len(skin) // 192).tolist()
    cheek = skin[rows[0] : rows[1], columns[0] : columns[1]]
    red, green, blue = np.median(cheek.reshape(-1, 3), 0).tolist()
    return red, green, blue


def _performed(factors: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """What the face does: action units of both sides, gaze, and the labels that go with them."""
    programme = emotions.sample(factors["emotion"], rng, factors["intensity"])
    sides = programme.sides.copy()
    restless = [INDEX[unit] for unit in IDLE_UNITS]
    sides[restless] += LIVELY * np.abs(rng.normal(size=(len(restless), 1)))
    if factors["speaking"]:
        for unit in (25, 26, 18, 20, 22):
            sides[INDEX[unit]] += rng.random() * rng.choice([0, 3.0])
    sides[INDEX[45]] = MAXIMUM * rng.uniform(0.6, 1.0) if factors["blink"] else 0.0
    sides = hide_behind_lids(sides.clip(0, MAXIMUM))
    gaze = np.tile([factors["gaze_yaw"], factors["gaze_pitch"]], (2, 1)).astype(np.float32)
    return {
        "sides": sides,
        "gaze": gaze,
        "emotion": emotions.NAMES.index(programme.emotion),
        "intensity": programme.intensity,
        "valence": programme.valence,
        "arousal": programme.arousal,
    }


@lru_cache(maxsize=LOOKS)
def _styled(who: Person, style: str, bearded: bool) -> Person:
    """The person with the hair and the beard of a sample."""
    hair = who.hair if style == OWN else replace(who.hair, style=style)
    beard = who.beard if bearded else replace(who.beard, style="none")
    return replace(who, hair=hair, beard=beard)


@lru_cache(maxsize=LOOKS)
def _look(who: Person) -> Look:
    return Look.of(who)


def _hat(scene: Scene) -> str:
    return next((prop.kind for prop in scene.props if isinstance(prop, occluders.Hat)), "")


def _shown(factors: dict[str, Any], parsing: np.ndarray) -> list[str]:
    """Names of ``DRAWN`` that a picture shows; parsing: its classes (h, w)."""

    def seen(name: str) -> bool:
        return name not in JEWELS or int((parsing == JEWELS[name]).sum()) >= SEEN

    return [name for name in DRAWN if factors[name] and seen(name)]


def _beard(who: Person) -> str:
    """The style of beard, "" where skin of a portrait may have one of its own."""
    own = who.texture is not None and who.beard.style == "none" and who.gender != "female"
    return "" if own else who.beard.style


@lru_cache(maxsize=4096)
def _tone(number: int) -> float:
    return skin_tone(AlbedoModel.bundled().texture(person(number).albedo))


def _code(split: str) -> int:
    return int.from_bytes(split.encode()[:6].ljust(6), "big")
