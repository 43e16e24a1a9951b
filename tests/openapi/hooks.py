"""Hooks of Schemathesis: a generated body names what exists where it must, and is given a new name where it makes
something, so that requests go all the way and links are followed."""
import itertools
import os

import schemathesis

numbers = itertools.count()
EXISTING = {"createProject": {"tenant": "default"}, "createKey": {"project": "default"}}
UPSTREAM = {"upstream_url": os.environ["MILLRACE_TEST_UPSTREAM"]}


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    operation = context.operation
    if operation.path.startswith("/v1/") and isinstance(body.get("model"), str):
        return {**body, "model": os.environ["MILLRACE_TEST_MODEL"]}
    name = operation.definition.raw["operationId"]
    if name.startswith("create") and isinstance(body.get("name"), str) and next(numbers) % 4:
        body = {**body, "name": f"n{next(numbers)}"}
    # A model of a made-up name is not there: most endpoints are upstreams.
    if name == "createEndpoint" and (isinstance(body.get("upstream_url"), str) or next(numbers) % 4):
        body = {**{k: v for k, v in body.items() if k in ("name", "upstream_embeds")}, **UPSTREAM}
    return {**body, **{k: v for k, v in EXISTING.get(name, {}).items() if k in body}}


@schemathesis.hook
def map_headers(context, headers):
    """An Idempotency-Key that comes again with another body is refused: most requests get one of their own."""
    if headers and "Idempotency-Key" in headers and next(numbers) % 4:
        return {**headers, "Idempotency-Key": f"k{next(numbers)}"}
    return headers


@schemathesis.hook
def before_call(context, case, kwargs):
    """The keys that the run itself uses are not to be revoked: every answer after that would be 401."""
    ids = case.path_parameters or {}
    if case.method == "DELETE" and ids.get("id") in os.environ["MILLRACE_TEST_KEYS"].split():
        case.path_parameters = {**ids, "id": "none"}
