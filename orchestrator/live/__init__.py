"""The live conversation over a WebSocket (docs/live.md). Begin reading at `orchestrator.live.session`.

Events are parsed in `client_events` and made in `server_events`; `response` makes one answer, which `pacing`
holds back and `transport` sends.
"""
