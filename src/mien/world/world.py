"""The world as an endless, seeded sequence of pictures with their truth.

world = World(Recipe.load("smiles.yaml"), split="train", seed=0)
sample = world.sample(17)           # the same bytes on any machine, in any process
sample["image"], sample["landmarks"], sample["parsing"], sample["action_units"], ...
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from mien.head.albedo import AlbedoModel
from mien.head.fit import GAZE_CURVES, gaze_curves
from mien.world import degrade, emotions, makeup, occluders, people, stylise, surroundings
from mien.world.action_units import INDEX, MAXIMUM, curves, hide_behind_lids
from mien.world.recipe import OWN, Recipe
from mien.world.render import Drawn, Look, draw
from mien.world.scene import Person, Scene, sky

LIVELY = 0.15  # intensity of what every face does a little
IDLE_UNITS = (1, 2, 4, 7, 12, 14, 15, 17, 24)
LOOKS = 48  # people whose textures and hair a process keeps

DRAWN = ("beard", "makeup", "glasses", "mask", "occluder", "pattern", "style")
"""Factors of yes and no that a picture shows."""

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

    def scene(self, index: int) -> Scene:
        """What sample ``index`` shows, before it is drawn."""
        rng = np.random.default_rng([self.seed, _code(self.split), index])
        turn = np.random.default_rng([self.seed, _code(self.split), index // self.in_a_row, 1])
        number = self.people[int(turn.integers(len(self.people)))]
        return self._scene(number, self.recipe.draw(number, rng), rng)

    def sample(self, index: int) -> Sample:
        """Sample ``index`` with all its truth; see :func:`truth`."""
        scene = self.scene(index)
        return truth(scene, drawn(scene))

    def _scene(self, number: int, factors: dict[str, Any], rng: np.random.Generator) -> Scene:
        face = _performed(factors, rng)
        sides, gaze = face["sides"], face["gaze"]
        expression = curves(sides)
        expression[GAZE_CURVES] = gaze_curves(gaze)
        who = people.person(number)
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


def drawn(scene: Scene) -> Drawn:
    """A scene as it looks; people's textures and hair are kept between calls."""
    return draw(scene, _look(scene.person))


def truth(scene: Scene, drawn: Drawn) -> Sample:
    """All that is known of a drawn scene, by name.

    image, landmarks, landmarks68, visible, parsing, occluded, depth, normals, albedo, uv, alpha:
    as of ``mien.world.render.Drawn``. light (9, 3), lamp (3,), lamp_strength. pose (3,) and gaze
    (4,) in degrees. expression (52,). action_units (23,) 0..5 and sides (23, 2). emotion: index in
    ``mien.world.emotions.NAMES``. intensity 0..5, valence, arousal. person: number. identity (80,),
    skin (60,): codes. skin_tone: ITA in degrees. age: years. hair, beard: styles. hair_colour,
    eye_colour (3,) linear. factors: as drawn by the recipe; drawn: those that the picture shows.
    """
    person, labels = scene.person, scene.labels
    sides = np.asarray(labels["sides"], np.float32)
    return {
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
        "person": person.number,
        "identity": person.identity,
        "skin": person.albedo,
        "skin_tone": _tone(person.number),
        "age": labels["age"],
        "hair": person.hair.style,
        "hair_colour": np.array(person.hair.colour, np.float32),
        "eye_colour": person.iris,
        "beard": person.beard.style,
        "drawn": [name for name in DRAWN if labels["factors"][name]],
        "factors": labels["factors"],
    }


def _surroundings(factors: dict[str, Any], who: Person, rng: np.random.Generator) -> dict[str, Any]:
    """What is on, around and before a person: the fields of a scene."""
    spawned = rng.spawn(8)
    props = []
    if factors["glasses"]:
        props.append(occluders.Glasses.sample(spawned[0]))
    if factors["mask"]:
        props.append(occluders.Mask.sample(spawned[1]))
    if factors["occluder"]:
        kind = spawned[2].choice(3)
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
    skin = AlbedoModel.bundled().texture(who.albedo)
    red, green, blue = np.median(skin[90:110, 50:70].reshape(-1, 3), 0).tolist()
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


def _styled(who: Person, style: str, bearded: bool) -> Person:
    """The person with the hair and the beard of a sample."""
    hair = who.hair if style == OWN else replace(who.hair, style=style)
    beard = who.beard if bearded else replace(who.beard, style="none")
    return replace(who, hair=hair, beard=beard)


@lru_cache(maxsize=LOOKS)
def _look_of(number: int, style: str, bearded: bool) -> Look:
    return Look.of(_styled(people.person(number), style, bearded))


def _look(who: Person) -> Look:
    return _look_of(who.number, who.hair.style, who.beard.style != "none")


@lru_cache(maxsize=4096)
def _tone(number: int) -> float:
    return people.skin_tone(AlbedoModel.bundled().texture(people.person(number).albedo))


def _code(split: str) -> int:
    return int.from_bytes(split.encode()[:6].ljust(6), "big")
