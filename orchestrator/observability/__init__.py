"""Eyes on a running server: metrics for Prometheus, traces for OpenTelemetry. Begin with `metrics`.

Nothing here knows what is measured: rooms above report to it.
"""
