"""Settings of the service around the chain: keys, webhooks, jobs, what is kept, what is watched."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode


class ServiceSettings(BaseSettings):
    """Part of `lumen.settings.Settings`, which reads it."""

    # Access
    require_keys: Literal["auto", "on", "off"] = Field(
        "auto",
        description="whether requests need a key; auto: as soon as one is made, and until then other "
        "machines may generate, but neither keep nor remove anything",
    )
    keys_path: Path = Field(Path("keys.json"), description="file of the keys, which `lumen keys` writes")
    usage_path: Path = Field(Path("usage.json"), description="file of what each key has used")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        [],
        description="names that a request's Host may have, comma-separated, *.example.com for all below one, "
        "* for any; without them, requests of this machine must name it",
    )
    link_seconds: float = Field(
        3600.0, gt=0, description="seconds for which the address of a file in an answer works without the key"
    )
    max_client_secrets: int = Field(
        1000, ge=1, description="tokens for browsers that are valid at once; one key has a tenth of them"
    )
    lumen_api_key: SecretStr | None = Field(
        None, description="key that `lumen say` and `quickstart` send to an API that asks for one"
    )

    # Webhooks
    webhook_urls: Annotated[list[str], NoDecode] = Field(
        [], description="https:// addresses that events are posted to, comma-separated"
    )
    webhook_secrets: Annotated[list[SecretStr], NoDecode] = Field(
        [],
        description="secrets that sign them, comma-separated: the old one and the new one while it changes; "
        "`lumen webhook secret` makes one",
    )
    webhook_allow_hosts: Annotated[list[str], NoDecode] = Field(
        [],
        description="hosts of webhooks that may be in private networks, on any port and over plain HTTP, "
        "comma-separated",
    )
    webhook_timeout: float = Field(15.0, gt=0, description="seconds that an endpoint may take to answer")
    webhook_retry_seconds: Annotated[list[float], NoDecode] = Field(
        [5, 300, 1800, 7200, 18000, 36000, 36000],
        description="pauses between the tries of a delivery, comma-separated",
    )
    max_webhook_deliveries: int = Field(
        1000, ge=1, description="deliveries that are kept: pending ones, and the latest that ended"
    )

    # Jobs
    jobs_storage: str | None = Field(
        None,
        pattern=r"^rediss?://\S+$",
        description="redis://host:port/db for jobs that several processes share; else they are in JOBS_PATH",
    )
    max_queued_jobs: int = Field(
        100, ge=1, description="jobs that wait at once; one client or key may have its CLIENT_SHARE of them"
    )
    jobs_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="part of MAX_CONCURRENT_CLIPS that jobs may take",
    )
    job_attempts: int = Field(
        3,
        ge=1,
        description="times that a job is begun whose process dies, or of which a stage fails, each time",
    )
    job_patience: float = Field(
        300.0, ge=0, description="seconds for which a job is tried again while Triton or Gemini is not there"
    )
    job_heartbeat: float = Field(
        15.0,
        ge=1,
        description="with Redis: seconds without a sign of life until another process does a job",
    )
    jobs_retention_hours: float = Field(
        168.0, gt=0, description="hours after which a job that has ended is forgotten"
    )
    max_kept_jobs: int = Field(
        10_000, ge=1, description="ended jobs that are remembered; the oldest give way"
    )

    idempotency_hours: float = Field(
        24.0, gt=0, description="hours for which an answer is kept for its Idempotency-Key"
    )
    max_idempotency_keys: int = Field(
        10_000, ge=1, description="answers that are kept so; the oldest give way"
    )

    # What is kept, and how it is marked
    retention_days: float = Field(
        7.0, ge=0, allow_inf_nan=False, description="days that what is made is kept; 0: for ever"
    )
    retention_bytes: int = Field(
        10_000_000_000,
        ge=0,
        description="bytes of all that is made; over it the oldest goes; 0: as much as the disk holds",
    )
    objects_url: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[^\s?#]*)?$",
        description="s3://bucket/prefix for outputs, voices and avatars that several APIs share; else they "
        "are in OUTPUTS_PATH, VOICES_PATH and AVATARS_PATH alone",
    )
    objects_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+/?$",
        description="address of the S3 server; none: Amazon's",
    )
    objects_public_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+/?$",
        description="address of it that clients reach, in addresses of files; none: OBJECTS_ENDPOINT",
    )
    objects_region: str = Field("us-east-1", description="region of the bucket")
    objects_access_key: SecretStr | None = Field(
        None, description="key for the bucket; without it AWS_ACCESS_KEY_ID, or the machine's role"
    )
    objects_secret_key: SecretStr | None = Field(None, description="secret of OBJECTS_ACCESS_KEY")
    objects_timeout: float = Field(
        30.0, gt=0, description="seconds that the S3 server may take for one request"
    )
    objects_cache_bytes: int = Field(
        128 * 2**20,
        ge=0,
        description="bytes of memory for avatars that were read from the bucket, and as many for voices",
    )
    audio_format: Literal["m4a", "opus", "mp3", "flac", "wav"] = Field(
        "flac",
        description="format in which speech is kept where a request names none; its .wav address is served "
        "from it, and a clip's from the video",
    )
    sign_cert: Path | None = Field(
        None, description="PEM chain of certificates; with SIGN_KEY, what is made is signed (C2PA)"
    )
    sign_key: Path | None = Field(None, description="PEM key of the first certificate of SIGN_CERT")
    visible_label: str | None = Field(
        None, max_length=40, description="text drawn into every video, such as AI-generated"
    )
    require_consent: bool = Field(
        False, description="refuse recordings and pictures of people that come without a consent statement"
    )
    moderation: str | None = Field(
        None,
        pattern=r"^(https?://[^\s]+|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        description="who checks texts, pictures, names: a URL, or module:function of Python",
    )
    moderation_timeout: float = Field(5.0, gt=0, description="seconds that one such check may take")
    moderation_failure: Literal["refuse", "allow"] = Field(
        "refuse", description="what happens to a request whose check fails or takes too long"
    )

    # Watching
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="port of Prometheus' /metrics; none: not served"
    )
    metrics_host: str = Field("127.0.0.1", description="address that /metrics is served on")
    traces_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="address of a collector of traces (OTLP/HTTP), such as http://127.0.0.1:4318; "
        "none: no traces",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="json: lines of JSON on the standard output and in lumen.log"
    )
