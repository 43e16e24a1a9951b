"""instructor (Python), over openai and over anthropic"""
import anthropic
import instructor
import openai
import pytest
from pydantic import BaseModel

FRANCE = [{"role": "user", "content": "Paris is in France."}]


class City(BaseModel):
    name: str
    country: str


@pytest.mark.parametrize("mode", ["TOOLS", "JSON_SCHEMA"])
def test_openai(model, mode):
    client = instructor.from_openai(openai.OpenAI(), mode=instructor.Mode[mode])
    city = client.chat.completions.create(model=model, messages=FRANCE, response_model=City, temperature=0, max_tokens=64,
                                          max_retries=0)
    assert isinstance(city, City) and city.name and city.country


def test_pieces_of_an_answer(model):
    client = instructor.from_openai(openai.OpenAI(), mode=instructor.Mode.TOOLS)
    parts = list(client.chat.completions.create_partial(model=model, messages=FRANCE, response_model=City, temperature=0,
                                                        max_tokens=64, max_retries=0))
    assert len(parts) > 1 and parts[-1].name and parts[-1].country


def test_anthropic(model):
    client = instructor.from_anthropic(anthropic.Anthropic(), mode=instructor.Mode.TOOLS)
    city = client.messages.create(model=model, messages=FRANCE, response_model=City, max_tokens=64, max_retries=0)
    assert isinstance(city, City) and city.name
