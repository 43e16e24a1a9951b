"""mistralai (Python)"""
import os
import time

import httpx
import pytest
from mistralai.client import Mistral, errors
from mistralai.client.utils import BackoffStrategy, RetryConfig
from pydantic import BaseModel

PARIS = [{"role": "user", "content": "Name the capital of France."}]
RAIN = [{"role": "user", "content": "What is the weather in Paris?"}]
STORY = [{"role": "user", "content": "Tell a very long story about a watermill."}]
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


class City(BaseModel):
    city: str
    country: str


def connect(key):
    return Mistral(api_key=key, server_url=os.environ["MILLRACE_URL"])


@pytest.fixture(scope="module")
def client():
    return connect(os.environ["OPENAI_API_KEY"])


def test_models(client, model, embed_model):
    listed = {m.id: m for m in client.models.list().data}
    assert set(listed) >= {model, embed_model} and listed[model].type == "base"
    assert listed[model].capabilities.completion_chat and not listed[embed_model].capabilities.completion_chat
    assert client.models.retrieve(model_id=model).id == model


def test_chat_and_stream(client, model):
    ask = dict(model=model, messages=PARIS, temperature=0, max_tokens=16)
    text = client.chat.complete(**ask).choices[0].message.content
    assert "Paris" in text
    events = [event.data for event in client.chat.stream(**ask)]
    assert "".join(e.choices[0].delta.content or "" for e in events if e.choices) == text


def test_a_seed_repeats_an_answer(client, model):
    first, again, other = (client.chat.complete(model=model, messages=STORY, temperature=1.5, random_seed=seed, max_tokens=12)
                           .choices[0].message.content for seed in (1, 1, 2))
    assert first == again != other


def test_any_tool_is_a_required_one(client, model):
    calls = client.chat.complete(model=model, messages=RAIN, tools=[WEATHER], tool_choice="any", temperature=0,
                                 max_tokens=64).choices[0].message.tool_calls
    assert calls[0].function.name == "get_weather" and "city" in calls[0].function.arguments


def test_structured_output(client, model):
    answer = client.chat.parse(model=model, messages=PARIS, response_format=City, temperature=0, max_tokens=64)
    assert answer.choices[0].message.parsed.city == "Paris"


def test_embeddings(client, embed_model):
    answer = client.embeddings.create(model=embed_model, inputs=["a mill", "a river"])
    assert answer.id and [len(item.embedding) for item in answer.data] == [576, 576]


@pytest.mark.parametrize("status,text,more", [
    (400, "unsupported_parameter", {"safe_prompt": True}),
    (400, "messages", {"messages": []}),
    (404, "model_not_found", {"model": "no-such"}),
])
def test_errors_keep_status_and_text(client, model, status, text, more):
    with pytest.raises(errors.SDKError, match=text) as caught:
        client.chat.complete(**{"model": model, "messages": PARIS, "max_tokens": 4, **more})
    assert caught.value.status_code == status


def test_keys_that_may_not(model, viewer_key, poor_key):
    for status, key, text in ((401, "mr_wrong", "invalid_api_key"), (403, viewer_key, "'use'"), (429, poor_key, "insufficient_quota")):
        with pytest.raises(errors.SDKError, match=text) as caught:
            connect(key).chat.complete(model=model, messages=PARIS, max_tokens=4)
        assert caught.value.status_code == status


def test_the_client_retries_after_a_rate_limit(model, millrace):
    seen = []
    hook = {"response": [lambda r: seen.append((r.status_code, r.headers.get("retry-after-ms"), time.monotonic()))]}
    limited = Mistral(api_key=millrace.key("--requests-per-minute", "20")["key"], server_url=os.environ["MILLRACE_URL"],
                      client=httpx.Client(event_hooks=hook))
    ask = dict(model=model, messages=PARIS, max_tokens=1)
    with pytest.raises(errors.SDKError, match="rate_limit_exceeded"):
        for _ in range(40):
            limited.chat.complete(**ask)
    seen.clear()
    retries = RetryConfig("backoff", BackoffStrategy(500, 4000, 1.5, 20000), True)
    assert limited.chat.complete(**ask, retries=retries).choices
    (refused, wait_ms, at), (answered, _, then) = seen
    assert (refused, answered) == (429, 200) and then - at >= float(wait_ms) / 1000 > 0


def test_leaving_a_stream_frees_the_engine(client, model, millrace, idle_after):
    opened = []

    def begin():
        opened.append(client.chat.stream(model=model, messages=STORY, max_tokens=800))
        next(iter(opened[0]))

    assert idle_after(begin, lambda: opened[0].response.close()) < 1.0
    assert millrace.record(opened[0].response.headers["x-request-id"])["status"] == "cancelled"
