"""mistralai, langchain-openai, litellm, instructor (Python)"""
import os

import pytest
from pydantic import BaseModel

PARIS = [{"role": "user", "content": "Name the capital of France."}]


@pytest.fixture(scope="module")
def mistral(millrace):
    try:
        from mistralai.client import Mistral
    except ImportError:
        from mistralai import Mistral
    return Mistral(api_key=os.environ["OPENAI_API_KEY"], server_url=os.environ["MILLRACE_URL"])


def test_mistral_models(mistral, model):
    assert model in {m.id for m in mistral.models.list().data}


def test_mistral_chat_and_stream(mistral, model):
    answer = mistral.chat.complete(model=model, messages=PARIS, temperature=0, max_tokens=16)
    assert "Paris" in answer.choices[0].message.content
    text = "".join(event.data.choices[0].delta.content or "" for event in
                   mistral.chat.stream(model=model, messages=PARIS, temperature=0, max_tokens=16) if event.data.choices)
    assert "Paris" in text


def test_mistral_embeddings(mistral, embed_model):
    assert len(mistral.embeddings.create(model=embed_model, inputs=["a mill"]).data[0].embedding) == 576


def test_langchain(model, embed_model, millrace):
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings
    chat = ChatOpenAI(model=model, temperature=0, max_tokens=16)
    assert "Paris" in chat.invoke("Name the capital of France.").content
    assert "Paris" in "".join(piece.content for piece in chat.stream("Name the capital of France."))
    vectors = OpenAIEmbeddings(model=embed_model, check_embedding_ctx_length=False).embed_documents(["a mill", "a river"])
    assert len(vectors) == 2 and len(vectors[0]) == 576


def test_litellm(model, millrace):
    import litellm
    answer = litellm.completion(model=f"openai/{model}", messages=PARIS, temperature=0, max_tokens=16,
                                api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
    assert "Paris" in answer.choices[0].message.content
    text = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(
        model=f"openai/{model}", messages=PARIS, temperature=0, max_tokens=16, stream=True,
        api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"]))
    assert "Paris" in text


class City(BaseModel):
    name: str
    country: str


@pytest.mark.parametrize("mode", ["TOOLS", "JSON_SCHEMA"])
def test_instructor(model, millrace, mode):
    import instructor
    import openai
    client = instructor.from_openai(openai.OpenAI(), mode=instructor.Mode[mode])
    city = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Paris is in France."}],
                                          response_model=City, temperature=0, max_tokens=64, max_retries=0)
    assert isinstance(city, City)
