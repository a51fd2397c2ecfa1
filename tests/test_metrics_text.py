"""Captions and transcripts: published examples, hand-made ones, and other implementations."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mien.evaluate.metrics import events, stem, text

lightly = settings(deadline=None, max_examples=40)

# From Papineni et al. (2002).
THE = ["the cat is on the mat", "there is a cat on the mat"]
GUIDE = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the"
    " command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
]
GOOD = (
    "It is a guide to action which ensures that the military always obeys the commands of the party"
)
POOR = "It is to insure the troops forever hearing the activity guidebook that party direct"

sentences = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12).map(" ".join)
corpora = st.lists(
    st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=2, max_size=6
)


def columns(corpus: list[tuple[str, list[str]]]) -> tuple[list[str], list[list[str]]]:
    return [c for c, _ in corpus], [r for _, r in corpus]


def test_words_of_a_text() -> None:
    assert text.words("He's well-known: 2 smiles, then—frowns!") == [
        "he's", "well-known", "2", "smiles", "then", "frowns",
    ]  # fmt: skip


# BLEU


def test_precisions_of_papineni() -> None:
    # Seven times "the": clipped to 2 of 7, and no brevity penalty.
    assert text.bleu(["the the the the the the the"], [THE], 1) == pytest.approx(2 / 7)
    # Unigrams 17 of 18 and 8 of 14; bigrams 10 of 17 and 1 of 13.
    assert text.bleu([GOOD], [GUIDE], 1) == pytest.approx(17 / 18)
    assert text.bleu([GOOD], [GUIDE], 2) == pytest.approx(np.sqrt(17 / 18 * 10 / 17))
    short = np.exp(1 - 16 / 14)  # 14 words against 16
    assert text.bleu([POOR], [GUIDE], 1) == pytest.approx(short * 8 / 14)
    assert text.bleu([POOR], [GUIDE], 2) == pytest.approx(short * np.sqrt(8 / 14 * 1 / 13))


def test_short_candidates_are_penalised() -> None:
    assert text.bleu(["the cat"], [["the cat sat on"]], 1) == pytest.approx(np.exp(1 - 2))
    assert text.bleu(["the dog"], [["a cat"]], 1) == 0
    assert text.bleu([""], [["a cat"]]) == 0


@lightly
@given(corpora, st.integers(1, 4))
@pytest.mark.filterwarnings("ignore")
def test_bleu_agrees_with_nltk(corpus: list[tuple[str, list[str]]], order: int) -> None:
    nltk = pytest.importorskip("nltk.translate.bleu_score")
    candidates, references = columns(corpus)
    assume(all(len(c.split()) >= order for c in candidates))  # it counts shorter ones as a miss
    ours = text.bleu(candidates, references, order)
    assume(ours > 0)
    theirs = nltk.corpus_bleu(
        [[r.split() for r in rs] for rs in references],
        [c.split() for c in candidates],
        [1 / order] * order,
    )
    assert ours == pytest.approx(theirs)


# ROUGE-L


@lightly
@given(st.text("abc", max_size=15), st.text("abc", max_size=15))
def test_longest_common_subsequence(first: str, second: str) -> None:
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            longer = max(table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else longer
    assert text.longest_common(first, second) == table[-1, -1]


def test_rouge_of_lin() -> None:
    # "police the killed gunman" shares a subsequence of 2 with the reference of 4 words, of 3
    # "police kill the gunman" (Lin 2004).
    reference = [["police killed the gunman"]]
    assert text.rouge_l(["police kill the gunman"], reference) == pytest.approx(3 / 4)
    assert text.rouge_l(["the gunman kill police"], reference) == pytest.approx(2 / 4)
    assert text.rouge_l(["nobody"], reference) == 0


@lightly
@given(corpora)
def test_rouge_agrees_with_coco_caption(corpus: list[tuple[str, list[str]]]) -> None:
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge")
    candidates, references = columns(corpus)
    scorer = rouge.Rouge()
    theirs = [scorer.calc_score([c], rs) for c, rs in zip(candidates, references, strict=True)]
    assert text.rouge_l(candidates, references) == pytest.approx(np.mean(theirs))


# CIDEr


def test_words_that_all_references_have_say_nothing() -> None:
    candidates, references = ["a man", "a woman"], [["a man"], ["a woman"]]
    # Of n = 1 to 4 only 1 and 2 occur; both are right.
    assert text.cider(candidates, references) == pytest.approx(5)
    assert text.cider_d(candidates, references) == pytest.approx(5)
    assert text.cider(["a", "a"], references) == 0


def test_long_and_repeating_candidates_lose_in_cider_d() -> None:
    references = [["the man smiles at her"], ["a woman frowns then looks away"]]
    said = ["the man smiles at her", "a woman frowns then looks away"]
    more = [each + " smiles" * 6 for each in said]
    assert text.cider(said, references) == pytest.approx(10)
    assert text.cider_d(more, references) < 0.7 * text.cider_d(said, references)
    with pytest.raises(ValueError, match="two items"):
        text.cider(said[:1], references[:1])


@lightly
@given(corpora)
def test_cider_agrees_with_coco_caption(corpus: list[tuple[str, list[str]]]) -> None:
    cider = pytest.importorskip("pycocoevalcap.cider.cider_scorer")
    candidates, references = columns(corpus)
    scorer = cider.CiderScorer()
    for candidate, others in zip(candidates, references, strict=True):
        scorer += (candidate, others)
    assert text.cider_d(candidates, references) == pytest.approx(scorer.compute_score()[0])


# METEOR


def test_known_alignment() -> None:
    # Six matches in one run: 1 - 0.5 / 6^3.
    sentence = "the cat sat on the mat"
    assert text.meteor([sentence], [[sentence]]) == pytest.approx(1 - 0.5 / 6**3)
    # Six matches in two runs, swapped halves.
    assert text.meteor(["on the mat sat the cat"], [[sentence]]) == pytest.approx(
        1 - 0.5 * (3 / 6) ** 3
    )
    assert text.meteor(["dogs"], [[sentence]]) == 0


def test_stems_match() -> None:
    reference = [["she smiles happily"]]
    assert text.meteor(["she smiled happily"], reference) == pytest.approx(1 - 0.5 / 27)
    # Exact words only: two matches of three, in two runs.
    exact = text.meteor(["she smiled happily"], reference, stem=str)
    assert exact == pytest.approx(2 / 3 * (1 - 0.5))


def test_the_best_reference_counts() -> None:
    assert text.meteor(["a smile"], [["a frown", "a smile"]]) == text.meteor(
        ["a smile"], [["a smile"]]
    )


def test_stems_agree_with_nltk() -> None:
    porter = pytest.importorskip("nltk.stem.porter")
    theirs = porter.PorterStemmer(porter.PorterStemmer.ORIGINAL_ALGORITHM).stem
    roots = [
        "smil",
        "happi",
        "rel",
        "cri",
        "agre",
        "hopp",
        "fall",
        "fil",
        "motor",
        "conflat",
        "trem",
    ]
    ends = ["e", "es", "ed", "ing", "y", "ies", "ness", "ational", "ization", "fulness", "ement"]
    ends += [
        "ously",
        "iveness",
        "er",
        "ible",
        "ion",
        "ll",
        "ative",
        "icate",
        "ability",
        "ss",
        "eed",
    ]
    made = [root + end for root in roots for end in ends]
    assert [stem.porter(word) for word in made] == [theirs(word) for word in made]


def test_stems_of_porter() -> None:
    # From the steps of Porter (1980).
    pairs = (
        "caresses caress, ponies poni, cats cat, agreed agre, plastered plaster, motoring motor,"
    )
    pairs += " hopping hop, falling fall, filing file, happy happi, sky sky, relational relat,"
    pairs += " conditional condit, rational ration, vietnamization vietnam, triplicate triplic,"
    pairs += " electrical electr, hopefulness hope, goodness good, allowance allow, adoption adopt,"
    pairs += " homologou homolog, effective effect, probate probat, rate rate, cease ceas, controll"
    pairs += " control, roll roll"
    for pair in pairs.split(","):
        word, expected = pair.split()
        assert stem.porter(word) == expected


# Diversity


def test_distinct_ngrams() -> None:
    replies = ["i am so glad", "i am so sorry"]
    assert text.distinct_n(replies, 1) == 5 / 8
    assert text.distinct_n(replies, 2) == 4 / 6
    assert text.distinct_n_per_text([*replies, "so so"], 1) == pytest.approx((1 + 1 + 0.5) / 3)
    with pytest.raises(ValueError, match="no 5-grams"):
        text.distinct_n(replies, 5)


# Transcripts


def test_known_edits() -> None:
    assert text.edit_distance("kitten", "sitting") == 3
    assert text.edit_distance("", "abc") == 3
    assert text.word_error_rate(["the cat sat"], ["a cat sat down"]) == 0.5
    assert text.word_error_rate(["a b c d"], ["a"]) == 3
    assert text.character_error_rate(["pet"], ["bet"]) == pytest.approx(1 / 3)
    visemes = str.maketrans("pbm", "ppp")
    assert text.word_error_rate(["pet"], ["bet"], lambda t: list(t.translate(visemes))) == 0


@lightly
@given(st.text("abc", max_size=12), st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_edits_are_a_distance(a: str, b: str, c: str) -> None:
    ab = text.edit_distance(a, b)
    assert ab == text.edit_distance(b, a)
    assert (ab == 0) == (a == b)
    assert ab <= text.edit_distance(a, c) + text.edit_distance(c, b)
    assert abs(len(a) - len(b)) <= ab <= max(len(a), len(b))


@lightly
@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=4))
def test_error_rates_agree_with_jiwer(pairs: list[tuple[str, str]]) -> None:
    jiwer = pytest.importorskip("jiwer")
    said, meant = [p[0] for p in pairs], [p[1] for p in pairs]
    assert text.word_error_rate(said, meant) == pytest.approx(jiwer.wer(meant, said))
    assert text.character_error_rate(said, meant) == pytest.approx(jiwer.cer(meant, said))


# Sets without an answer


@pytest.mark.parametrize(
    ("candidates", "references", "line"),
    [
        ([], [], "0 candidates"),
        (["a"], [["a"], ["b"]], "1 candidates for 2"),
        (["a", "b"], [["a"], []], "not a list of texts"),
        (["a", "b"], ["a", "b"], "not a list of texts"),
        (["a", "b"], [["a"], ["..."]], "no words"),
    ],
)
def test_captions_without_an_answer(candidates: list, references: list, line: str) -> None:
    for metric in (text.bleu, text.rouge_l, text.cider, text.cider_d, text.meteor):
        with pytest.raises(ValueError, match=line):
            metric(candidates, references)


# FEC-Bench: experiment A of its card

STORY = [
    "the man raises his brows",
    "his eyes widen in surprise",
    "he presses the lips together",
    "a smile spreads over the cheeks",
    "he turns toward the window",
    "tears run down slowly",
]


def test_events_of_a_caption() -> None:
    caption = "He frowns at her. Then he laughs, and then looks away; she nods!"
    assert events.split(caption) == ["He frowns at her", "he laughs", "looks away", "she nods"]


def test_the_same_story_is_right_in_both() -> None:
    assert events.auto_dq(STORY, STORY) == 1
    assert events.temporal_event_matching(STORY, STORY) == 1


def test_only_temporal_matching_sees_the_order() -> None:
    reordered = [STORY[i] for i in (5, 3, 4, 1, 2, 0)]
    assert events.auto_dq(reordered, STORY) == 1
    # The longest part in order has two events of six.
    assert events.temporal_event_matching(reordered, STORY) == pytest.approx(2 / 6)


def test_missing_and_false_events() -> None:
    half = STORY[::2]
    # Recall 1/2, precision 1.
    assert events.auto_dq(half, STORY) == pytest.approx(2 / 3)
    assert events.temporal_event_matching(half, STORY) == pytest.approx(2 / 3)
    false = [*STORY, "dogs bark outside", "rain falls", "music plays loudly"]
    # Precision 6/9, recall 1.
    assert events.temporal_event_matching(false, STORY) == pytest.approx(0.8)
    assert events.auto_dq([], STORY) == 0


@lightly
@given(st.lists(st.sampled_from(STORY), max_size=8), st.lists(st.sampled_from(STORY), min_size=1))
def test_order_can_only_cost(candidate: list[str], reference: list[str]) -> None:
    temporal = events.temporal_event_matching(candidate, reference)
    assert 0 <= temporal <= events.auto_dq(candidate, reference) <= 1
    common = text.longest_common(candidate, reference)
    assert temporal == pytest.approx(2 * common / (len(candidate) + len(reference)))


def test_the_judge_is_given() -> None:
    def same_length(a: str, b: str) -> bool:
        return len(a) == len(b)

    assert events.auto_dq(["ab", "c"], ["xy", "xyz"], same_length) == 0.5
    with pytest.raises(ValueError, match="instead of a list"):
        events.auto_dq("a text", STORY)
    with pytest.raises(ValueError, match="no events"):
        events.temporal_event_matching(STORY, [])
