"""The parts of the chain and the life of their models in Triton."""

import asyncio
import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import httpx

from lumen import registry
from lumen.addresses import has_replicas
from lumen.errors import ServiceUnavailableException, UpstreamTimeoutException
from lumen.families.xtts.family import CLONE
from lumen.settings import Settings, load_settings
from orchestrator.faces import make_face
from orchestrator.faces.avatars import Avatars
from orchestrator.faces.face import Face
from orchestrator.faces.portraits import ImageDecoder
from orchestrator.listeners import make_listener
from orchestrator.listeners.listener import Listener
from orchestrator.media.decode_gate import DecodeGate, make_gate
from orchestrator.store.bucket_store import files_of
from orchestrator.triton.attempts import TritonEvents
from orchestrator.triton.client import Reload, TritonClient
from orchestrator.voices import make_voice
from orchestrator.voices.voice import Voice
from orchestrator.writers.writer import KEY_SOURCE, NO_KEY, SET_TO_ECHO, EchoWriter, Writer

if TYPE_CHECKING:
    from google import genai

log = logging.getLogger("lumen")

UNLOAD_SECONDS: Final = 30.0
"""Time that Triton may take to end the requests of models that it unloads."""
UNLOAD_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class ModelState:
    """State of a model in Triton: READY, LOADING, UNLOADED or UNAVAILABLE, and why."""

    state: str
    reason: str = ""


class ModelManager:
    """Makes the parts that the settings name, and loads and unloads their models.

    Nothing is read, opened or loaded before it is asked for. The parts belong to one event loop;
    `close` lets them go, and the next use makes new ones.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._clients: dict[str, TritonClient] = {}
        self._events: TritonEvents | None = None
        self._gemini: genai.Client | None = None
        self._http: httpx.AsyncClient | None = None
        self._voice: Voice | None = None
        self._face: Face | None = None
        self._listener: Listener | None = None
        self._avatars: Avatars | None = None
        self._decode_gate: DecodeGate | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._reload: Reload | None = None

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
        """Triton of whatever has none of its own."""
        return self._client_of(self.settings.triton_url)

    @property
    def voice_triton(self) -> TritonClient:
        """Triton of the models that speak."""
        return self._client_of(self.settings.triton_voice_url or self.settings.triton_url)

    @property
    def face_triton(self) -> TritonClient:
        """Triton of the models that animate."""
        return self._client_of(self.settings.triton_face_url or self.settings.triton_url)

    @property
    def loads_models(self) -> bool:
        """Whether models are loaded and unloaded from here: with several Tritons it would reach any one."""
        control, settings = self.settings.triton_model_control, self.settings
        urls = (settings.triton_url, settings.triton_voice_url, settings.triton_face_url)
        return control == "on" or (control == "auto" and not any(has_replicas(url) for url in urls if url))

    def _client_of(self, url: str) -> TritonClient:
        if url not in self._clients:
            self._clients[url] = self._make_client(url)
        return self._clients[url]

    def _make_client(self, url: str) -> TritonClient:
        return TritonClient(
            url,
            self.settings.triton_timeout,
            self._reload,
            retries=self.settings.triton_retries,
            loads_models=self.loads_models,
            events=self._events,
        )

    @property
    def decode_gate(self) -> DecodeGate:
        """Gate to the processes that decode uploads."""
        if self._decode_gate is None:
            self._decode_gate = make_gate(self.settings)
        return self._decode_gate

    def mend_with(self, reload: Reload | None) -> None:
        """Let dead models be loaded anew by who watches Triton's processes."""
        self._reload = reload
        for client in self._clients.values():
            client.mend_with(reload)

    def report_to(self, events: TritonEvents | None) -> None:
        """Tell of failed requests to Triton and of those that are asked again; before the first of them."""
        self._events = events

    def died(self, model: str) -> None:
        """Hear that a model's process has ended: what waits for its answers fails; any thread."""
        for client in self._clients.copy().values():
            client.died(model)

    def reloaded(self, model: str) -> None:
        """Hear that a model that had died is loaded again; any thread."""
        for client in self._clients.copy().values():
            client.reloaded(model)

    def restarted(self) -> None:
        """Hear that Triton is another one, and its models with it; any thread."""
        for client in self._clients.copy().values():
            client.reloaded()

    def get_gemini_client(self) -> "genai.Client":
        """Google's client for the key of the settings.

        Raises:
            ServiceUnavailableException: there is no key.
        """
        key = self.settings.gemini_api_key
        if key is None:
            raise ServiceUnavailableException(
                f"There is no key for Gemini; get one at {KEY_SOURCE} and set GEMINI_API_KEY in .env, "
                "or WRITER=echo to do without."
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
        if settings.writer == "echo":
            return EchoWriter(SET_TO_ECHO)
        if settings.writer == "auto" and settings.gemini_api_key is None:
            return EchoWriter(NO_KEY)
        from orchestrator.writers.gemini import GeminiSettings, GeminiWriter  # as above

        how = GeminiSettings(
            settings.gemini_model,
            settings.system_instruction,
            settings.gemini_timeout,
            settings.gemini_thinking,
        )
        return GeminiWriter(self.get_gemini_client(), how)

    def get_voice(self) -> Voice:
        if self._voice is None:
            family = registry.voice(self.settings.voice)
            self._voice = make_voice(family, self.voice_triton, self.ensure, self.settings, self.decode_gate)
        return self._voice

    def get_xtts_wrapper(self) -> Voice:
        """The voice of the chain under the name its users know; its ``name`` says which part it is."""
        return self.get_voice()

    def get_face(self) -> Face:
        if self._face is None:
            family = registry.face(self.settings.face)
            self._face = make_face(family, self.face_triton, self.ensure, self.settings, self.decode_gate)
        return self._face

    def get_listener(self) -> Listener | None:
        """The part that hears; None where nothing is heard.

        Raises:
            ServiceUnavailableException: it is Gemini, and there is no key.
        """
        if self._listener is None:
            self._listener = make_listener(
                self.voice_triton, self.ensure, self.settings, self.get_gemini_client
            )
        return self._listener

    def get_avatars(self) -> Avatars:
        """Avatars of the chain's face."""
        if self._avatars is None:
            settings = self.settings
            self._avatars = Avatars(
                self.get_face(),
                self.face_triton,
                files_of(settings, settings.avatars_path, "avatars"),
                settings.max_avatars,
                ImageDecoder(self.decode_gate, settings.max_image_pixels),
            )
        return self._avatars

    def models(self) -> tuple[str, ...]:
        """The chain's models, in the order to load them; those that only make voices are the last ones."""
        voice, listener = self.get_voice(), self.settings.listener_family
        hearing = () if listener is None else listener.models
        cloning = voice.family.optional_models.get(CLONE, ())
        return (*voice.models, *self.get_face().models, *hearing, *cloning)

    def _all_models(self) -> tuple[str, ...]:
        """With those that only some options need."""
        families = self.get_voice().family, self.get_face().family
        optional = [models for family in families for models in family.optional_models.values()]
        return tuple(dict.fromkeys(chain(self.models(), *optional)))

    async def ensure(self, models: Iterable[str]) -> None:
        """Load those of ``models`` that are not loaded; requests that need the same one load it once.

        Nothing is asked where Triton keeps the models that it started with.

        Raises:
            ModelLoadException: one did not load.
            ServiceUnavailableException: Triton is not there.
        """
        for model in models if self.loads_models else ():
            client = self._triton_of(model)
            async with self._locks.setdefault(model, asyncio.Lock()):
                if not await client.is_model_ready(model):
                    log.info("Loading model %s", model)
                    await client.load(model, self.settings.triton_start_timeout)
                    log.info("Loaded model %s", model)

    async def states(self) -> dict[str, ModelState]:
        """The state of each model of the chain.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        known = {client: await client.models() for client in (self.voice_triton, self.face_triton)}
        missing = ("UNAVAILABLE", "not in the model repository")
        return {
            model: ModelState(*known[self._triton_of(model)].get(model, missing)) for model in self.models()
        }

    async def statistics(self) -> dict[str, Any]:
        """Triton's ``ModelStatistics`` of each model that is loaded.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        found = {client: await client.statistics() for client in {self.voice_triton, self.face_triton}}
        return {
            model.name: model
            for client, models in found.items()
            for model in models
            if client is self._triton_of(model.name)
        }

    async def is_live(self) -> bool:
        """Whether every Triton of the chain answers."""
        return all([await client.is_live() for client in {self.voice_triton, self.face_triton}])

    def _triton_of(self, model: str) -> TritonClient:
        family = self.get_face().family
        faces = chain(family.models, *family.optional_models.values())
        return self.face_triton if model in faces else self.voice_triton

    def unload_all(self) -> None:
        """`unload` for code that is not async; blocks until the models' memory is free."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, self._unload_with_own_client()).result()

    async def unload(self) -> None:
        """Free the chain's models in Triton; the next request loads what it needs.

        Raises:
            ServiceUnavailableException: Triton is not there.
            UpstreamTimeoutException: Triton did not free them in time.
        """
        if not self.loads_models:
            log.info("Triton keeps the models that it started with")
            return
        for client in {self.voice_triton, self.face_triton}:
            models = [model for model in self._all_models() if self._triton_of(model) is client]
            held = await client.held_models()
            for model in reversed([model for model in models if model in held]):
                await client.unload(model)
            await _wait_unloaded(client, set(models))
        log.info("Unloaded models %s", ", ".join(self.models()))

    async def _unload_with_own_client(self) -> None:
        own = ModelManager(self.settings)
        try:
            await own.unload()
        finally:
            await own.close()

    async def close(self) -> None:
        """Close the connections to Triton and Gemini; models stay as they are."""
        clients, gemini, http = self._clients, self._gemini, self._http
        self._forget()
        for client in clients.values():
            await client.close()
        if gemini is not None:
            gemini.close()
        if http is not None:
            await http.aclose()

    def _forget(self) -> None:
        self._clients = {}
        self._gemini = self._http = self._voice = self._face = self._avatars = None
        self._decode_gate = self._listener = None
        self._locks = {}


async def _wait_unloaded(client: TritonClient, models: set[str]) -> None:
    deadline = time.monotonic() + UNLOAD_SECONDS
    while busy := await client.held_models() & models:
        if time.monotonic() > deadline:
            raise UpstreamTimeoutException(
                f"Triton did not unload {', '.join(busy)} within {UNLOAD_SECONDS:g} s."
            )
        await asyncio.sleep(UNLOAD_POLL_SECONDS)


model_manager: Final = ModelManager()
"""The process's own, which `orchestrator.main` serves; it reads the settings at first use."""
