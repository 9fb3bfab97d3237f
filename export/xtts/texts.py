# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""A few sentences in each of XTTS's languages, from which random checkpoints get their vocabulary.

Chinese, Japanese and Korean are romanised, as the reference's tokenizer does it before it looks up ids.
"""

from typing import Final

TEXTS: Final = {
    "en": "good morning, how are you today? the weather is bright and warm, so we are going to "
    "walk along the river before we have dinner with our friends. that is what she said "
    "when they asked her about it.",
    "es": "buenos días, ¿cómo está usted hoy? hace buen tiempo y vamos a pasear por la orilla "
    "del río antes de cenar con nuestros amigos. ¡qué alegría! el niño y la cigüeña, "
    "señor.",
    "fr": "bonjour, comment allez-vous aujourd'hui ? il fait beau et nous allons marcher le "
    "long de la rivière avant de dîner avec nos amis. voilà ce qu'elle a dit, où ça, "
    "là-bas, près de l'œuvre du garçon naïf.",
    "de": "guten morgen, wie geht es ihnen heute? das wetter ist schön und warm, wir gehen am "
    "fluss spazieren, bevor wir mit unseren freunden zu abend essen. das hat sie gesagt, "
    "größer als über die straße.",
    "it": "buongiorno, come sta oggi? il tempo è bello e andiamo a passeggiare lungo il fiume "
    "prima di cenare con i nostri amici. perché no? così è la città, più o meno, però è "
    "già tardi.",
    "pt": "bom dia, como você está hoje? o tempo está bonito e vamos passear à beira do rio "
    "antes de jantar com os nossos amigos. não é verdade? são as manhãs de verão, às "
    "vezes, português e avô.",
    "pl": "dzień dobry, jak się pan dzisiaj miewa? pogoda jest piękna i idziemy na spacer "
    "wzdłuż rzeki, zanim zjemy kolację z przyjaciółmi. żółta łódź, cześć, źródło, "
    "książka.",
    "tr": "günaydın, bugün nasılsınız? hava güzel ve arkadaşlarımızla akşam yemeği yemeden "
    "önce nehir boyunca yürüyeceğiz. çok teşekkürler, iyi günler, ışık ve ağaç.",
    "ru": "доброе утро, как у вас сегодня дела? погода хорошая, и мы пойдём гулять вдоль реки, "
    "прежде чем поужинать с нашими друзьями. съешь же ещё этих мягких французских булок, "
    "да выпей чаю.",
    "nl": "goedemorgen, hoe gaat het vandaag met u? het is mooi weer en we gaan langs de "
    "rivier wandelen voordat we met onze vrienden gaan eten. dat zei ze toen ze het haar "
    "vroegen, één keer, geïnd.",
    "cs": "dobré ráno, jak se dnes máte? počasí je krásné a půjdeme na procházku podél řeky, "
    "než povečeříme s přáteli. příliš žluťoučký kůň úpěl ďábelské ódy.",
    "ar": "صباح الخير، كيف حالك اليوم؟ الطقس جميل وسنذهب في نزهة على طول النهر قبل أن نتناول "
    "العشاء مع أصدقائنا. هذا ما قالته عندما سألوها عن ذلك، شكرا جزيلا.",
    "zh-cn": "zao3shang4hao3, nin2 jin1tian1 hao3ma5? tian1qi4 hen3 hao3, wo3men5 yao4 qu4 "
    "he2bian1 san4bu4, ran2hou4 he2 peng2you5 yi4qi3 chi1 wan3fan4. ta1 shuo1 de5 "
    "jiu4shi4 zhe4ge5.",
    "hu": "jó reggelt, hogy van ma? szép az idő, és sétálni megyünk a folyó mentén, mielőtt a "
    "barátainkkal vacsorázunk. árvíztűrő tükörfúrógép, köszönöm szépen, őszi idő.",
    "ko": "annyeonghaseyo, oneul eotteohseubnigga? nalssiga johaseo chingudeulgwa jeonyeogeul "
    "meokgi jeone gangeul ddara sanchaekhal geosibnida. gamsahabnida, geunyeoga "
    "geureohge malhaessseubnida.",
    "ja": "ohayou gozaimasu, kyou wa ikaga desu ka? tenki ga yoi node, tomodachi to yuushoku "
    "wo taberu mae ni kawazoi wo aruite ikimasu. arigatou gozaimasu, kanojo wa sou "
    "iimashita.",
    "hi": "सुप्रभात, आज आप कैसे हैं? मौसम अच्छा है और हम अपने दोस्तों के साथ रात का खाना खाने "
    "से पहले नदी के किनारे टहलने जा रहे हैं। उसने यही कहा जब उन्होंने पूछा, धन्यवाद।",
}
"""Texts by language, in the order of the released configuration."""

CHARACTERS: Final = (
    "abcdefghijklmnopqrstuvwxyz0123456789"
    "àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßąćčďęěğıłńňőœřśşšťůűźżž"
    "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
    "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي"
    "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652"  # the Arabic vowel marks
    "अआइईउऊऋएऐऑओऔकखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसह"
    "\u0901\u0902\u0903\u093c\u093e\u093f\u0940\u0941\u0942\u0943\u0945\u0947\u0948\u0949\u094b\u094c\u094d"
    ".,!?;:'\"-()[]…¿¡،؟؛।«»–—’‘“”/&%$€£@#+*=_°"
)
"""Characters of the languages, in lower case; each is a token, so that every text has ids."""
