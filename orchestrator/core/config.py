"""The settings under the name that the API's users know; they are defined in `lumen.settings`."""

from lumen.settings import PROJECT_ROOT, Settings, load_settings, profile_path

__all__ = ["PROJECT_ROOT", "Settings", "load_settings", "profile_path"]
