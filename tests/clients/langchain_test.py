"""langchain-openai (Python)"""
import openai
import pytest
import tiktoken
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class City(BaseModel):
    """A city and its country"""
    city: str
    country: str


@pytest.fixture(scope="module")
def chat(model):
    return ChatOpenAI(model=model, temperature=0, max_tokens=64)


def test_chat_and_stream(chat):
    answer = chat.invoke("Name the capital of France.")
    assert "Paris" in answer.content and answer.usage_metadata["output_tokens"] > 0
    assert "".join(piece.content for piece in chat.stream("Name the capital of France.")) == answer.content


def test_responses(model):
    chat = ChatOpenAI(model=model, temperature=0, max_tokens=16, use_responses_api=True)
    assert "Paris" in chat.invoke("Name the capital of France.").text


def test_a_required_tool_is_called(chat):
    calls = chat.bind_tools([City], tool_choice="required").invoke("Paris is in France.").tool_calls
    assert calls[0]["name"] == "City" and set(calls[0]["args"]) == {"city", "country"}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(chat, method):
    assert isinstance(chat.with_structured_output(City, method=method).invoke("Paris is in France."), City)


def test_embeddings(embed_model):
    embeddings = OpenAIEmbeddings(model=embed_model, check_embedding_ctx_length=False)  # else it sends token ids
    vectors = embeddings.embed_documents(["a mill", "a river"])
    assert [len(vector) for vector in vectors] == [576, 576]
    assert embeddings.embed_query("a mill") == pytest.approx(vectors[0], abs=1e-6)


def test_embeddings_by_token_ids_are_refused_with_the_switch_that_helps(embed_model, monkeypatch):
    """The client would fetch its tokenizer's table from the net; one of single bytes does as well."""
    table = tiktoken.Encoding("bytes", pat_str=".", mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={})
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: table)
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        OpenAIEmbeddings(model=embed_model).embed_query("a mill")


def test_several_prompts_at_once(model):
    complete = OpenAI(model=model, temperature=0, max_tokens=4)
    prompts = ["The capital of France is", "Once upon a"]
    alone = [complete.invoke(prompt) for prompt in prompts]
    assert complete.batch(prompts) == alone
    assert [choices[0].text for choices in complete.generate(prompts).generations] == alone


def test_errors(model, viewer_key):
    for status, more in ((openai.AuthenticationError, {"api_key": "mr_wrong"}), (openai.PermissionDeniedError, {"api_key": viewer_key}),
                         (openai.NotFoundError, {"model": "no-such"})):
        with pytest.raises(status):
            ChatOpenAI(**{"model": model, **more}).invoke("Hi")
