"""openai (Python)"""
import json
import threading
import time

import httpx
import openai
import pytest
from harness import wait_for
from pydantic import BaseModel

PARIS = [{"role": "user", "content": "Name the capital of France."}]
RAIN = [{"role": "user", "content": "What is the weather in Paris?"}]
STORY = [{"role": "user", "content": "Tell a very long story about a watermill."}]
LONG = "The miller opened the gate and the water ran onto the wheel. " * 100  # about 1,500 tokens
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": CITY}}
WEATHER_FLAT = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": True}


class City(BaseModel):
    city: str
    country: str


@pytest.fixture(scope="module")
def client():
    return openai.OpenAI()


@pytest.fixture(scope="module")
def chat(client, model):
    """client.chat.completions.create with what most tests want."""
    def create(messages=PARIS, **more):
        return client.chat.completions.create(**{"model": model, "messages": messages, "temperature": 0, "max_tokens": 16, **more})

    return create


def test_models(client, model, embed_model):
    assert {m.id for m in client.models.list()} >= {model, embed_model}
    assert client.models.retrieve(model).id == model
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such")


def test_chat(chat):
    answer = chat()
    assert "Paris" in answer.choices[0].message.content and answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop" and answer.object == "chat.completion"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_says_what_the_whole_answer_says(chat):
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == chat().choices[0].message.content
    assert len({c.id for c in chunks}) == 1 and all(c.usage is None for c in chunks[:-1])
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    assert all(c.usage is None for c in chat(stream=True))


def test_stop_and_length(chat):
    stopped = chat(stop=["Paris"]).choices[0]
    assert "Paris" not in stopped.message.content and stopped.finish_reason == "stop"
    cut = chat(max_tokens=openai.omit, max_completion_tokens=2)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 2


def test_a_seed_repeats_an_answer_and_another_does_not(chat):
    first, again, other = (chat(STORY, temperature=1.5, seed=seed).choices[0].message.content for seed in (1, 1, 2))
    assert first == again != other


def test_several_choices(chat):
    assert [c.index for c in chat(n=2, temperature=1).choices] == [0, 1]


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs(chat, stream):
    answer = chat(max_tokens=4, logprobs=True, top_logprobs=3, stream=stream)
    choices = [c for chunk in answer for c in chunk.choices] if stream else answer.choices
    content = [token for c in choices if c.logprobs for token in c.logprobs.content or []]
    assert len(content) == 4 and all(len(token.top_logprobs) == 3 and token.logprob <= 0 for token in content)
    text = "".join((c.delta if stream else c.message).content or "" for c in choices)
    assert b"".join(bytes(token.bytes) for token in content).decode() == text


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_must_be_called_is(chat, choice, stream):
    answer = chat(RAIN, tools=[WEATHER], max_tokens=64, tool_choice=choice, stream=stream)
    chunks = list(answer) if stream else [answer]
    choices = [c for chunk in chunks for c in chunk.choices]
    calls = [call for c in choices for call in ((c.delta if stream else c.message).tool_calls or [])]
    assert "".join(call.function.name or "" for call in calls) == "get_weather" and calls[0].id
    assert isinstance(json.loads("".join(call.function.arguments or "" for call in calls))["city"], str)
    # OpenAI's API says "stop" after a named function
    assert choices[-1].finish_reason in ("tool_calls", "stop")


def test_automatic_tools_answer_in_text_or_a_call_and_none_in_text(chat):
    message = chat(tools=[WEATHER], tool_choice="auto").choices[0].message
    assert message.content or message.tool_calls
    message = chat(tools=[WEATHER], tool_choice="none").choices[0].message
    assert message.content and not message.tool_calls


def test_a_tools_result_is_read(chat):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    answer = chat([*RAIN, {"role": "assistant", "content": None, "tool_calls": [call]},
                   {"role": "tool", "tool_call_id": "call_1", "content": "rain, 12 degrees"}], tools=[WEATHER])
    assert answer.choices[0].message.content or answer.choices[0].message.tool_calls


def test_structured_output(client, chat, model):
    assert client.chat.completions.parse(model=model, messages=PARIS, response_format=City, temperature=0,
                                         max_tokens=64).choices[0].message.parsed.city == "Paris"
    assert isinstance(json.loads(chat(max_tokens=64, response_format={"type": "json_object"}).choices[0].message.content), dict)
    schema = {"type": "object", "properties": {"people": {"type": "integer"}}, "required": ["people"], "additionalProperties": False}
    stream = chat(max_tokens=64, stream=True, response_format={
        "type": "json_schema", "json_schema": {"name": "size", "schema": schema, "strict": True}})
    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert isinstance(json.loads(text)["people"], int)


def test_completions(client, model):
    def complete(**more):
        return client.completions.create(model=model, prompt="The capital of France is", temperature=0, max_tokens=4, **more)

    answer = complete(logprobs=2)
    assert answer.choices[0].text and len(answer.choices[0].logprobs.tokens) == 4
    text = "".join(c.choices[0].text for c in complete(stream=True) if c.choices)
    assert text == answer.choices[0].text


def test_responses(client, model):
    answer = client.responses.create(model=model, input="Name the capital of France.", temperature=0, max_output_tokens=16)
    assert "Paris" in answer.output_text and answer.status == "completed"
    with client.responses.stream(model=model, input="Name the capital of France.", temperature=0, max_output_tokens=16) as stream:
        events = list(stream)
        assert stream.get_final_response().output_text == answer.output_text
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == answer.output_text
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert [e.sequence_number for e in events] == list(range(len(events)))
    cut = client.responses.create(model=model, input="Tell a story.", max_output_tokens=4)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"


def test_responses_with_tools_and_structure(client, model):
    parsed = client.responses.parse(model=model, input="Name the capital of France.", text_format=City, temperature=0,
                                    max_output_tokens=64)
    assert parsed.output_parsed.city == "Paris"
    called = client.responses.create(model=model, input="What is the weather in Paris?", tools=[WEATHER_FLAT], temperature=0,
                                     tool_choice="required", max_output_tokens=64)
    call = next(item for item in called.output if item.type == "function_call")
    assert call.name == "get_weather" and "city" in json.loads(call.arguments)


@pytest.mark.parametrize("hand_back", [lambda item: item, lambda item: item.model_dump(), lambda item: item.to_dict()],
                         ids=["object", "dump", "dict"])
def test_an_answer_may_be_handed_back_as_it_came(client, model, hand_back):
    ask = dict(model=model, tools=[WEATHER_FLAT], temperature=0, max_output_tokens=64)
    called = client.responses.create(input=RAIN, tool_choice="required", **ask)
    call = next(item for item in called.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain, 12 degrees"}
    assert client.responses.create(input=[*RAIN, *map(hand_back, called.output), result], **ask).output
    parsed = client.responses.parse(model=model, input=PARIS, text_format=City, temperature=0, max_output_tokens=64)
    assert client.responses.create(input=[*PARIS, *map(hand_back, parsed.output), *RAIN], **ask).output
    # The same with chat completions, whose SDK adds what it has parsed to the message
    told = client.chat.completions.parse(model=model, messages=PARIS, response_format=City, temperature=0, max_tokens=64)
    message = hand_back(told.choices[0].message)
    assert client.chat.completions.create(model=model, messages=[*PARIS, message, *RAIN], max_tokens=4).choices


def test_embeddings_are_the_same_as_floats_and_base64(client, embed_model):
    floats = client.embeddings.create(model=embed_model, input=["a mill", "a river"], encoding_format="float")
    packed = client.embeddings.create(model=embed_model, input=["a mill", "a river"])  # base64 unless told otherwise
    assert [item.index for item in floats.data] == [0, 1] and len(floats.data[0].embedding) == 576
    for plain, other in zip(floats.data, packed.data, strict=True):
        assert plain.embedding == pytest.approx(other.embedding, rel=1e-5, abs=1e-6)
    assert floats.data[0].embedding != pytest.approx(floats.data[1].embedding, rel=1e-2)


# --- the ledger ---

CALLS = {
    "chat": lambda c, m, e: c.chat.completions.with_raw_response.create(model=m, messages=PARIS, max_tokens=4),
    "completions": lambda c, m, e: c.completions.with_raw_response.create(model=m, prompt="Once", max_tokens=4),
    "responses": lambda c, m, e: c.responses.with_raw_response.create(model=m, input="Hello", max_output_tokens=4),
    "embeddings": lambda c, m, e: c.embeddings.with_raw_response.create(model=e, input="a mill"),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_equals_its_record(client, model, embed_model, same_as_record, call):
    raw = CALLS[call](client, model, embed_model)
    same_as_record(raw.headers["x-request-id"], raw.parse().usage.model_dump())


def test_a_streams_last_chunk_equals_its_record(client, model, chat, same_as_record):
    stream = chat(stream=True, stream_options={"include_usage": True})
    same_as_record(stream.response.headers["x-request-id"], list(stream)[-1].usage.model_dump())
    stream = client.responses.create(model=model, input="Hello", max_output_tokens=4, stream=True)
    same_as_record(stream.response.headers["x-request-id"], list(stream)[-1].response.usage.model_dump())


# --- errors ---

@pytest.mark.parametrize("more,code,param", [
    ({"messages": []}, "empty_array", "messages"),
    ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
    ({"extra_body": {"frobnicate": 1}}, "unknown_parameter", "frobnicate"),
    ({"temperature": 9}, "decimal_above_max_value", "temperature"),
    ({"messages": [{"role": "user", "content": "mill " * 9000}]}, "context_length_exceeded", "messages"),
    ({"store": True}, "unsupported_parameter", "store"),
    ({"n": 9}, "unsupported_parameter", "n"),
    ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, "unsupported_parameter",
     "messages[0].content[0].type"),
    *(({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}, "unsupported_parameter",
       "response_format") for schema in ({"$ref": "#"}, {"type": "string", "minLength": 100000})),
])
def test_bad_requests_name_what_is_wrong(chat, more, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        chat(**more)
    assert (caught.value.code, caught.value.param, caught.value.type) == (code, param, "invalid_request_error")
    assert caught.value.request_id.startswith("req_")


def test_bad_requests_of_the_other_dialects_name_their_own_parameter(client, model, embed_model):
    for param, call in {
        "input": lambda: client.responses.create(model=model, input="mill " * 9000),
        "max_output_tokens": lambda: client.responses.create(model=model, input="Hi", max_output_tokens=0),
        "prompt": lambda: client.completions.create(model=model, prompt="mill " * 9000),
        "dimensions": lambda: client.embeddings.create(model=embed_model, input="a mill", dimensions=64),
        "model": lambda: client.embeddings.create(model=model, input="a mill"),
    }.items():
        with pytest.raises(openai.BadRequestError) as caught:
            call()
        assert caught.value.param == param


def test_a_wrong_key_is_401_and_an_unknown_model_404(client, chat):
    for call in (client.with_options(api_key="mr_wrong").models.list,
                 lambda: client.with_options(api_key="mr_wrong").chat.completions.create(model="m", messages=PARIS)):
        with pytest.raises(openai.AuthenticationError) as caught:
            call()
        assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as caught:
        chat(model="no-such")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_viewers_key_is_403_and_says_why(client, model, viewer_key):
    with pytest.raises(openai.PermissionDeniedError, match="role 'viewer' does not have the right 'use'"):
        client.with_options(api_key=viewer_key).chat.completions.create(model=model, messages=PARIS)


def test_a_tenant_without_quota_is_told_so(client, model, poor_key):
    poor = client.with_options(api_key=poor_key, max_retries=0)
    with pytest.raises(openai.RateLimitError) as caught:
        poor.chat.completions.create(model=model, messages=PARIS)
    assert caught.value.code == "insufficient_quota" and "poor" in caught.value.message


def test_the_client_waits_as_long_as_it_is_told(model, millrace):
    """20 a minute: once the bucket is empty, the next request is due within 3 s."""
    seen = []
    hook = {"response": [lambda r: seen.append((r.status_code, r.headers.get("retry-after-ms"), time.monotonic()))]}
    key = millrace.key("--requests-per-minute", "20")["key"]
    limited = openai.OpenAI(api_key=key, max_retries=0, http_client=httpx.Client(event_hooks=hook))
    ask = dict(model=model, messages=PARIS, max_tokens=1)
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(40):
            limited.chat.completions.create(**ask)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["x-ratelimit-limit-requests"] == "20"
    seen.clear()
    assert limited.with_options(max_retries=1).chat.completions.create(**ask).choices
    (refused, wait_ms, at), (answered, _, then) = seen
    assert (refused, answered) == (429, 200)
    assert 0 < float(wait_ms) <= 3000 and then - at >= float(wait_ms) / 1000


# --- clients that go away ---

def test_leaving_a_stream_frees_the_engine(chat, millrace, idle_after):
    streams = []

    def begin():
        streams.append(chat(STORY, max_tokens=800, stream=True))
        next(iter(streams[0]))

    assert idle_after(begin, lambda: streams[0].close()) < 1.0
    record = millrace.record(streams[0].response.headers["x-request-id"])
    assert record["status"] == "cancelled" and 0 < record["output_tokens"] < 800


@pytest.mark.parametrize("stream", [False, True])
def test_leaving_in_the_prompt_frees_the_engine(client, model, millrace, idle_after, stream):
    """The client gives up, and closes its connection, long before the prompt has been read."""
    leaving = client.with_options(max_retries=0, timeout=0.5)
    failed = []

    def ask():
        try:
            answer = leaving.chat.completions.create(model=model, stream=stream, max_tokens=400, messages=[
                {"role": "user", "content": f"{time.monotonic()} {LONG}"}])
            failed.append(f"answered: {answer}")
        except openai.APITimeoutError as error:
            failed.append(error)

    known = {record["request_id"] for record in millrace.records()}
    thread = threading.Thread(target=ask)
    assert idle_after(thread.start, thread.join) < 1.0
    assert isinstance(failed[0], openai.APITimeoutError), failed
    record = wait_for(lambda: next((r for r in millrace.records() if r["request_id"] not in known), None))
    assert record["status"] == "cancelled" and record["output_tokens"] == 0
