"""Settings: the only place that reads the environment.

Sources, first wins: arguments, environment variables, ``.env``, the profile
(``configs/<PROFILE>.yaml``), the defaults below. A key of ``.env`` or of a profile that is not
listed here is an error.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from lumen import registry
from lumen.addresses import check_address
from lumen.errors import InvalidInputException
from lumen.families.description import ListenerFamily
from lumen.service_settings import ServiceSettings

PROJECT_ROOT: Final = Path(__file__).resolve().parents[1]
ENV_FILE: Final = PROJECT_ROOT / ".env"

AUTO: Final = "auto"
GEMINI: Final = "gemini"
OFF: Final = "off"

VoiceName = Annotated[str, AfterValidator(lambda name: registry.voice(name).name)]
TritonAddress = Annotated[str, AfterValidator(check_address)]
ListenerName = Annotated[str, AfterValidator(lambda name: _listener_name(name))]
FaceName = Annotated[str, AfterValidator(lambda name: registry.face(name).name)]


class Settings(ServiceSettings):
    """Everything an operator can set. Paths that are not absolute begin with ~ or at the project's root."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    profile: str = Field("starter", description="name of a file in configs/, or a path to one")

    # Writer
    gemini_api_key: SecretStr | None = Field(
        None, description="key for Gemini; without one the echo writer speaks"
    )
    gemini_model: str = Field("gemini-2.5-flash", description="Gemini model that writes the replies")
    gemini_base_url: str | None = Field(None, description="another address that speaks Gemini's protocol")
    gemini_timeout: float = Field(30.0, gt=0, description="seconds for a whole reply")
    gemini_thinking: Literal["off", "low", "medium", "high", "model"] = Field(
        "off",
        description="thinking before the reply; off: the least that the model allows, model: its own default",
    )
    system_instruction: str = Field(
        "You are a friendly assistant on a video call. Answer in at most three short spoken sentences, "
        "without markup, lists or emoji.",
        description="what Gemini is told before the conversation",
    )
    writer: Literal["auto", "gemini", "echo"] = Field(
        "auto", description="auto: gemini with a key, echo without; the response names which"
    )

    # Chain
    voice: VoiceName = Field(
        "auto",
        description="the part that speaks; auto: hibari for English, espeak for the rest, and the response "
        "names which",
    )
    face: FaceName = Field("warp", description="the part that animates; likewise")
    listener: ListenerName = Field(
        "auto",
        description="the part that hears in live conversations; auto: whisper or moonshine where one is "
        "there, else gemini with a key; silero: tells only when somebody speaks; off",
    )
    portrait: str = Field("ada", description="bundled portrait when a request names none")
    default_voice: str = Field("default", description="id or name of the voice when a request names none")

    # API
    api_host: str = Field("0.0.0.0", description="address the API listens on")
    api_port: int = Field(8000, ge=0, le=65535, description="port the API listens on")
    cors_origins: Annotated[list[str], NoDecode] = Field(
        ["http://localhost:3000", "http://127.0.0.1:3000"],
        description="front ends, comma-separated; * for any",
    )
    drain_seconds: float = Field(
        0.0,
        ge=0,
        description="seconds after SIGTERM in which /readyz is false already and everything still answered",
    )
    api_grace_seconds: float = Field(
        5.0, gt=0, description="seconds that requests may take to end when the API stops"
    )
    rate_limit: str = Field(
        "100/minute", description="requests per key or client address, in the notation of `limits`"
    )
    rate_limit_storage: str = Field("memory://", description="memory:// or redis://host:port/db")
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        [], description="addresses or networks whose X-Forwarded-For is believed, comma-separated"
    )
    client_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="part of the connections, places, conversations and body bytes that one client may have",
    )
    max_connections: int = Field(512, ge=1, description="connections open at once")
    head_timeout: float = Field(10.0, gt=0, description="seconds until the head of a request must be there")
    unread_timeout: float = Field(
        120.0, gt=0, description="seconds after which a client that reads nothing of its answer is cut off"
    )
    max_text_length: int = Field(500, ge=1, description="characters of a prompt or of a text to speak")
    max_speech_length: int = Field(
        4096, ge=1, description="characters of a text to speak that comes to /v1/audio/speech"
    )
    max_speech_seconds: float = Field(
        1800.0, gt=0, description="seconds of speech that is streamed without a video"
    )
    max_body_bytes: int = Field(25 * 2**20, ge=1024, description="bytes of a request body, uploads included")
    max_json_bytes: int = Field(2**20, ge=1024, description="bytes of a JSON body")
    max_bodies_bytes: int = Field(
        256 * 2**20, ge=1024, description="bytes of the bodies of all requests that are served at once"
    )
    max_image_pixels: int = Field(64_000_000, ge=1, description="pixels of an uploaded portrait")
    max_decodes: int = Field(2, ge=1, description="uploads decoded at once")
    max_waiting_decodes: int = Field(
        32, ge=0, description="uploads that wait for their decoding; more are answered 503"
    )
    max_decode_bytes: int = Field(
        2**30, ge=2**26, description="bytes of memory that the decoding of one upload may take"
    )
    max_decode_seconds: int = Field(
        60, ge=1, description="seconds of CPU time that the decoding of one upload may take"
    )
    max_audio_seconds: float = Field(120.0, gt=0, description="seconds of audio that one video may have")
    max_concurrent_clips: int = Field(8, ge=1, description="clips made at once; more are answered 503")
    max_shared_windows: int = Field(
        0,
        ge=0,
        description="windows of frames drawn at once, shared by clients; 0: one per two cores",
    )
    max_concurrent_speech: int = Field(
        16, ge=1, description="speech without a clip made at once; more is answered 503"
    )
    max_live_sessions: int = Field(16, ge=0, description="live conversations at once; more are refused")
    max_session_seconds: float = Field(7200.0, gt=0, description="seconds of one live conversation")
    session_idle_seconds: float = Field(
        900.0,
        gt=0,
        description="seconds after which a conversation ends in which the client says and does nothing",
    )
    max_reference_seconds: float = Field(
        60.0, ge=3, description="seconds of the recordings that one voice is made of, all together"
    )
    max_voices: int = Field(1000, ge=0, description="made voices of each key, and of all without one")
    max_driving_seconds: float = Field(
        30.0, gt=0, description="seconds of a driving video, whose face lends its motion"
    )
    max_avatars: int = Field(1000, ge=0, description="made avatars of each key, and of all without one")
    frames_timeout: float = Field(120.0, gt=0, description="seconds until the next frames of SadTalker")
    first_audio_timeout: float = Field(
        180.0, gt=0, description="seconds until XTTS's first sound, waiting for a slot included"
    )

    # Media
    audio_sample_rate: int = Field(
        22_050, ge=8_000, le=48_000, description="samples per second of audio files"
    )
    video_fps: int = Field(25, ge=1, le=60, description="frames per second of video files")
    video_size: Literal[256, 512] = Field(256, description="side of the animated square in pixels")
    max_video_side: int = Field(
        1920, ge=256, le=4096, description="pixels of the longer side of videos that show the whole picture"
    )

    # Paths
    models_path: Path = Field(Path("models"), description="checkpoints")
    github_endpoint: str = Field(
        "https://github.com",
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="address of GitHub, or of a mirror with its paths, that checkpoints are fetched from",
    )
    assets_path: Path = Field(Path("assets"), description="bundled portraits")
    outputs_path: Path = Field(Path("outputs"), description="generated audio/ and video/")
    voices_path: Path = Field(Path("voices"), description="made voices, where no bucket has them")
    avatars_path: Path = Field(Path("avatars"), description="made avatars, where no bucket has them")
    webhooks_path: Path = Field(Path("webhooks"), description="deliveries of webhooks")
    jobs_path: Path = Field(Path("jobs"), description="jobs and their uploads")
    logs_path: Path = Field(Path("logs"), description="lumen.log and triton.log")
    model_repository: Path = Field(Path("model_repository"), description="Triton's models")
    backends_path: Path = Field(Path("backends"), description="python-based Triton backends")

    # Triton
    triton_url: TritonAddress = Field(
        "127.0.0.1:8001",
        description="host:port of Triton's gRPC; dns:///host:port or ip:port,ip:port are several that share "
        "the work",
    )
    triton_voice_url: TritonAddress | None = Field(
        None, description="Triton of the models that speak, where it is another one"
    )
    triton_face_url: TritonAddress | None = Field(
        None, description="Triton of the models that animate, likewise"
    )
    triton_pool: Literal["both", "voice", "face"] = Field(
        "both",
        description="models that `lumen triton` loads: those that speak and hear, those that animate, "
        "or both",
    )
    triton_model_control: Literal["auto", "on", "off"] = Field(
        "auto",
        description="whether the API loads and unloads models; off: each Triton keeps those it started with, "
        "auto: off where several share the work",
    )
    triton_retries: int = Field(
        2, ge=0, description="times that work is asked for again of another Triton when one goes away"
    )
    triton_host: str = Field("127.0.0.1", description="address that a Triton started here listens on")
    triton_http_port: int = Field(8002, ge=0, le=65535, description="Triton's HTTP port")
    triton_metrics_port: int = Field(8003, ge=0, le=65535, description="Triton's metrics port")
    triton_timeout: float = Field(60.0, gt=0, description="seconds a Triton answer may take")
    triton_start_timeout: float = Field(
        120.0, gt=0, description="seconds until a starting Triton must be ready"
    )
    triton_ready_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port of `lumen triton` for /readyz, which is false while it drains or mends a model; "
        "none: not served",
    )
    triton_grace_seconds: float = Field(
        10.0, gt=0, description="seconds that a stopping Triton may take to end its requests"
    )
    gpu_enabled: bool = Field(True, description="use a GPU where there is one")
    cuda_device: int = Field(0, ge=0, description="index of that GPU")

    @property
    def listener_family(self) -> ListenerFamily | None:
        """The listener whose models are served; None where nothing is heard."""
        if self.listener == OFF:
            return None
        if self.listener == GEMINI:  # recognises elsewhere, and needs to know when somebody speaks
            return registry.listener("silero")
        if self.listener == AUTO:
            return next((each for each in registry.listeners().values() if self._serves(each)), None)
        return registry.listener(self.listener)

    def _serves(self, family: ListenerFamily) -> bool:
        configs = (self.model_repository / model / "config.pbtxt" for model in family.models)
        there = all(config.is_file() for config in configs)
        return there and not family.missing() and not family.unfetched(self.model_repository)

    @field_validator("video_size", mode="before")
    @classmethod
    def _read_size(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("require_keys", mode="before")
    @classmethod
    def _read_switch(cls, value: object) -> object:
        """``on`` and ``off`` of a profile, which YAML takes for truth values."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @field_validator(
        "cors_origins",
        "trusted_proxies",
        "allowed_hosts",
        "webhook_urls",
        "webhook_secrets",
        "webhook_allow_hosts",
        "webhook_retry_seconds",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return [v.strip() for v in value.split(",") if v.strip()] if isinstance(value, str) else value

    @field_validator(
        "models_path",
        "assets_path",
        "outputs_path",
        "voices_path",
        "avatars_path",
        "keys_path",
        "usage_path",
        "webhooks_path",
        "jobs_path",
        "logs_path",
        "model_repository",
        "backends_path",
        "sign_cert",
        "sign_key",
    )
    @classmethod
    def _anchor(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        path = value.expanduser()
        return path if path.is_absolute() else PROJECT_ROOT / path

    @model_validator(mode="after")
    def _check_pair(self) -> "Settings":
        if (self.sign_cert is None) != (self.sign_key is None):
            raise ValueError("SIGN_CERT and SIGN_KEY belong together; set both or none")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named: dict[str, object] = {**dotenv_settings(), **env_settings(), **init_settings()}
        path = profile_path(str(named.get("profile", "starter")))
        return init_settings, env_settings, dotenv_settings, YamlConfigSettingsSource(settings_cls, path)


def _listener_name(name: str) -> str:
    others = (AUTO, GEMINI, OFF)
    try:
        return name if name in others else registry.listener(name).name
    except ValueError as error:
        raise ValueError(f"{error}, {', '.join(others)}") from None


def load_settings(profile: str | None = None) -> Settings:
    """The settings of this process, with another profile where one is named.

    Raises:
        InvalidInputException: a value or a key is not what is listed above, or a file is not text in UTF-8;
            the message says where it was read.
        FileNotFoundError: there is no such profile.
    """
    _check_text(ENV_FILE)
    try:
        return Settings() if profile is None else Settings(profile=profile)
    except ValidationError as error:
        complaints = (_complaint(".".join(map(str, e["loc"])), e["type"], e["msg"]) for e in error.errors())
        raise InvalidInputException("; ".join(complaints)) from error


def _check_text(file: Path) -> None:
    """Refuse a file that an editor has saved as UTF-16 or in an 8-bit encoding.

    Raises:
        InvalidInputException: it is not UTF-8.
    """
    try:
        data = file.read_bytes() if file.is_file() else b""
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputException(f"{file} is not UTF-8 (line {line}); save it as UTF-8") from error
    if b"\0" in data:
        raise InvalidInputException(f"{file} is not UTF-8 (it has zero bytes); save it as UTF-8")


def _complaint(key: str, kind: str, message: str) -> str:
    """Complain about a key in a line, with the place that it was read from."""
    text = "there is no such setting" if kind == "extra_forbidden" else message
    return f"{key.upper()}: {text} (in {_place_of(key)})"


def _place_of(key: str) -> str:
    if key.lower() in map(str.lower, os.environ):
        return "the environment"
    if ENV_FILE.is_file() and re.search(rf"(?im)^\W*(export )?\s*{key}\s*=", ENV_FILE.read_text()):
        return str(ENV_FILE)
    return "the profile or the command line"


def profile_path(profile: str) -> Path:
    """The file behind a profile's name; a value with a suffix is taken as a path.

    Raises:
        FileNotFoundError: there is no such profile; the message lists those there are.
    """
    named = Path(profile).expanduser()
    path = named if named.suffix else PROJECT_ROOT / "configs" / f"{profile}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (PROJECT_ROOT / "configs").glob("*.yaml")))
        raise FileNotFoundError(f"profile {profile!r} is not there ({path}); known profiles: {known}")
    return path
