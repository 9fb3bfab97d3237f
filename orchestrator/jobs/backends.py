"""Makes the jobs of an app as its settings have them."""

from orchestrator.generation.tools import Tools
from orchestrator.jobs.embedded import EmbeddedJobs
from orchestrator.jobs.runner import Rules
from orchestrator.jobs.service import Backend, Jobs
from orchestrator.jobs.store import Bounds
from orchestrator.request_context import share_of

HOUR_SECONDS = 3600.0


def make_jobs(use: Tools) -> Jobs:
    """Jobs in Redis where ``JOBS_STORAGE`` names one, else embedded in the process."""
    settings = use.settings
    places = share_of(settings.max_concurrent_clips, settings.jobs_share)
    kept = settings.jobs_retention_hours * HOUR_SECONDS
    rules = Rules(places, settings.job_attempts, settings.job_patience, kept)
    queued = settings.max_queued_jobs
    bounds = Bounds(queued, share_of(queued, settings.client_share), settings.max_kept_jobs)
    backend: Backend
    if settings.jobs_storage:
        from orchestrator.jobs.in_redis import RedisJobs  # only who uses Redis loads its client

        backend = RedisJobs(settings.jobs_storage, bounds, places, settings.job_heartbeat)
    else:
        backend = EmbeddedJobs(settings.jobs_path, bounds, places)
    return Jobs(use, backend, rules)
