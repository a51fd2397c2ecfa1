"""Captions and transcripts: BLEU, ROUGE-L, CIDEr, METEOR, distinct-n, word error rate.

A set is a list of candidates (texts) and a list of references, one list of texts per candidate.
``tokenise`` makes words of a text: by default :func:`words`, not the tokeniser of coco-caption, so
numbers differ a little from published ones. All raise ValueError for an empty set, lists of
different lengths, or a reference without words; an empty candidate scores 0.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

import numpy as np

from mien.evaluate.metrics.stem import porter

Words = Sequence[str]
Tokenise = Callable[[str], Words]
Counts = dict[tuple[str, ...], float]

BETA = 1.2
"""How much more recall counts than precision in ROUGE-L of coco-caption."""
LENGTH_DEVIATION = 6.0
"""Standard deviation of CIDEr-D's penalty of length, words."""


def words(text: str) -> list[str]:
    """Lower-case words and numbers, without punctuation; apostrophes and hyphens inside stay."""
    return re.findall(r"\w+(?:['’-]\w+)*", text.lower())


def bleu(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    order: int = 4,
    tokenise: Tokenise = words,
) -> float:
    """BLEU-n of a whole set (Papineni et al. 2002), 0 to 1, higher is better.

    Geometric mean of the clipped precisions of 1- to ``order``-grams, times the brevity penalty
    against the references nearest in length. 0 where no n-gram of some order matches.
    """
    if order < 1:
        raise ValueError(f"order {order}: below 1")
    texts = _tokenised(candidates, references, tokenise)
    hits, tries, length, wanted = np.zeros(order), np.zeros(order), 0, 0
    for candidate, others in texts:
        length += len(candidate)
        wanted += min((abs(len(o) - len(candidate)), len(o)) for o in others)[1]
        for n in range(1, order + 1):
            own = _ngrams(candidate, n)
            most: Counter[tuple[str, ...]] = Counter()
            for other in others:
                most |= _ngrams(other, n)
            hits[n - 1] += (own & most).total()
            tries[n - 1] += own.total()
    if not hits.all():
        return 0.0
    penalty = min(0.0, 1 - wanted / length)
    return float(np.exp(penalty + np.log(hits / tries).mean()))


def rouge_l(
    candidates: Sequence[str], references: Sequence[Sequence[str]], tokenise: Tokenise = words
) -> float:
    """Mean F of the longest common subsequence (Lin 2004), 0 to 1, higher is better.

    As in coco-caption: F with beta 1.2 of the largest precision and the largest recall over the
    references. A constant caption can score high on captions of one style (FEC-Bench: 0.39).
    """
    return float(np.mean([_rouge(*text) for text in _tokenised(candidates, references, tokenise)]))


def _rouge(candidate: Words, references: Sequence[Words]) -> float:
    common = [longest_common(candidate, reference) for reference in references]
    recall = max(n / len(other) for n, other in zip(common, references, strict=True))
    if not recall:
        return 0.0
    precision = max(common) / len(candidate)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def longest_common(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyro 2004)."""
    places: dict[Hashable, int] = {}
    for index, item in enumerate(first):
        places[item] = places.get(item, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for item in second:
        match = row & places.get(item, 0)
        row = ((row + match) | (row - match)) & full
    return len(first) - row.bit_count()


def cider(
    candidates: Sequence[str], references: Sequence[Sequence[str]], tokenise: Tokenise = words
) -> float:
    """CIDEr (Vedantam et al. 2015): mean cosine of tf-idf n-grams, n 1 to 4; 0 to 10, higher.

    Times 10, as usual; no stemming. Weights come from the references of the set, so one item alone
    has no score: ValueError.
    """
    return _consensus(_tokenised(candidates, references, tokenise), clipped=False)


def cider_d(
    candidates: Sequence[str], references: Sequence[Sequence[str]], tokenise: Tokenise = words
) -> float:
    """CIDEr-D: :func:`cider` with clipped counts and a penalty of length; 0 to 10, higher.

    What coco-caption prints as CIDEr. FEC-Bench prints it divided by 10 (FaceTrack-MM; inferred).
    """
    return _consensus(_tokenised(candidates, references, tokenise), clipped=True)


def _consensus(texts: list[tuple[Words, list[Words]]], clipped: bool) -> float:
    if len(texts) < 2:
        raise ValueError("CIDEr: two items at least, or no word has a weight")
    frequency = Counter(n for _, others in texts for n in {n for o in others for n in _grams(o)})
    scores = []
    for candidate, others in texts:
        own = _weighted(candidate, frequency, len(texts))
        for other in others:
            score = _similarity(own, _weighted(other, frequency, len(texts)), clipped)
            gap = len(candidate) - len(other) if clipped else 0
            penalty = math.exp(-(gap**2) / (2 * LENGTH_DEVIATION**2))
            scores.append(10 * penalty * score / len(others))
    return float(sum(scores) / len(texts))


def _grams(tokens: Words) -> Counter[tuple[str, ...]]:
    """Counts of all 1- to 4-grams."""
    return sum((_ngrams(tokens, n) for n in range(1, 5)), Counter())


def _weighted(tokens: Words, frequency: Counter[tuple[str, ...]], items: int) -> list[Counts]:
    """Count times log(items / items whose references have it) of the n-grams, for each n."""
    return [
        {
            gram: count * math.log(items / max(1, frequency[gram]))
            for gram, count in _ngrams(tokens, n).items()
        }
        for n in range(1, 5)
    ]


def _similarity(own: list[Counts], other: list[Counts], clipped: bool) -> float:
    """Mean over n of the cosine of the weights."""
    total = 0.0
    for mine, theirs in zip(own, other, strict=True):
        norms = [math.sqrt(sum(w * w for w in each.values())) for each in (mine, theirs)]
        if all(norms):
            both = (
                (min(w, theirs[g]) if clipped else w) * theirs[g]
                for g, w in mine.items()
                if g in theirs
            )
            total += sum(both) / (norms[0] * norms[1])
    return total / len(own)


def meteor(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenise: Tokenise = words,
    stem: Callable[[str], str] = porter,
) -> float:
    """METEOR with exact and stem matches (Banerjee and Lavie 2005), 0 to 1, higher is better.

    10 P R / (R + 9 P) times 1 - 0.5 (chunks / matches)^3, of the best reference, mean over the set.
    No synonyms and no paraphrases, so it lies below METEOR 1.5. Words are aligned by their longest
    common runs, first as they are, then by ``stem``; ``stem=str`` matches exact words only.
    """
    texts = _tokenised(candidates, references, tokenise)
    return float(np.mean([max(_meteor(own, o, stem) for o in others) for own, others in texts]))


def _meteor(candidate: Words, reference: Words, stem: Callable[[str], str]) -> float:
    links: dict[int, int] = {}
    for form in (str, stem):
        _align([form(w) for w in candidate], [form(w) for w in reference], links)
    if not links:
        return 0.0
    precision, recall = len(links) / len(candidate), len(links) / len(reference)
    path = sorted(links.items())
    chunks = 1 + sum((b[0] - a[0], b[1] - a[1]) != (1, 1) for a, b in pairwise(path))
    penalty = 0.5 * (chunks / len(links)) ** 3
    return 10 * precision * recall / (recall + 9 * precision) * (1 - penalty)


def _align(first: Words, second: Words, links: dict[int, int]) -> None:
    """Link equal words of the longest common runs of the words not yet linked."""
    taken = set(links.values())
    places: dict[str, list[int]] = {}
    for j, word in enumerate(second):
        places.setdefault(word, []).append(j)
    runs: dict[tuple[int, int], int] = {}  # length of the run that ends at i, j
    for i, word in enumerate(first):
        for j in places.get(word, ()):
            if i not in links and j not in taken:
                runs[i, j] = runs.get((i - 1, j - 1), 0) + 1
    queue = [(-length, i, j) for (i, j), length in runs.items()]
    heapify(queue)
    while queue:
        length, i, j = heappop(queue)
        free = 0
        while free < -length and i - free not in links and j - free not in taken:
            free += 1
        if free == -length:
            links.update((i - step, j - step) for step in range(free))
            taken.update(j - step for step in range(free))
        elif free:
            heappush(queue, (-free, i, j))


def distinct_n(texts: Sequence[str], n: int = 2, tokenise: Tokenise = words) -> float:
    """Different n-grams / all n-grams of a whole set of texts (Li et al. 2016), 0 to 1, higher.

    It falls with the size of the set. The mean over single texts is another number, near 1:
    :func:`distinct_n_per_text`. Raises ValueError without any n-gram.
    """
    counts = sum((_ngrams(tokenise(text), n) for text in texts), Counter())
    if not counts:
        raise ValueError(f"texts: no {n}-grams")
    return len(counts) / counts.total()


def distinct_n_per_text(texts: Sequence[str], n: int = 2, tokenise: Tokenise = words) -> float:
    """Mean over the texts of different / all n-grams of each, 0 to 1, higher (Nano-EmoX).

    Texts shorter than n are left out.
    """
    counts = [_ngrams(tokenise(text), n) for text in texts]
    shares = [len(each) / each.total() for each in counts if each]
    if not shares:
        raise ValueError(f"texts: no {n}-grams")
    return float(np.mean(shares))


# Transcripts


def word_error_rate(
    candidates: Sequence[str], references: Sequence[str], tokenise: Tokenise = words
) -> float:
    """Edits that make the candidates' words the references' / words of the references (WER).

    Of a whole set with one reference each; from 0, lower is better, can exceed 1. Viseme versions
    (SPECTRE: VWER, VER): ``tokenise`` gives viseme strings, or single visemes.
    """
    if isinstance(references, str) or len(candidates) != len(references) or not len(references):
        raise ValueError(f"{len(candidates)} candidates for {len(references)} references")
    wanted = [tokenise(text) for text in references]
    if not all(wanted):
        raise ValueError("references: one has no words")
    edits = sum(edit_distance(tokenise(c), w) for c, w in zip(candidates, wanted, strict=True))
    return edits / sum(len(each) for each in wanted)


def character_error_rate(candidates: Sequence[str], references: Sequence[str]) -> float:
    """:func:`word_error_rate` over characters (CER), as they are; from 0, lower is better."""
    return word_error_rate(candidates, references, list)


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Least number of insertions, deletions and substitutions (Levenshtein)."""
    codes = {item: code for code, item in enumerate(dict.fromkeys([*first, *second]))}
    target = np.array([codes[item] for item in second], int)
    steps = np.arange(len(second) + 1)
    row = steps.copy()
    for item in first:
        kept = np.append(row[0] + 1, np.minimum(row[:-1] + (target != codes[item]), row[1:] + 1))
        row = np.minimum.accumulate(kept - steps) + steps  # insertions: along the row
    return int(row[-1])


def _ngrams(tokens: Words, n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def _tokenised(
    candidates: Sequence[str], references: Sequence[Sequence[str]], tokenise: Tokenise
) -> list[tuple[Words, list[Words]]]:
    """Words of each candidate and of its references, checked."""
    if isinstance(candidates, str) or len(candidates) != len(references) or not len(candidates):
        raise ValueError(f"{len(candidates)} candidates for {len(references)} lists of references")
    if any(isinstance(texts, str) or not len(texts) for texts in references):
        raise ValueError("references: not a list of texts for each candidate")
    wanted = [[tokenise(text) for text in texts] for texts in references]
    if not all(tokens for texts in wanted for tokens in texts):
        raise ValueError("references: one has no words")
    return [(tokenise(c), texts) for c, texts in zip(candidates, wanted, strict=True)]
