"""anthropic (Python). This SDK has no parameter `temperature` any more: it goes into the extra body."""
import anthropic
import pytest
from pydantic import BaseModel

PARIS = [{"role": "user", "content": "Name the capital of France."}]
RAIN = [{"role": "user", "content": "What is the weather in Paris?"}]
STORY = [{"role": "user", "content": "Tell a very long story about a watermill."}]
WEATHER = {"name": "get_weather", "description": "Weather of a city",
           "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


class City(BaseModel):
    city: str
    country: str


@pytest.fixture(scope="module")
def client():
    return anthropic.Anthropic()


@pytest.fixture(scope="module")
def ask(client, model):
    def create(messages=PARIS, **more):
        return client.messages.create(**{"model": model, "messages": messages, "max_tokens": 16,
                                         "extra_body": {"temperature": 0}, **more})

    return create


def test_models_in_pages(client, model, embed_model):
    first = client.models.list(limit=1)
    assert len(first.data) == 1 and first.has_more and first.data[0].type == "model"
    assert first.first_id == first.last_id == first.data[0].id
    paged = [m.id for m in client.models.list(limit=1)]
    assert paged == [m.id for m in client.models.list()] and set(paged) >= {model, embed_model}
    assert not client.models.list().has_more
    assert client.models.retrieve(model).id == model


def test_message(ask):
    answer = ask(system="Answer in one sentence.")
    assert answer.content[0].type == "text" and answer.content[0].text and answer.role == "assistant"
    assert answer.stop_reason in ("end_turn", "max_tokens") and answer.usage.output_tokens > 0
    assert ask(max_tokens=2).stop_reason == "max_tokens"


def test_stop_sequences_end_the_text_and_are_named(ask, same_as_record):
    whole = ask().content[0].text
    word = whole.split()[1]
    stops = ["no such", "text", "as", "these", "here", word]  # more than OpenAI's API allows
    stopped = ask(stop_sequences=stops)
    assert stopped.content[0].text == whole.split(word)[0]
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)
    *_, delta, _ = ask(stop_sequences=stops, stream=True)
    assert (delta.delta.stop_reason, delta.delta.stop_sequence) == ("stop_sequence", word)
    same_as_record(stopped._request_id, stopped.usage.model_dump())
    assert ask(stop_sequences=["no such text"]).stop_sequence is None


def test_stream_says_what_the_whole_answer_says(client, model, ask):
    with client.messages.stream(model=model, messages=PARIS, max_tokens=16, extra_body={"temperature": 0}) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_message()
    assert final.content[0].text == ask().content[0].text and final.usage.output_tokens > 0
    assert types[0] == "message_start" and types[-2:] == ["message_delta", "message_stop"]


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_must_be_used_is(client, model, choice, stream):
    ask = dict(model=model, messages=RAIN, max_tokens=64, tools=[WEATHER], tool_choice=choice, extra_body={"temperature": 0})
    if stream:
        with client.messages.stream(**ask) as events:
            answer = events.get_final_message()
    else:
        answer = client.messages.create(**ask)
    use = next(block for block in answer.content if block.type == "tool_use")
    assert use.name == "get_weather" and isinstance(use.input["city"], str) and answer.stop_reason == "tool_use"


def test_automatic_tools_and_a_tools_result(ask):
    answer = ask(RAIN, tools=[WEATHER], tool_choice={"type": "auto"})
    assert answer.content[0].type in ("text", "tool_use")
    use = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "rain, 12 degrees"}
    assert ask([*RAIN, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}], tools=[WEATHER]).content


def test_structured_output(client, model):
    answer = client.messages.parse(model=model, messages=PARIS, max_tokens=64, output_format=City, extra_body={"temperature": 0})
    assert answer.parsed_output.city == "Paris"
    for content in (answer.content, [block.model_dump() for block in answer.content]):  # handed back as it came
        assert client.messages.create(model=model, messages=[*PARIS, {"role": "assistant", "content": content}, *RAIN],
                                      max_tokens=4).content


def test_an_answer_equals_its_record(client, model, same_as_record):
    raw = client.messages.with_raw_response.create(model=model, messages=PARIS, max_tokens=4)
    message = raw.parse()
    assert message._request_id == raw.headers["x-request-id"]
    same_as_record(message._request_id, message.usage.model_dump())
    # The event itself: the message that the SDK puts together keeps only the usage fields it knows.
    stream = client.messages.create(model=model, messages=PARIS, max_tokens=4, stream=True)
    usage = next(event.usage for event in stream if event.type == "message_delta")
    same_as_record(stream.response.headers["x-request-id"], usage.model_dump())


@pytest.mark.parametrize("more,text", [
    ({"messages": []}, "messages"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"extra_body": {"frobnicate": 1}}, "frobnicate"),
    ({"messages": [{"role": "user", "content": "mill " * 9000}]}, "context length"),
])
def test_bad_requests_say_what_is_wrong(ask, more, text):
    with pytest.raises(anthropic.BadRequestError, match=text) as caught:
        ask(**more)
    assert caught.value.body["type"] == "error" and caught.value.body["error"]["type"] == "invalid_request_error"
    assert caught.value.body["request_id"] == caught.value.request_id == caught.value.response.headers["x-request-id"]


@pytest.mark.parametrize("more,param", [
    ({"output_config": {"effort": "low"}}, "output_config.effort"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}, "thinking"),
    ({"tools": [{**WEATHER, "input_schema": {"$ref": "#"}}], "tool_choice": {"type": "any"}}, "tools[0].input_schema"),
])
def test_what_the_engine_refuses_is_named_as_the_client_named_it(ask, more, param):
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(**more)
    assert caught.value.body["error"]["param"] == param and "reasoning_effort" not in caught.value.body["error"]["message"]
    assert caught.value.body["error"]["code"] == "unsupported_parameter"


def test_errors_have_their_own_classes(client, model, ask, viewer_key, poor_key):
    for error, kind, status, options in (
        (anthropic.AuthenticationError, "authentication_error", 401, {"api_key": "mr_wrong"}),
        (anthropic.PermissionDeniedError, "permission_error", 403, {"api_key": viewer_key}),
        (anthropic.RateLimitError, "rate_limit_error", 429, {"api_key": poor_key, "max_retries": 0}),
    ):
        with pytest.raises(error) as caught:
            client.with_options(**options).messages.create(model=model, messages=PARIS, max_tokens=4)
        assert (caught.value.status_code, caught.value.body["error"]["type"]) == (status, kind)
    with pytest.raises(anthropic.NotFoundError, match="no-such"):
        ask(model="no-such")
    with pytest.raises(anthropic.NotFoundError, match="count_tokens"):  # not offered, and said so
        client.messages.count_tokens(model=model, messages=PARIS)


def test_leaving_a_stream_frees_the_engine(client, model, millrace, idle_after):
    opened = []

    def begin():
        opened.append(client.messages.create(model=model, messages=STORY, max_tokens=800, stream=True))
        next(iter(opened[0]))

    assert idle_after(begin, lambda: opened[0].close()) < 1.0
    assert millrace.record(opened[0].response.headers["x-request-id"])["status"] == "cancelled"
