"""The stems of English words by Porter's algorithm (Porter 1980), as first published."""

import re

STEPS_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize",
    "abli": "able", "alli": "al", "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize",
    "ation": "ate", "ator": "ate", "alism": "al", "iveness": "ive", "fulness": "ful",
    "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble",
}  # fmt: skip
STEPS_3 = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
STEPS_4 = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ion", "ism", "ate", "iti",
    "ous", "ive", "ize", "al", "er", "ic", "ou",
)  # fmt: skip


def porter(word: str) -> str:
    """The stem of a lower-case English word; words of one or two letters stay."""
    if len(word) <= 2:
        return word
    for step in (_plural, _past, _y, _double_suffix, _suffix, _last_suffix, _tidy):
        word = step(word)
    return word


def _shape(stem: str) -> str:
    """c for each consonant and v for each vowel; y after a consonant is a vowel."""
    shape = ""
    for letter in stem:
        vowel = letter in "aeiou" or (letter == "y" and shape[-1:] == "c")
        shape += "v" if vowel else "c"
    return shape


def _measure(stem: str) -> int:
    """How often a vowel is followed by a consonant."""
    return len(re.findall("vc", _shape(stem)))


def _double(stem: str) -> bool:
    return len(stem) > 1 and stem[-1] == stem[-2] and _shape(stem)[-1] == "c"


def _short(stem: str) -> bool:
    """Ends in consonant, vowel, consonant, the last not w, x or y."""
    return _shape(stem)[-3:] == "cvc" and stem[-1] not in "wxy"


def _plural(word: str) -> str:
    for suffix, cut in (("sses", 2), ("ies", 2), ("ss", 0), ("s", 1)):
        if word.endswith(suffix):
            return word[: len(word) - cut]
    return word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        stem = word.removesuffix(suffix)
        if stem != word:
            return _mended(stem) if "v" in _shape(stem) else word
    return word


def _mended(stem: str) -> str:
    """What is left of -ed and -ing, made a word again."""
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if _double(stem) and stem[-1] not in "lsz":
        return stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _short(stem) else stem


def _y(word: str) -> str:
    return word[:-1] + "i" if word.endswith("y") and "v" in _shape(word[:-1]) else word


def _double_suffix(word: str) -> str:
    return _replaced(word, STEPS_2)


def _suffix(word: str) -> str:
    return _replaced(word, STEPS_3)


def _replaced(word: str, suffixes: dict[str, str]) -> str:
    for suffix in sorted(suffixes, key=len, reverse=True):
        if word.endswith(suffix):
            stem = word.removesuffix(suffix)
            return stem + suffixes[suffix] if _measure(stem) else word
    return word


def _last_suffix(word: str) -> str:
    for suffix in STEPS_4:
        if word.endswith(suffix):
            stem = word.removesuffix(suffix)
            cut = _measure(stem) > 1 and (suffix != "ion" or stem.endswith(("s", "t")))
            return stem if cut else word
    return word


def _tidy(word: str) -> str:
    if word.endswith("e"):
        stem = word[:-1]
        if _measure(stem) > 1 or (_measure(stem) == 1 and not _short(stem)):
            word = stem
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
