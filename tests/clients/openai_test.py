"""openai (Python)"""
import json

import openai
import pytest

PARIS = [{"role": "user", "content": "Name the capital of France."}]
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                   "additionalProperties": False}}}


@pytest.fixture(scope="module")
def client(millrace):
    return openai.OpenAI()


def test_models(client, model, embed_model):
    assert {m.id for m in client.models.list()} >= {model, embed_model}
    assert client.models.retrieve(model).id == model


def test_chat_equals_its_record(client, model, millrace):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=PARIS, temperature=0, max_tokens=16, seed=1)
    answer = raw.parse()
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    record = millrace.record(raw.headers["x-request-id"])
    assert (record["input_tokens"], record["output_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert answer.usage.model_extra["millrace"]["energy_j"] == pytest.approx(record["energy_j"])


def test_stream_with_usage(client, model):
    chunks = list(client.chat.completions.create(model=model, messages=PARIS, temperature=0, max_tokens=16, stream=True,
                                                 stream_options={"include_usage": True}))
    assert "Paris" in "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0


def test_stop_and_length(client, model):
    stopped = client.chat.completions.create(model=model, messages=PARIS, temperature=0, max_tokens=16, stop=["Paris"])
    assert "Paris" not in stopped.choices[0].message.content
    cut = client.chat.completions.create(model=model, messages=PARIS, temperature=0, max_completion_tokens=2)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 2


def test_logprobs(client, model):
    answer = client.chat.completions.create(model=model, messages=PARIS, temperature=0, max_tokens=4, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens and len(content[0].top_logprobs) == 3


def test_a_named_tool_is_called(client, model):
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "What is the weather in Paris?"}], tools=[WEATHER], temperature=0,
        max_tokens=64, tool_choice={"type": "function", "function": {"name": "get_weather"}})
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)


def test_a_required_tool_is_called_in_a_stream(client, model):
    stream = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "What is the weather in Paris?"}], tools=[WEATHER], temperature=0,
        max_tokens=64, tool_choice="required", stream=True)
    name = arguments = ""
    for chunk in stream:
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            name += call.function.name or ""
            arguments += call.function.arguments or ""
    assert name == "get_weather" and "city" in json.loads(arguments)


def test_automatic_tools_answer_in_text_or_a_call(client, model):
    message = client.chat.completions.create(model=model, messages=PARIS, tools=[WEATHER], temperature=0,
                                             max_tokens=16).choices[0].message
    assert message.content or message.tool_calls


def test_json_schema(client, model):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
              "required": ["city", "people"], "additionalProperties": False}
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Paris has 2000000 people."}], temperature=0, max_tokens=64,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}})
    assert set(json.loads(answer.choices[0].message.content)) == {"city", "people"}


def test_completions(client, model):
    answer = client.completions.create(model=model, prompt="The capital of France is", temperature=0, max_tokens=4)
    assert answer.choices[0].text
    text = "".join(c.choices[0].text for c in client.completions.create(
        model=model, prompt="The capital of France is", temperature=0, max_tokens=4, stream=True) if c.choices)
    assert text == answer.choices[0].text


def test_responses(client, model):
    answer = client.responses.create(model=model, input="Name the capital of France.", temperature=0, max_output_tokens=16)
    assert "Paris" in answer.output_text and answer.status == "completed"
    types, text = [], ""
    with client.responses.stream(model=model, input="Name the capital of France.", temperature=0, max_output_tokens=16) as stream:
        for event in stream:
            types.append(event.type)
            text += event.delta if event.type == "response.output_text.delta" else ""
        assert stream.get_final_response().output_text == text
    assert types[0] == "response.created" and types[-1] == "response.completed" and "Paris" in text


def test_embeddings_are_the_same_as_floats_and_base64(client, embed_model):
    floats = client.embeddings.create(model=embed_model, input=["a mill", "a river"], encoding_format="float")
    packed = client.embeddings.create(model=embed_model, input=["a mill", "a river"])  # base64 unless told otherwise
    assert len(floats.data) == 2 and len(floats.data[0].embedding) == 576
    assert floats.data[1].embedding == pytest.approx(packed.data[1].embedding, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("more,code,param", [
    ({"messages": []}, None, "messages"),
    ({"max_tokens": 0}, None, "max_tokens"),
    ({"extra_body": {"frobnicate": 1}}, "unknown_parameter", "frobnicate"),
    ({"temperature": 9}, None, "temperature"),
    ({"messages": [{"role": "user", "content": "mill " * 9000}]}, "context_length_exceeded", None),
])
def test_bad_requests_name_what_is_wrong(client, model, more, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": model, "messages": PARIS, **more})
    assert param is None or caught.value.param == param
    assert code is None or caught.value.code == code


def test_errors_have_their_own_classes(client, model, millrace):
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="mr_wrong").models.list()
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such", messages=PARIS)
    viewer = millrace.key("--role", "viewer")["key"]
    with pytest.raises(openai.PermissionDeniedError):
        client.with_options(api_key=viewer).chat.completions.create(model=model, messages=PARIS)


def test_the_client_waits_out_a_rate_limit(client, model, millrace):
    limited = client.with_options(api_key=millrace.key("--requests-per-minute", "60")["key"], max_retries=0)
    with pytest.raises(openai.RateLimitError):
        for _ in range(80):
            limited.chat.completions.create(model=model, messages=PARIS, max_tokens=1)
    assert limited.with_options(max_retries=3).chat.completions.create(model=model, messages=PARIS, max_tokens=1)


def test_leaving_a_stream_is_recorded(client, model, millrace):
    stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Tell a long story."}],
                                            max_tokens=400, stream=True)
    next(iter(stream))
    request_id = stream.response.headers["x-request-id"]
    stream.close()
    assert millrace.record(request_id)["status"] == "cancelled"
