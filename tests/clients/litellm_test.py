"""litellm (Python)"""
import json
import os

import litellm
import pytest
from pydantic import BaseModel

PARIS = [{"role": "user", "content": "Name the capital of France."}]
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
# Its own models of an answer and what it fills them with differ; nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")


class City(BaseModel):
    city: str
    country: str


def reach(name, **more):
    return {"model": f"openai/{name}", "api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"], **more}


def ask(name, **more):
    return litellm.completion(**{**reach(name), "messages": PARIS, "temperature": 0, "max_tokens": 64, **more})


def test_chat_and_stream(model):
    text = ask(model).choices[0].message.content
    assert "Paris" in text
    assert "".join(c.choices[0].delta.content or "" for c in ask(model, stream=True)) == text


def test_the_anthropic_dialect(model):
    answer = litellm.completion(model=f"anthropic/{model}", messages=PARIS, temperature=0, max_tokens=16,
                                api_base=os.environ["ANTHROPIC_BASE_URL"], api_key=os.environ["ANTHROPIC_API_KEY"])
    assert "Paris" in answer.choices[0].message.content and answer.usage.completion_tokens > 0


def test_a_required_tool_is_called(model):
    call = ask(model, tools=[WEATHER], tool_choice="required").choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)


def test_structured_output(model):
    assert City.model_validate_json(ask(model, response_format=City).choices[0].message.content).city == "Paris"


def test_embeddings(embed_model):
    answer = litellm.embedding(**reach(embed_model, input=["a mill", "a river"], encoding_format="float"))
    assert [len(item["embedding"]) for item in answer.data] == [576, 576]


def test_errors_have_their_own_classes(model, viewer_key, poor_key):
    too_long = [{"role": "user", "content": "mill " * 9000}]
    for error, status, more in (
        (litellm.AuthenticationError, 401, {"api_key": "mr_wrong"}),
        (litellm.APIError, 403, {"api_key": viewer_key}),  # it has no class of its own for this one
        (litellm.NotFoundError, 404, {"model": "openai/no-such"}),
        (litellm.RateLimitError, 429, {"api_key": poor_key, "max_retries": 0}),
        (litellm.BadRequestError, 400, {"messages": []}),
        (litellm.ContextWindowExceededError, 400, {"messages": too_long}),
    ):
        with pytest.raises(error) as caught:
            ask(model, **more)
        assert caught.value.status_code == status
