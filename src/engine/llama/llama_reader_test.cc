#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "engine/llama/llama_adapter.h"
#include "engine/sink_test_util.h"
#include "host/file.h"

namespace millrace::engine {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Answers of llama-server b11669 with SmolLM2-135M-Instruct, as they came.
std::string recorded(const std::string& name) {
  const Result<std::string> bytes =
      host::read_file(std::string(MILLRACE_ENGINE_RECORDED) + "/" + name, 1 << 20);
  EXPECT_TRUE(bytes) << name;
  return bytes ? *bytes : std::string();
}

Request chat() {
  Request request;
  request.messages.push_back({.content = {{ContentPart::Kind::kText, "What is the capital of France?"}}});
  return request;
}

Request text() {
  Request request;
  request.task = Task::kText;
  request.prompts = {"Once upon a time"};
  return request;
}

Tool tool(std::string name) { return {std::move(name), "", R"({"type":"object"})", false}; }

struct Read {
  KeepingSink sink;
  Result<void> outcome;
  std::optional<EngineError> error;
};

Read read(const Request& request, std::string_view body, int status = 200,
          std::string_view type = "text/event-stream", std::size_t step = std::string::npos) {
  Read read;
  const auto reader = make_llama_adapter()->reader(request, {});
  reader->head(status, type);
  read.outcome = read_all(*reader, body, read.sink, step);
  read.error = reader->error();
  return read;
}

TEST(LlamaReader, GivesTextUsageAndProgressOfARecordedStream) {
  const Read got = read(chat(), recorded("chat.sse"));
  ASSERT_TRUE(got.outcome);
  EXPECT_THAT(got.sink.text.at(0), StartsWith("L'Étoile, la Marseillaise"));
  EXPECT_EQ(got.sink.finish.at(0), FinishReason::kLength);
  EXPECT_EQ(got.sink.usage.input, 37);
  EXPECT_EQ(got.sink.usage.output, 20);
  EXPECT_EQ(got.sink.usages, 1);
  EXPECT_EQ(got.sink.output, 20);
  EXPECT_EQ(got.sink.processed, 37);
  EXPECT_FALSE(got.sink.went_back);
}

TEST(LlamaReader, CountsTokensBeforeTheTextTheyMade) {
  const Read got = read(chat(), recorded("chat.sse"));
  EXPECT_THAT(got.sink.log,
              StartsWith("p0/37,0,0 p37/37,0,0 p37/37,0,1 t0:L p37/37,0,2 t0:' p37/37,0,3 t0:É "));
  // One character made of three tokens comes as one piece; all three are counted.
  Request request = chat();
  request.sampling.logprobs = true;
  const Read emoji = read(request, recorded("chat_logprobs.sse"));
  EXPECT_EQ(emoji.sink.text.at(0), "🌟");
  EXPECT_EQ(emoji.sink.output_at_first_text, 3);
  EXPECT_EQ(emoji.sink.usage.cached, 24);
}

TEST(LlamaReader, DoesNotDependOnWhereTheBytesAreCut) {
  Request two = chat();
  two.sampling.choices = 2;
  Request probabilities = text();
  probabilities.sampling.logprobs = true;
  const std::pair<Request, const char*> cases[] = {
      {chat(), "chat.sse"}, {two, "chat_two_choices.sse"}, {probabilities, "text_logprobs.sse"}};
  for (const auto& [request, name] : cases) {
    const std::string body = recorded(name);
    const Read whole = read(request, body);
    ASSERT_TRUE(whole.outcome) << name;
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
      EXPECT_EQ(read(request, body, 200, "text/event-stream", step).sink.log, whole.sink.log)
          << name << " " << step;
    }
  }
}

TEST(LlamaReader, AddsUpTheOutputOfSeveralChoicesAndCountsThePromptOnce) {
  Request request = chat();
  request.sampling.choices = 2;
  const Read got = read(request, recorded("chat_two_choices.sse"));
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(got.sink.text.at(0), "I'm glad");
  EXPECT_EQ(got.sink.text.at(1), "I'm glad");
  EXPECT_EQ(got.sink.finish.size(), 2U);
  EXPECT_EQ(got.sink.usage.input, 32);
  EXPECT_EQ(got.sink.usage.output, 6);
  EXPECT_FALSE(got.sink.went_back);
  request = text();
  request.sampling.choices = 2;
  EXPECT_EQ(read(request, recorded("text_two_choices.sse")).sink.usage.output, 4);
}

TEST(LlamaReader, CountsThePromptOfEachTextOnceHoweverManyChoicesItHas) {
  Request request = text();
  request.prompts = {"The capital of France is", "Once upon"};
  request.sampling.choices = 2;
  for (const std::size_t step : {std::size_t{7}, std::string::npos}) {
    const Read got = read(request, recorded("text_two_prompts.sse"), 200, "text/event-stream", step);
    ASSERT_TRUE(got.outcome);
    EXPECT_EQ(got.sink.text.at(1), " Paris.\n");
    EXPECT_EQ(got.sink.text.at(2), " the scene,");
    EXPECT_EQ(got.sink.finish.size(), 4U);
    EXPECT_EQ(got.sink.usage.input, 5 + 2);
    EXPECT_EQ(got.sink.usage.cached, 4 + 1);
    EXPECT_EQ(got.sink.usage.output, 4 * 3);
    EXPECT_EQ(got.sink.processed, 7);
    EXPECT_FALSE(got.sink.went_back);
  }
}

TEST(LlamaReader, EchoesToEachChoiceItsOwnPrompt) {
  Request request = text();
  request.prompts = {"The capital of France is", "Once upon"};
  request.sampling.choices = 2;
  request.echo = true;
  const Read got = read(request, recorded("text_two_prompts.sse"));
  EXPECT_EQ(got.sink.text.at(1), "The capital of France is Paris.\n");
  EXPECT_EQ(got.sink.text.at(2), "Once upon the scene,");
}

TEST(LlamaReader, EndsAtAStopSequenceAndTellsWhich) {
  Request request = chat();
  request.tell_stop = true;
  request.sampling.stop = {"toile, lamb", "seil", "Marseillaise"};
  for (const std::size_t step : {std::size_t{1}, std::size_t{13}, std::string::npos}) {
    KeepingSink sink;
    const auto reader = make_llama_adapter()->reader(request, {});
    reader->head(200, "text/event-stream");
    ASSERT_TRUE(read_all(*reader, recorded("chat.sse"), sink, step));
    EXPECT_TRUE(reader->cut());
    EXPECT_EQ(sink.text.at(0), "L'Étoile, la Mar");
    EXPECT_EQ(sink.stops.at(0), "seil");
    EXPECT_EQ(sink.finish.at(0), FinishReason::kStop);
    EXPECT_EQ(sink.usages, 1);
    EXPECT_EQ(sink.usage.input, 37);
    EXPECT_EQ(sink.usage.output, sink.output);
  }
}

TEST(LlamaReader, GivesTextThatOnlyBeginsAStopSequence) {
  Request request = chat();
  const Read plain = read(request, recorded("chat.sse"));
  request.tell_stop = true;
  request.sampling.stop = {plain.sink.text.at(0).substr(plain.sink.text.at(0).size() - 3) + "#", "Marseille"};
  const Read got = read(request, recorded("chat.sse"));
  EXPECT_EQ(got.sink.text.at(0), plain.sink.text.at(0));
  EXPECT_TRUE(got.sink.stops.empty());
  EXPECT_EQ(got.sink.finish.at(0), FinishReason::kLength);
}

TEST(LlamaReader, KeepsOnlyTheLogprobsThatWereAskedFor) {
  Request request = chat();
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 1;
  const Read got = read(request, recorded("chat_logprobs.sse"));
  ASSERT_EQ(got.sink.logprobs.size(), 1U);
  const auto tree = boost::json::parse(got.sink.logprobs[0]);
  const auto& token = tree.at("content").at(0);
  EXPECT_EQ(token.at("token"), "🌟");
  EXPECT_EQ(token.at("bytes").as_array().size(), 4U);
  EXPECT_EQ(token.at("top_logprobs").as_array().size(), 1U);
  EXPECT_FALSE(token.as_object().contains("id"));
  request.sampling.logprobs = false;
  EXPECT_TRUE(read(request, recorded("chat_logprobs.sse")).sink.logprobs.empty());
}

TEST(LlamaReader, GivesLegacyLogprobsForText) {
  Request request = text();
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 2;
  const Read got = read(request, recorded("text_logprobs.sse"));
  ASSERT_EQ(got.sink.logprobs.size(), 3U);
  const auto tree = boost::json::parse(got.sink.logprobs[2]);
  EXPECT_EQ(tree.at("tokens").at(0), " city");
  EXPECT_EQ(tree.at("text_offset").at(0), 5);  // after ", the"
  EXPECT_EQ(tree.at("top_logprobs").at(0).as_object().size(), 2U);
}

TEST(LlamaReader, GivesLogprobsOfTokensWithoutAName) {
  Request request = text();
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 2;
  const Read got = read(
      request,
      R"(data: {"choices":[{"text":"a","logprobs":{"content":[{"logprob":-1,"top_logprobs":[{"logprob":-1}]}]}}]})"
      "\n\ndata: [DONE]\n\n");
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(boost::json::parse(got.sink.logprobs.at(0)).at("top_logprobs").at(0).at("").to_number<double>(),
            -1);
}

TEST(LlamaReader, TurnsTextThatASchemaForcedIntoAToolCall) {
  Request request = chat();
  request.tools = {tool("get_weather")};
  request.tool_choice.kind = ToolChoice::Kind::kRequired;
  const Read got = read(request, recorded("chat_schema.sse"));
  ASSERT_TRUE(got.outcome);
  EXPECT_TRUE(got.sink.text.empty());
  const KeptCall& call = got.sink.calls.at({0, 0});
  EXPECT_EQ(call.name, "get_weather");
  EXPECT_THAT(call.id, StartsWith("call_7xhODZykvsbi"));
  EXPECT_EQ(boost::json::parse(call.arguments), boost::json::parse(R"({"city": "Paris"})"));
  EXPECT_GT(call.pieces, 2);
  EXPECT_EQ(got.sink.finish.at(0), FinishReason::kToolCalls);
}

TEST(LlamaReader, TurnsAChoiceAmongToolsIntoACallOfTheChosenOne) {
  Request request = chat();
  request.tools = {tool("get_weather"), tool("get_time")};
  request.tool_choice.kind = ToolChoice::Kind::kRequired;
  const Read got = read(request, recorded("chat_tool_choice.sse"), 200, "text/event-stream", 11);
  const KeptCall& call = got.sink.calls.at({0, 0});
  EXPECT_EQ(call.name, "get_weather");
  EXPECT_EQ(boost::json::parse(call.arguments), boost::json::parse(R"({"city": "Paris"})"));
  EXPECT_TRUE(got.sink.text.empty());
}

TEST(LlamaReader, EchoesThePromptOnceBeforeEachChoice) {
  Request request = text();
  request.echo = true;
  request.sampling.choices = 2;
  const Read got = read(request, recorded("text_two_choices.sse"));
  EXPECT_EQ(got.sink.text.at(0), "Once upon a time, the");
  EXPECT_EQ(got.sink.text.at(1), "Once upon a time, the");
}

TEST(LlamaReader, ReportsAStreamThatEndsEarlyAsUnavailable) {
  const std::string body = recorded("chat.sse");
  for (const std::size_t cut : {std::size_t{0}, std::size_t{100}, body.size() / 2, body.size() - 4}) {
    const Read got = read(chat(), std::string_view(body).substr(0, cut));
    ASSERT_FALSE(got.outcome) << cut;
    EXPECT_EQ(got.outcome.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(got.sink.usages, 0);
  }
}

TEST(LlamaReader, GivesAnErrorInTheMiddleOfAStream) {
  const std::string body = recorded("chat.sse");
  const std::string start = body.substr(0, body.find("data: ", 2000));
  const Read got = read(
      chat(),
      start + "data: {\"error\":{\"code\":500,\"message\":\"decode failed\",\"type\":\"server_error\"}}\n\n" +
          "data: [DONE]\n\n");
  ASSERT_TRUE(got.error);
  EXPECT_TRUE(got.outcome);
  EXPECT_EQ(got.error->status, 502);
  EXPECT_EQ(got.error->code, "engine_error");
  EXPECT_EQ(got.sink.usages, 0);
}

TEST(LlamaReader, RefusesBrokenAndOversizedEvents) {
  for (const char* event : {"data: {\n\n", "data: []\n\n", "data: {\"choices\":[3]}\n\n",
                            "data: {\"choices\":[{\"index\":1}]}\n\n",
                            "data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n"}) {
    const Read got = read(chat(), event);
    ASSERT_FALSE(got.outcome) << event;
    EXPECT_EQ(got.outcome.error().code, ErrorCode::kCorrupt) << event;
  }
  const Read huge = read(chat(), "data: " + std::string((1 << 20) + 1, 'x'), 200, "text/event-stream", 4096);
  ASSERT_FALSE(huge.outcome);
  EXPECT_EQ(huge.outcome.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read(chat(), "<html>", 200, "text/html").outcome.error().code, ErrorCode::kCorrupt);
}

TEST(LlamaReader, ReadsEmbeddings) {
  Request request;
  request.task = Task::kEmbed;
  request.inputs = {"hi", "there"};
  const Read got = read(request, recorded("embeddings.json"), 200, "application/json; charset=utf-8", 100);
  ASSERT_TRUE(got.outcome) << got.outcome.error().message;
  ASSERT_EQ(got.sink.embeddings.size(), 2U);
  EXPECT_EQ(got.sink.embeddings.at(0).size(), 576U);
  EXPECT_FLOAT_EQ(got.sink.embeddings.at(0)[0], -0.013158156536519527F);
  EXPECT_EQ(got.sink.usage.input, 2);
  EXPECT_EQ(got.sink.usage.output, 0);
  request.inputs = {"hi"};
  EXPECT_EQ(read(request, recorded("embeddings.json"), 200, "application/json").outcome.error().code,
            ErrorCode::kCorrupt);
}

struct ErrorCase {
  const char* file;
  int status;
  Task task;
  int want_status;
  const char* want_code;
  const char* want_param;
  const char* want_words;
};

TEST(LlamaReader, MendsTheEnginesErrors) {
  const ErrorCase cases[] = {
      {"error_context.json", 400, Task::kChat, 400, "context_length_exceeded", "messages",
       "maximum context length is 2048 tokens. However, your messages resulted in 3031 tokens"},
      {"error_context.json", 400, Task::kText, 400, "context_length_exceeded", "prompt", "2048"},
      {"error_embedding_too_long.json", 500, Task::kEmbed, 400, "context_length_exceeded", "input",
       "length is 512 tokens. However, your input resulted in 3001"},
      {"error_schema.json", 400, Task::kChat, 400, "invalid_value", "response_format",
       "unrecognized type foo"},
      {"error_schema_reference.json", 400, Task::kChat, 400, "unsupported_parameter", "response_format",
       "unsupported $ref"},
      {"error_grammar.json", 400, Task::kChat, 400, "unsupported_parameter", "response_format",
       "JSON schema"},
      {"error_choices.json", 400, Task::kChat, 400, "unsupported_parameter", "n", "'n'"},
      {"error_no_embeddings.json", 501, Task::kEmbed, 400, "unsupported_model", "model", "embeddings"},
      {"error_empty_input.json", 400, Task::kEmbed, 400, "invalid_value", "input", "empty"},
      {"error_not_found.json", 404, Task::kChat, 502, "engine_error", "", "path"},
  };
  for (const ErrorCase& one : cases) {
    Request request = one.task == Task::kText ? text() : chat();
    request.task = one.task;
    const Read got = read(request, recorded(one.file), one.status, "application/json; charset=utf-8");
    ASSERT_TRUE(got.outcome) << one.file;
    ASSERT_TRUE(got.error) << one.file;
    EXPECT_EQ(got.error->status, one.want_status) << one.file;
    EXPECT_EQ(got.error->code, one.want_code) << one.file;
    EXPECT_EQ(got.error->param, one.want_param) << one.file;
    EXPECT_EQ(got.error->type, one.want_status == 400 ? "invalid_request_error" : "server_error");
    EXPECT_THAT(got.error->message, HasSubstr(one.want_words)) << one.file;
  }
}

TEST(LlamaReader, NamesTheSchemaThatTheEngineCouldNotEnforce) {
  const auto named = [](const Request& request) {
    const Read got = read(request, recorded("error_grammar.json"), 400, "application/json");
    return got.error ? got.error->param : "no error";
  };
  Request request = chat();
  request.tools = {tool("f"), tool("g")};
  EXPECT_EQ(named(request), "tools");
  request.tool_choice = {ToolChoice::Kind::kRequired, ""};
  EXPECT_EQ(named(request), "tools");
  request.tool_choice = {ToolChoice::Kind::kNamed, "g"};
  EXPECT_EQ(named(request), "tools[1].function.parameters");
  request.tools.pop_back();
  request.tool_choice = {ToolChoice::Kind::kRequired, ""};
  EXPECT_EQ(named(request), "tools[0].function.parameters");
  request.format.kind = ResponseFormat::Kind::kJsonSchema;
  EXPECT_EQ(named(request), "tools[0].function.parameters") << "the tool is what is enforced";
  request.tool_choice = {};
  EXPECT_EQ(named(request), "response_format");
}

TEST(LlamaReader, SaysThatAnEngineWhichIsLoadingIsUnavailable) {
  const Read got =
      read(chat(), R"({"error":{"message":"Loading model","type":"unavailable_error","code":503}})", 503,
           "application/json");
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->status, 503);
  EXPECT_EQ(got.error->code, "engine_unavailable");
}

TEST(LlamaReader, CountsTheTokensThatWereReasoning) {
  const auto chunk = [](const char* key, const char* text, int made) {
    return fmt::format(
        R"(data: {{"choices":[{{"index":0,"delta":{{"{}":"{}"}}}}],"timings":{{"predicted_n":{}}}}})"
        "\n\n",
        key, text, made);
  };
  const Read got =
      read(chat(), chunk("reasoning_content", "h", 2) + chunk("reasoning_content", "m", 3) +
                       chunk("content", "yes", 5) +
                       "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                       "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":6}}\n\n"
                       "data: [DONE]\n\n");
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(got.sink.usage.output, 6);
  EXPECT_EQ(got.sink.usage.reasoning, 3);
  const Read cut = read(chat(), chunk("reasoning_content", "h", 2) + chunk("reasoning_content", "m", 3));
  EXPECT_EQ(cut.sink.reasoning_so_far, 3) << "told on the way";
}

TEST(LlamaReader, KeepsReasoningApart) {
  const Read got = read(
      chat(),
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\n"
      "data: [DONE]\n\n");
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(got.sink.reasoning.at(0), "hm");
  EXPECT_EQ(got.sink.text.at(0), "yes");
}

}  // namespace
}  // namespace millrace::engine
