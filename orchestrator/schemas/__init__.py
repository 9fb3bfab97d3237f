"""Schemas: bodies of requests and responses, by subject. Begin with `generation`.

Fields of a part's options are made from its description, see `options`.
"""
