"""Access: keys, scopes, quotas and usage, tokens for browsers, links to files, hosts and pages.

Begin to read at `middleware.py`; docs/access.md tells all of it.
"""
