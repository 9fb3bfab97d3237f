"""Webhooks: events that are posted to the operator's endpoints, signed as the Standard Webhooks say.

Begin with `webhooks`, which keeps events until they are delivered; `sender` posts one, `addresses` says where
to.
"""
