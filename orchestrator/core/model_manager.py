"""The parts of the chain and the life of their models in Triton."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
from tritonclient.grpc import InferenceServerClient  # type: ignore[import-untyped]  # has no stubs
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # has no stubs

from lumen.contracts import SADTALKER_RENDERER, XTTS
from lumen.errors import ServiceUnavailableException, UpstreamTimeoutException
from lumen.settings import Settings, load_settings
from orchestrator.faces.avatars import Avatars
from orchestrator.faces.face import Face, WarpFace
from orchestrator.faces.sadtalker import SadTalkerFace
from orchestrator.triton.client import PROBE_TIMEOUT, TritonClient, translate
from orchestrator.voices.library import VoiceLibrary
from orchestrator.voices.voice import EspeakVoice, Voice
from orchestrator.voices.xtts import XttsVoice
from orchestrator.writers.writer import EchoWriter, Writer

if TYPE_CHECKING:
    from google import genai

log = logging.getLogger("lumen")

XTTS_VERSION: Final = "1"
"""Folder of the model repository's `xtts` that holds its checkpoint's manifest and speakers."""

SADTALKER_VERSION: Final = "1"
"""Folder of the model repository's `sadtalker_renderer` that holds its checkpoint's manifest."""

UNLOAD_SECONDS: Final = 30.0
"""How long Triton may take to end the requests of models that it unloads."""
UNLOAD_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class ModelState:
    """What Triton says of a model: READY, LOADING, UNLOADED or UNAVAILABLE, and why."""

    state: str
    reason: str = ""


class ModelManager:
    """Makes the parts that the settings name, and loads and unloads their models.

    Nothing is read, opened or loaded before it is asked for. The parts belong to one event loop;
    `close` lets them go, and the next use makes new ones.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._triton: TritonClient | None = None
        self._gemini: genai.Client | None = None
        self._http: httpx.AsyncClient | None = None
        self._voice: Voice | None = None
        self._face: Face | None = None
        self._avatars: Avatars | None = None
        self._locks: dict[str, asyncio.Lock] = {}

    def configure(self, settings: Settings) -> "ModelManager":
        """Use these settings from now on."""
        self._settings = settings
        self._forget()
        return self

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    @property
    def triton(self) -> TritonClient:
        if self._triton is None:
            self._triton = TritonClient(self.settings.triton_url, self.settings.triton_timeout)
        return self._triton

    def get_gemini_client(self) -> "genai.Client":
        """Google's client for the key of the settings.

        Raises:
            ServiceUnavailableException: there is no key.
        """
        key = self.settings.gemini_api_key
        if key is None:
            raise ServiceUnavailableException(
                "There is no key for Gemini; set GEMINI_API_KEY in .env, or WRITER=echo to do without."
            )
        if self._gemini is None:
            from orchestrator.writers.gemini import gemini_client  # the SDK takes a second to import

            self._http = httpx.AsyncClient()
            self._gemini = gemini_client(
                key, self.settings.gemini_base_url, self.settings.gemini_timeout, self._http
            )
        return self._gemini

    def get_writer(self) -> Writer:
        """The writer of the chain.

        Raises:
            ServiceUnavailableException: it is Gemini, and there is no key.
        """
        settings = self.settings
        if settings.writer == "echo" or (settings.writer == "auto" and settings.gemini_api_key is None):
            return EchoWriter()
        from orchestrator.writers.gemini import GeminiWriter  # as above

        return GeminiWriter(
            self.get_gemini_client(),
            settings.gemini_model,
            settings.system_instruction,
            settings.gemini_timeout,
        )

    def get_voice(self) -> Voice:
        if self._voice is None:
            self._voice = VOICES[self.settings.voice](self)
        return self._voice

    def get_xtts_wrapper(self) -> Voice:
        """The voice of the chain under the name its users know; its ``name`` says which part it is."""
        return self.get_voice()

    def get_face(self) -> Face:
        if self._face is None:
            self._face = FACES[self.settings.face](self)
        return self._face

    def get_avatars(self) -> Avatars:
        """Those of the chain's face."""
        if self._avatars is None:
            settings = self.settings
            self._avatars = Avatars(
                self.get_face(), settings.avatars_path, settings.max_avatars, settings.max_image_pixels
            )
        return self._avatars

    def models(self) -> tuple[str, ...]:
        """The chain's models, in the order to load them; those that only make voices are the last ones."""
        voice = self.get_voice()
        return (*voice.models, *self.get_face().models, *voice.cloning_models)

    def _all_models(self) -> tuple[str, ...]:
        """With those that only some controls of the face need."""
        return (*self.models(), *self.get_face().optional_models)

    async def ensure(self, models: Iterable[str]) -> None:
        """Load those of ``models`` that are not loaded; requests that need the same one load it once.

        Raises:
            ModelLoadException: one did not load.
            ServiceUnavailableException: Triton is not there.
        """
        for model in models:
            async with self._locks.setdefault(model, asyncio.Lock()):
                if not await self.triton.is_model_ready(model):
                    log.info("Loading model %s", model)
                    await self.triton.load(model, self.settings.triton_start_timeout)
                    log.info("Loaded model %s", model)

    async def states(self) -> dict[str, ModelState]:
        """The state of each model of the chain.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        known = await self.triton.models()
        missing = ("UNAVAILABLE", "not in the model repository")
        return {model: ModelState(*known.get(model, missing)) for model in self.models()}

    def unload_all(self) -> None:
        """Free the chain's models in Triton; the next request loads what it needs.

        Blocks until their memory is free; call it in a thread from async code.

        Raises:
            ServiceUnavailableException: Triton is not there.
            UpstreamTimeoutException: Triton did not free them in time.
        """
        client = InferenceServerClient(self.settings.triton_url)
        try:
            loaded = _held(client)
            for model in reversed([model for model in self._all_models() if model in loaded]):
                client.unload_model(model, client_timeout=PROBE_TIMEOUT)
            self._wait_unloaded(client)
            log.info("Unloaded models %s", ", ".join(self.models()))
        except InferenceServerException as error:
            raise translate("", error) from error
        finally:
            client.close()

    def _wait_unloaded(self, client: InferenceServerClient) -> None:
        deadline = time.monotonic() + UNLOAD_SECONDS
        while busy := _held(client) & set(self._all_models()):
            if time.monotonic() > deadline:
                raise UpstreamTimeoutException(
                    f"Triton did not unload {', '.join(busy)} within {UNLOAD_SECONDS:g} s."
                )
            time.sleep(UNLOAD_POLL_SECONDS)

    async def close(self) -> None:
        """Close the connections to Triton and Gemini; models stay as they are."""
        triton, gemini, http = self._triton, self._gemini, self._http
        self._forget()
        if triton is not None:
            await triton.close()
        if gemini is not None:
            gemini.close()
        if http is not None:
            await http.aclose()

    def _forget(self) -> None:
        self._triton = self._gemini = self._http = self._voice = self._face = self._avatars = None
        self._locks = {}


def _espeak(manager: ModelManager) -> Voice:
    return EspeakVoice(manager.triton)


def _xtts(manager: ModelManager) -> Voice:
    settings = manager.settings
    checkpoint = settings.model_repository / XTTS / XTTS_VERSION
    library = VoiceLibrary(settings.voices_path, checkpoint, settings.max_voices)
    return XttsVoice(
        manager.triton,
        manager.ensure,
        library,
        settings.max_reference_seconds,
        settings.first_audio_timeout,
    )


def _warp(manager: ModelManager) -> Face:
    return WarpFace(manager.triton)


def _sadtalker(manager: ModelManager) -> Face:
    settings = manager.settings
    return SadTalkerFace(
        manager.triton,
        manager.ensure,
        settings.model_repository / SADTALKER_RENDERER / SADTALKER_VERSION,
        settings.frames_timeout,
        settings.max_video_side,
        settings.max_driving_seconds,
    )


FACES: Final[dict[str, Callable[[ModelManager], Face]]] = {"warp": _warp, "sadtalker": _sadtalker}
VOICES: Final[dict[str, Callable[[ModelManager], Voice]]] = {"espeak": _espeak, "xtts": _xtts}


def _held(client: InferenceServerClient) -> set[str]:
    """Models that are loaded or not yet gone."""
    index = client.get_model_repository_index(client_timeout=PROBE_TIMEOUT)
    return {model.name for model in index.models if model.state in ("READY", "UNLOADING")}


model_manager: Final = ModelManager()
"""The process's own, which `orchestrator.main` serves; it reads the settings at first use."""
