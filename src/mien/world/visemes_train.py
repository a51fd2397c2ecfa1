"""Trains the regression of :mod:`mien.world.recording`: ``python -m mien.world.visemes_train``.

Sentences in six languages are spoken by voices of eSpeak NG, recorded through random rooms, noise
and microphones (:mod:`mien.world.voice`), and the curves of :mod:`mien.world.visemes` are fitted to
the spectrum by ridge regression. It then measures on voices that it has not heard, clean and at
10 dB in a room, and prints the result. Nothing but this synthesised sound is used.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mien.media.files import atomic
from mien.world import recording, visemes
from mien.world.speech import HUMAN, STYLES, Utterance, Voice, random_voice, synthesize
from mien.world.voice import Chain, random_chain, random_room, record, resample

SENTENCES: dict[str, tuple[str, ...]] = {
    "en-us": (
        "The boat was moving slowly past the old bridge.",
        "My brother put five apples into the paper bag.",
        "Who would have thought that she could sing?",
        "Please bring me a cup of warm milk before bed.",
        "We watched a movie about birds and big bears.",
        "Shall I choose the yellow shoes or the blue ones?",
        "Thirty thousand people came home through the park.",
        "He never gave them half of what they wanted.",
        "Maybe tomorrow the weather will be much better.",
        "A good cook uses few words and a sharp knife.",
    ),
    "de": (
        "Am Abend bringt mein Bruder immer frisches Brot.",
        "Die Blumen blühen schön vor dem alten Bahnhof.",
        "Können wir bitte über etwas anderes sprechen?",
        "Fünf müde Pferde stehen auf dem Berg.",
    ),
    "fr-fr": (
        "Mon petit frère a perdu sa montre dans la rue.",
        "Il fait beau et nous mangeons une pomme au parc.",
        "Vous voulez du pain avec un peu de beurre ?",
    ),
    "es": (
        "El niño bebe mucha agua por la mañana.",
        "Mi abuelo compra pan y fruta en el pueblo.",
        "¿Puedes venir conmigo a la fiesta el sábado?",
    ),
    "it": (
        "La bambina mangia una buona pizza con la mamma.",
        "Domani pomeriggio piove, ma io vado al mare.",
    ),
    "ru": (
        "Мама купила белый хлеб и молоко.",
        "Мы быстро пошли домой по большому мосту.",
    ),
}

HELD_BACK = ("m4", "m7", "f3", "f5", "Annie", "Michael", "paul", "klatt3")
"""Voices that are measured on and never trained on."""

TEST_SENTENCES = (
    "Bob may keep a lamp beside the open window.",
    "Have you ever seen a purple fish jump over water?",
    "Most farmers buy food at the market on Monday.",
)

RIDGE = 30.0
LIVELIEST = 1.5


def truth(utterance: Utterance, count: int) -> np.ndarray:
    """What is to be heard (T, 10) at 100 frames/s: ``recording.CURVES_HEARD`` and the contact."""
    times = np.arange(count) / 100
    columns = [visemes.CURVES[name] for name in recording.CURVES_HEARD]
    contact = visemes.contact_weight(visemes.contacts(utterance.phonemes), times)
    return np.column_stack([visemes.curves(utterance.phonemes, times)[:, columns], contact])


def _scaled(utterance: Utterance, speed: float) -> Utterance:
    """The truth of an utterance that is played faster."""
    phonemes = [
        visemes.Phoneme(
            p.symbol, p.start / speed, p.end / speed, p.stress, p.release and p.release / speed
        )
        for p in utterance.phonemes
    ]
    return Utterance(
        utterance.samples, utterance.rate, phonemes, [], utterance.text, utterance.language,
        utterance.voice,
    )  # fmt: skip


def _sample(utterance: Utterance, chain: Chain, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    sound = resample(utterance.samples, utterance.rate, recording.RATE)
    heard = record(sound, recording.RATE, chain, rng)
    inputs = recording.features(heard)
    return inputs, truth(_scaled(utterance, chain.speed), len(inputs))


def training_set(takes: int, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Features and truth of each sentence, ``takes`` times, by voices that are not held back."""
    rng = np.random.default_rng(seed)
    for _ in range(takes):
        for language, sentences in SENTENCES.items():
            for sentence in sentences:
                voice = random_voice(rng, language)
                while voice.variant in HELD_BACK:
                    voice = random_voice(rng, language)
                utterance = synthesize(sentence, voice, str(rng.choice(list(STYLES))))
                yield _sample(utterance, random_chain(rng, float(rng.random())), rng)


def fit(pairs: Iterator[tuple[np.ndarray, ...]]) -> np.ndarray:
    """Weights (F, 10) by ridge regression, whose estimates vary as much as the truth does.

    What is hard to hear is estimated near its mean, which on a face looks like mumbling; so each
    curve's deviation is scaled up, at most by ``LIVELIEST``.
    """
    size, count = recording.features(np.zeros(1, np.float32)).shape[1], 0
    columns = len(recording.CURVES_HEARD) + 1
    squares, products = np.zeros((size, size)), np.zeros((size, columns))
    sums, power = np.zeros(columns), np.zeros(columns)
    for inputs, outputs in pairs:
        x = inputs.astype(np.float64)
        squares += x.T @ x
        products += x.T @ outputs
        sums, power, count = (
            sums + outputs.sum(0),
            power + np.square(outputs).sum(0),
            count + len(x),
        )
    weights = np.linalg.solve(squares + RIDGE * np.eye(size), products)
    mean = squares[-1] @ weights / count  # the last feature is 1
    spread = np.einsum("fc,fg,gc->c", weights, squares, weights) / count - mean**2
    gain = np.minimum(np.sqrt((power / count - (sums / count) ** 2) / spread), LIVELIEST)
    gain[-1] = 1.0  # the contact has a threshold instead
    weights *= gain
    weights[-1] += (1 - gain) * mean
    return weights


def threshold(weights: np.ndarray, seed: int) -> float:
    """The contact from which on lips are taken to touch: the best F1 on voices of the training."""
    rng = np.random.default_rng(seed)
    heard = []
    for variant in HUMAN[::3]:
        if variant in HELD_BACK:
            continue
        for sentence in SENTENCES["en-us"]:
            utterance = synthesize(sentence, Voice("en-us", variant))
            for chain in (Chain(), Chain(noise="babble", snr=15.0)):
                contact = (_sample(utterance, chain, rng)[0] @ weights)[:, -1]
                heard.append((contact, visemes.contacts(utterance.phonemes)))
    return float(max(np.arange(0.2, 0.6, 0.025), key=lambda least: _f1(heard, least)))


def _f1(heard: Sequence[tuple[np.ndarray, np.ndarray]], least: float) -> float:
    """F1 of closures over pairs of estimated contact and true spans.

    A closure counts as found when one of the estimate overlaps it within 30 ms.
    """
    found = all_true = right = all_heard = 0
    for contact, true in heard:
        spans = recording.closures(contact, least)
        found += sum(_overlap(span, spans) for span in true)
        right += sum(_overlap(span, true) for span in spans)
        all_true, all_heard = all_true + len(true), all_heard + len(spans)
    recall, precision = found / max(all_true, 1), right / max(all_heard, 1)
    return 2 * recall * precision / max(recall + precision, 1e-9)


def measure(
    weights: np.ndarray, least: float, chains: Sequence[Chain], seed: int
) -> dict[str, float]:
    """Correlation of each curve and F1 of closures on voices and sentences that are held back."""
    rng = np.random.default_rng(seed)
    estimates, truths, heard = [], [], []
    for variant in HELD_BACK:
        for sentence, chain in zip(TEST_SENTENCES, chains, strict=True):
            utterance = synthesize(sentence, Voice("en-us", variant))
            inputs, outputs = _sample(utterance, chain, rng)
            estimates.append(inputs @ weights)
            truths.append(outputs)
            true = visemes.contacts(_scaled(utterance, chain.speed).phonemes)
            heard.append((estimates[-1][:, -1], true))
    estimate, actual = np.concatenate(estimates), np.concatenate(truths)
    names = [*recording.CURVES_HEARD, "contact"]
    out = {n: float(np.corrcoef(estimate[:, i], actual[:, i])[0, 1]) for i, n in enumerate(names)}
    return {**out, "closures F1": _f1(heard, least)}


def _overlap(span: np.ndarray, others: np.ndarray) -> bool:
    return bool(((others[:, 0] < span[1] + 0.03) & (others[:, 1] > span[0] - 0.03)).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--takes", type=int, default=12, help="times that each sentence is spoken")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("recording.npz"))
    given = parser.parse_args()
    weights = fit(training_set(given.takes, given.seed)).astype(np.float16)
    least = threshold(weights.astype(np.float32), given.seed)
    clean = [Chain()] * len(TEST_SENTENCES)
    rng = np.random.default_rng(given.seed + 1)
    noisy = [Chain(room=random_room(rng), noise="babble", snr=10.0) for _ in TEST_SENTENCES]
    for name, chains in (("clean", clean), ("room and babble at 10 dB", noisy)):
        result = measure(weights.astype(np.float32), least, chains, given.seed)
        print(name, {key: round(value, 3) for key, value in result.items()})
    with atomic(given.out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, weights=weights, contact_from=np.float32(least))


if __name__ == "__main__":
    main()
