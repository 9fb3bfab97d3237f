"""An answer: writer, voice, face and encoder run at once, in one task that can be cut off at any time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream, cancel, exhaust, read_ahead, tee
from lumen.errors import InvalidInputException, LumenException
from lumen.text.language import language_name
from lumen.utterance import Sentence, SpeechChunk
from lumen.visemes.track import PhonemeTrack
from orchestrator.faces.windows import head_start
from orchestrator.live.client_events import PCM_RATE
from orchestrator.live.conversation import Item, SpokenSentence
from orchestrator.live.measured import Outcome, Played
from orchestrator.live.meter import metered
from orchestrator.live.pacing import Pacer
from orchestrator.live.plan import Parts, Plan
from orchestrator.live.server_events import item_object, new_id, part_of, response_object
from orchestrator.live.speech import GivenSpeech, quick_sentences
from orchestrator.live.transport import Transport
from orchestrator.media.mime import mime_type
from orchestrator.media.resample import Resampler, pcm16
from orchestrator.media.sinks import FragmentedMp4Sink
from orchestrator.moderation.replies import checked
from orchestrator.observability.tracing import span_above, spanned
from orchestrator.pipeline.pipeline import SPEECH_AHEAD, TEXT_AHEAD
from orchestrator.pipeline.rendering import Recording, render
from orchestrator.pipeline.speech import DurationLimit, with_head_start
from orchestrator.pipeline.stopwatch import Stopwatch
from orchestrator.voices.voice import BoundVoice
from orchestrator.writers.writer import ECHO, WriterRequest

log = logging.getLogger("lumen")

PIECE_SECONDS: Final = 0.2
"""Length of the pieces in which PCM is sent."""

CLIENT_CANCELLED: Final = "client_cancelled"

METRICS: Final = {
    "llm_first_token_ms": "first_text",
    "tts_first_pcm_ms": "first_audio",
    "first_frame_ms": "first_frame",
    "first_fragment_ms": "first_fragment",
}
"""Fields of ``response.metrics``, and the marks that they tell."""

Pcm = npt.NDArray[np.float32]


class Response:
    """An answer that is made, then played by the client.

    Args:
        item: the answer's item.
    """

    def __init__(self, plan: Plan, parts: Parts, item: Item, transport: Transport, pacer: Pacer) -> None:
        self.id: Final = new_id("resp")
        self.item: Final = item
        self.pacer: Final = pacer
        self.making = True
        self._plan = plan
        self._parts = parts
        self._transport = transport
        self._watch = Stopwatch()
        self._script: list[str] = []
        self._captions: dict[int, str] = {}
        self._phonemes: PhonemeTrack | None = None
        self._first_frame = asyncio.Event()
        self._samples, self._made_seconds = 0, 0.0
        self._begun = False
        self._interruption: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._interrupted_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in a task of its own."""
        self._task = asyncio.create_task(self._run())

    @property
    def over(self) -> bool:
        """Whether it is made and played, or interrupted."""
        return self._task is not None and self._task.done()

    async def interrupt(self, reason: str) -> None:
        """Cut it off; nothing of it is made or sent afterwards."""
        if not self._interruption.done():
            self._interrupted_at = time.perf_counter()
            self._interruption.set_result(reason)
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Stop without a word, because the conversation ends."""
        if self._task is not None:
            await cancel(self._task)

    # Life of a response: announced, made, finished, played.

    async def _run(self) -> None:
        self._announce()
        with span_above("answer"):
            status, details = await self._until_interrupted(self._make())
        self.making, made = False, self._watch.timing()
        if status == "cancelled":
            self._clear()
        self._finish(status, details)
        if status != "cancelled":
            status, _ = await self._until_interrupted(self.pacer.played())
            if status == "cancelled":
                self._clear()
        Played(status, self.pacer, self._plan.picture).measure(self._parts.metrics, made)
        if self._begun:
            if status != "cancelled":
                self._say("output_audio_buffer.stopped", response_id=self.id)
            self._say("session.avatar.switch_to_idle", turn_id=self.id)

    async def _until_interrupted(self, work: Awaitable[None]) -> tuple[Outcome, dict[str, Any]]:
        """Status and its details after ``work``, which ends when the response is interrupted."""
        task = asyncio.ensure_future(work)
        ends: list[asyncio.Future[Any]] = [task, self._interruption]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._interruption.done():
                return "cancelled", {"reason": self._interruption.result()}
            task.result()
        except LumenException as error:
            log.warning("A live response failed: %s: %s", type(error).__name__, error.message)
            kind = "invalid_request_error" if error.status < 500 else "server_error"
            told = {"type": kind, "code": type(error).__name__, "message": error.message}
            return "failed", {"error": told}
        except Exception:
            log.exception("A live response failed")
            message = "Something went wrong inside the server; its log says what."
            return "failed", {
                "error": {"type": "server_error", "code": "InternalServerException", "message": message}
            }
        finally:
            await cancel(task)
        return "completed", {}

    def _announce(self) -> None:
        plan, kind = self._plan, "audio" if self._plan.spoken else "text"
        self._say("response.created", response=response_object(self.id, "in_progress", plan.fields))
        item = item_object(self.item)
        self._say("response.output_item.added", response_id=self.id, output_index=0, item=item)
        if plan.kept:
            self._say("conversation.item.added", previous_item_id=plan.previous, item=item)
        self._tell("response.content_part.added", part=part_of(kind, ""))

    def _clear(self) -> None:
        """Drop what is not sent, and keep of the item what was heard."""
        self._transport.drop(self.id)
        if self._plan.spoken:
            self.item.truncate(round(self.pacer.position * 1000))
        self._say("output_audio_buffer.cleared", response_id=self.id)

    def _finish(self, status: str, details: dict[str, Any]) -> None:
        item, plan = self.item, self._plan
        if status == "completed":
            item.text, item.status = "".join(self._script).strip(), "completed"
        elif not plan.spoken:
            item.text, item.status = "".join(self._script).strip(), "incomplete"
        elif status == "failed":
            item.truncate(round(self.pacer.sent * 1000))
        if plan.pcm:
            self._tell("response.output_audio.done")
        if plan.spoken:
            self._tell("response.output_audio_transcript.done", transcript=item.text)
        else:
            self._tell("response.output_text.done", text=item.text)
        self._tell("response.content_part.done", part=part_of("audio" if plan.spoken else "text", item.text))
        told = item_object(item)
        self._say("response.output_item.done", response_id=self.id, output_index=0, item=told)
        if plan.kept:
            self._say("conversation.item.done", previous_item_id=plan.previous, item=told)
        self._say("response.metrics", response_id=self.id, **self._metrics(status))
        fields = {**plan.fields, "output": [told]}
        self._say("response.done", response=response_object(self.id, status, fields, details))

    def _metrics(self, status: str) -> dict[str, float | None]:
        marks = self._watch.timing().marks
        found = {name: marks.get(mark) for name, mark in METRICS.items()}
        told = {name: None if at is None else round(at * 1000, 1) for name, at in found.items()}
        cut = round((time.perf_counter() - self._interrupted_at) * 1000, 1) if status == "cancelled" else None
        return {**told, "interrupted_ms": cut}

    # Making: text, speech, picture.

    async def _make(self) -> None:
        if isinstance(source := self._plan.source, WriterRequest):
            await self._parts.moderation.prompt(source.prompt, source.said)
        if not self._plan.spoken:
            await exhaust(self._text())
            return
        async with metered(self._parts.meter, self._plan.picture, lambda: self._made_seconds):
            speech, rate = await self._speech()
            if self._plan.pcm:
                speech = self._with_pcm(speech, rate)
            if self._plan.picture:
                await self._film(speech, rate)
            else:
                await exhaust(speech)

    def _text(self) -> Stream[str]:
        source = self._plan.source
        assert isinstance(source, WriterRequest)
        reply = spanned("write", self._parts.writer.write(source))
        text, moderation = tee(reply, self._watch.first("first_text")), self._parts.moderation
        if moderation.on and self._parts.writer.name != ECHO:
            text = checked(text, partial(moderation.text, "reply"))
        return tee(text, self._write)

    def _write(self, text: str) -> None:
        self._script.append(text)
        kind = "output_audio_transcript" if self._plan.spoken else "output_text"
        self._tell(f"response.{kind}.delta", delta=text)

    async def _speech(self) -> tuple[Stream[Pcm], int]:
        """The answer's speech and its samples per second."""
        first = self._watch.first("first_audio")
        if isinstance(self._plan.source, GivenSpeech):
            return tee(self._plan.source.stream(), first), PCM_RATE
        options = self._parts.options
        voice = self._parts.voice
        bound = await voice.bind(options)
        await self._parts.ensure(voice.models)
        limit = DurationLimit(voice.sample_rate, self._parts.max_seconds)
        self._phonemes = PhonemeTrack(voice.sample_rate)
        chunks = tee(spanned("speak", bound.speak(self._sentences(bound))), first, self._phonemes.add)
        sound = self._sound(chunks, limit)
        if self._plan.picture:
            enough = head_start(self._parts.lookahead, voice.sample_rate)
            sound = with_head_start(sound, enough, self._first_frame)
        return read_ahead(sound, SPEECH_AHEAD), voice.sample_rate

    async def _sentences(self, voice: BoundVoice) -> Stream[Sentence]:
        text, silent = read_ahead(self._text(), TEXT_AHEAD), True
        async with aclosing(quick_sentences(text, voice.language, voice.family.reading)) as sentences:
            async for sentence in sentences:
                silent = False
                self._captions[sentence.index] = sentence.text
                yield Sentence(sentence.spoken, self.id, sentence.index, sentence.last)
        if silent:
            raise InvalidInputException(
                f"The text has nothing that can be spoken in {language_name(voice.language)}; send words, "
                "or set the session's language."
            )

    async def _sound(self, chunks: Stream[SpeechChunk], limit: DurationLimit) -> Stream[Pcm]:
        """Yield the samples of chunks, with captions on the way."""
        open_sentence = -1
        async with aclosing(chunks):
            async for chunk in chunks:
                limit.add(chunk.pcm)
                if chunk.sentence != open_sentence:
                    self._end_sentence(chunk.start)
                    self._begin_sentence(chunk)
                    open_sentence = chunk.sentence
                self._note_words(chunk)
                yield chunk.pcm
        self._end_sentence(limit.seconds)

    def _begin_sentence(self, chunk: SpeechChunk) -> None:
        text = self._captions.pop(chunk.sentence, "")
        sentence = SpokenSentence(text, round(chunk.start * 1000))
        self.item.sentences.append(sentence)
        self._say(
            "response.caption.delta",
            response_id=self.id,
            item_id=self.item.id,
            index=chunk.sentence,
            text=text,
            audio_offset_ms=sentence.start,
        )

    def _note_words(self, chunk: SpeechChunk) -> None:
        """Tell when words are spoken, where the voice knows."""
        for word in chunk.speech.words:
            start, end = (round((chunk.start + at) * 1000) for at in (word.start, word.end))
            self.item.sentences[-1].words.append((word.label, end))
            self._tell(
                "response.audio_timestamp.delta",
                audio_offset_ms=start,
                audio_duration_ms=end - start,
                text=word.label,
                timestamp_type="word",
            )

    def _end_sentence(self, seconds: float) -> None:
        if not self.item.sentences or self.item.sentences[-1].end is not None:
            return
        sentence = self.item.sentences[-1]
        sentence.end = round(seconds * 1000)
        self._tell(
            "response.audio_timestamp.delta",
            audio_offset_ms=sentence.start,
            audio_duration_ms=sentence.end - sentence.start,
            text=sentence.text,
            timestamp_type="sentence",
        )

    async def _film(self, speech: Stream[Pcm], rate: int) -> None:
        async with aclosing(speech):
            scene = replace(await self._parts.scene(), phonemes=self._phonemes)
            mark = self._parts.mark(self.id, scene.face.name)
            sink = FragmentedMp4Sink(mark.tags)
            seen = (lambda _: self._first_frame.set(),)
            recording = Recording([sink], live=True, watch=self._watch, label=mark.drawn, seen=seen)
            async with aclosing(render(scene, speech, rate, recording)) as rendered:
                async for self._made_seconds in rendered:
                    await self._send_video(sink.take(), self._made_seconds)

    async def _send_video(self, data: bytes, until: float) -> None:
        if not data:
            return
        await self.pacer.room()
        event: dict[str, Any] = {"codec": "h264", "video_end_ms": round(until * 1000)}
        if not self._begun:
            event["mime_type"] = mime_type(data)
        await self._send("response.video.delta", event, data, until)

    async def _with_pcm(self, speech: Stream[Pcm], rate: int) -> Stream[Pcm]:
        """Yield ``speech`` after it is sent as PCM, paced where no picture is."""
        resampler = Resampler(rate, PCM_RATE)
        async with aclosing(speech):
            async for pcm in speech:
                await self._send_pcm(resampler.process(pcm))
                yield pcm
        await self._send_pcm(resampler.flush())

    async def _send_pcm(self, pcm: Pcm) -> None:
        step = round(PIECE_SECONDS * PCM_RATE)
        for start in range(0, len(pcm), step):
            piece = pcm[start : start + step]
            self._samples += len(piece)
            if not self._plan.picture:
                self._made_seconds = self._samples / PCM_RATE
                await self.pacer.room()
            until = 0.0 if self._plan.picture else self._made_seconds
            await self._send("response.output_audio.delta", {}, pcm16(piece).tobytes(), until)

    async def _send(self, kind: str, fields: Mapping[str, Any], media: bytes, until: float) -> None:
        if not self._begun and (kind == "response.video.delta" or not self._plan.picture):
            self._begun = True
            self._watch.mark("first_fragment")
            self._say("session.avatar.switch_to_speaking", turn_id=self.id)
            self._say("output_audio_buffer.started", response_id=self.id)
        await self._transport.send_media({**self._place(kind), **fields}, media, self.id)
        if until:
            self.pacer.note_sent(until)

    # Events.

    def _place(self, kind: str) -> dict[str, Any]:
        where = {"response_id": self.id, "item_id": self.item.id, "output_index": 0, "content_index": 0}
        return {"type": kind, **where}

    def _tell(self, kind: str, **fields: Any) -> None:
        self._transport.send({**self._place(kind), **fields})

    def _say(self, kind: str, **fields: Any) -> None:
        self._transport.send({"type": kind, **fields})
