"""anthropic (Python)"""
import anthropic
import pytest

PARIS = [{"role": "user", "content": "Name the capital of France."}]


@pytest.fixture(scope="module")
def client(millrace):
    return anthropic.Anthropic()


def test_models_in_pages(client, model, embed_model):
    page = client.models.list(limit=1)
    assert len(page.data) == 1 and page.has_more
    assert {m.id for m in client.models.list(limit=1)} >= {model, embed_model}
    assert client.models.retrieve(model).id == model


def test_message(client, model):
    answer = client.messages.create(model=model, messages=PARIS, max_tokens=16, extra_body={"temperature": 0}, system="Be brief.")
    assert answer.content[0].type == "text" and answer.content[0].text
    assert answer.stop_reason in ("end_turn", "max_tokens") and answer.usage.output_tokens > 0


def test_stream(client, model):
    with client.messages.stream(model=model, messages=PARIS, max_tokens=16, extra_body={"temperature": 0}) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.content[0].text == text and final.usage.output_tokens > 0


def test_a_named_tool_is_used(client, model):
    answer = client.messages.create(
        model=model, messages=[{"role": "user", "content": "What is the weather in Paris?"}], max_tokens=64, extra_body={"temperature": 0},
        tools=[{"name": "get_weather", "description": "Weather of a city",
                "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}],
        tool_choice={"type": "tool", "name": "get_weather"})
    use = next(block for block in answer.content if block.type == "tool_use")
    assert use.name == "get_weather" and "city" in use.input and answer.stop_reason == "tool_use"


def test_errors(client, model):
    with pytest.raises(anthropic.AuthenticationError):
        client.with_options(api_key="mr_wrong").messages.create(model=model, messages=PARIS, max_tokens=4)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="no-such", messages=PARIS, max_tokens=4)
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=model, messages=[], max_tokens=4)
