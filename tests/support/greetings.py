"""A greeting in each language of XTTS, as short as speech can be."""

HELLO = {
    "en": "Hi.",
    "es": "¡Olé!",
    "fr": "Ça va ?",
    "de": "Schön.",
    "it": "Ciao.",
    "pt": "Olá.",
    "pl": "Cześć.",
    "tr": "Merhaba.",
    "ru": "Да.",
    "nl": "Dag.",
    "cs": "Ahoj.",
    "ar": "نعم.",
    "zh-cn": "你好。",
    "ja": "はい。",
    "hu": "Szia.",
    "ko": "네.",
    "hi": "हाँ।",
}
