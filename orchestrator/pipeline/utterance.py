"""Text on its way to the voice: the sentences of one utterance while it is written."""

from contextlib import aclosing

from lumen.aio import Stream
from lumen.errors import InvalidInputException
from lumen.text.spoken import Reading
from lumen.text.stream import spoken_sentences
from lumen.utterance import Sentence


async def sentences_of(
    chunks: Stream[str], utterance: str, language: str = "", reading: Reading | None = None
) -> Stream[Sentence]:
    """Yield the sentences of a text while it is written.

    A sentence leaves when the next one begins or the text ends, so that the last one says that it is.

    Args:
        utterance: id that all of them carry.
        language: of the text; without one signs stay as they are.
        reading: what the voice reads by itself.

    Raises:
        InvalidInputException: nothing of the text can be spoken.
    """
    silent = True
    async with aclosing(spoken_sentences(chunks, language, reading)) as sentences:
        async for sentence in sentences:
            silent = False
            yield Sentence(sentence.spoken, utterance, sentence.index, sentence.last, sentence.text)
    if silent:
        raise InvalidInputException("The text has nothing that can be spoken; send words.")
