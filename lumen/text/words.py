# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""Words for signs, by language: what a voice says for a sign that it does not read by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SignWords:
    """The words of one language.

    Attributes:
        dot: in an address. at: in an e-mail address. point: in a version number.
        number: before #1. sharp: after C#.
        clock: the time with ``{h}`` and ``{m}``; the full hour without ``{m}``.
    """

    less: str
    greater: str
    equals: str
    plus: str
    times: str
    divided: str
    about: str
    bar: str
    dot: str
    at: str
    point: str
    number: str
    sharp: str
    clock: str = "{h} {m}"
    hour: str = "{h}"


SIGN_WORDS: Final[Mapping[str, SignWords]] = {
    "en": SignWords(
        *("less than", "greater than", "equals", "plus", "times", "divided by", "about", "bar"),
        *("dot", "at", "point", "number", "sharp", "{h} {m}", "{h} o'clock"),
    ),
    "de": SignWords(
        *("kleiner als", "größer als", "gleich", "plus", "mal", "geteilt durch", "etwa", "Strich"),
        *("Punkt", "ät", "Punkt", "Nummer", "Sharp", "{h} Uhr {m}", "{h} Uhr"),
    ),
    "fr": SignWords(
        *("inférieur à", "supérieur à", "égale", "plus", "fois", "divisé par", "environ", "barre"),
        *("point", "arobase", "point", "numéro", "dièse", "{h} heures {m}", "{h} heures"),
    ),
    "es": SignWords(
        *("menor que", "mayor que", "igual a", "más", "por", "dividido por", "unos", "barra"),
        *("punto", "arroba", "punto", "número", "sostenido", "{h} y {m}", "{h} en punto"),
    ),
    "it": SignWords(
        *("minore di", "maggiore di", "uguale a", "più", "per", "diviso", "circa", "barra"),
        *("punto", "chiocciola", "punto", "numero", "diesis", "{h} e {m}", "{h} in punto"),
    ),
    "pt": SignWords(
        *("menor que", "maior que", "igual a", "mais", "vezes", "dividido por", "cerca de", "barra"),
        *("ponto", "arroba", "ponto", "número", "sustenido", "{h} e {m}", "{h} em ponto"),
    ),
    "nl": SignWords(
        *("kleiner dan", "groter dan", "is", "plus", "keer", "gedeeld door", "ongeveer", "streep"),
        *("punt", "apenstaartje", "punt", "nummer", "kruis", "{h} uur {m}", "{h} uur"),
    ),
    "pl": SignWords(
        *("mniejsze niż", "większe niż", "równa się", "plus", "razy", "podzielić przez", "około", "kreska"),
        *("kropka", "małpa", "kropka", "numer", "krzyżyk"),
    ),
    "cs": SignWords(
        *("menší než", "větší než", "rovná se", "plus", "krát", "děleno", "asi", "svislice"),
        *("tečka", "zavináč", "tečka", "číslo", "křížek"),
    ),
    "hu": SignWords(
        *("kisebb mint", "nagyobb mint", "egyenlő", "plusz", "szorozva", "osztva", "körülbelül", "vonal"),
        *("pont", "kukac", "pont", "szám", "kereszt", "{h} óra {m}", "{h} óra"),
    ),
    "tr": SignWords(
        *("küçüktür", "büyüktür", "eşittir", "artı", "çarpı", "bölü", "yaklaşık", "çizgi"),
        *("nokta", "et", "nokta", "numara", "diyez"),
    ),
    "ru": SignWords(
        *("меньше", "больше", "равно", "плюс", "умножить на", "делить на", "около", "черта"),
        *("точка", "собака", "точка", "номер", "диез"),
    ),
    "ar": SignWords(
        *("أصغر من", "أكبر من", "يساوي", "زائد", "ضرب", "على", "حوالي", "خط"),
        *("نقطة", "آت", "نقطة", "رقم", "شارب"),
    ),
    "hi": SignWords(
        *("से कम", "से अधिक", "बराबर", "धन", "गुणा", "भाग", "लगभग", "रेखा"),
        *("डॉट", "ऐट", "पॉइंट", "नंबर", "शार्प"),
    ),
    "zh": SignWords(
        *("小于", "大于", "等于", "加", "乘以", "除以", "大约", "竖线"),
        *("点", "艾特", "点", "第", "升", "{h}点{m}分", "{h}点"),
    ),
    "ja": SignWords(
        *("しょうなり", "だいなり", "イコール", "プラス", "かける", "わる", "やく", "たてぼう"),
        *("ドット", "アット", "てん", "ナンバー", "シャープ", "{h}時{m}分", "{h}時"),
    ),
    "ko": SignWords(
        *("보다 작은", "보다 큰", "는", "더하기", "곱하기", "나누기", "약", "막대"),
        *("닷", "골뱅이", "점", "번호", "샵", "{h}시 {m}분", "{h}시"),
    ),
}


def sign_words(language: str) -> SignWords | None:
    """The words of a language by its code, with or without a region; None where there are none."""
    code = language.strip().lower().replace("_", "-").partition("-")[0]
    return SIGN_WORDS.get({"cmn": "zh"}.get(code, code))
