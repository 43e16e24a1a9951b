#include "engine/openai/openai_adapter.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "engine/sink_test_util.h"

namespace millrace::engine {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

Request chat(bool stream = false) {
  Request request;
  request.endpoint = "fast";
  request.messages.push_back({.content = {{ContentPart::Kind::kText, "Hello, world"}}});
  request.stream = stream;
  return request;
}

json::value rendered(const Request& request, const Target& target) {
  const auto call = make_openai_adapter()->render(request, target);
  EXPECT_TRUE(call);
  return call ? json::parse(call->body) : json::value();
}

struct Read {
  KeepingSink sink;
  Result<void> outcome;
  std::optional<EngineError> error;
};

Read read(const Request& request, std::string_view body, int status = 200,
          std::string_view type = "application/json", std::size_t step = std::string::npos) {
  Read read;
  const auto reader = make_openai_adapter()->reader(request, {});
  reader->head(status, type);
  read.outcome = read_all(*reader, body, read.sink, step);
  read.error = reader->error();
  return read;
}

Read events(const Request& request, std::string_view body) {
  return read(request, body, 200, "text/event-stream; charset=utf-8");
}

constexpr std::string_view kWhole =
    R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":)"
    R"({"role":"assistant","content":"Hi there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,)"
    R"("completion_tokens":4,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":3},)"
    R"("completion_tokens_details":{"reasoning_tokens":1}}})";

TEST(OpenAiRequest, AsksAsTheClientAskedWithUsageIncluded) {
  const Target target{.model = "meta/llama", .path_prefix = "/v1"};
  const auto call = make_openai_adapter()->render(chat(), target);
  EXPECT_EQ(call->path, "/v1/chat/completions");
  const json::value whole = json::parse(call->body);
  EXPECT_EQ(whole.at("model"), "meta/llama");
  EXPECT_FALSE(whole.as_object().contains("stream"));
  const json::value streamed = rendered(chat(true), target);
  EXPECT_EQ(streamed.at("stream"), true);
  EXPECT_EQ(streamed.at("stream_options").at("include_usage"), true);
}

TEST(OpenAiRequest, CarriesToolsImagesFormatAndSampling) {
  Request request = chat();
  request.messages[0].content.push_back({ContentPart::Kind::kImageUrl, "https://x/y.png"});
  request.messages.push_back({.role = Message::Role::kAssistant, .tool_calls = {{"c1", "f", "{\"a\":1}"}}});
  request.messages.push_back(
      {.role = Message::Role::kTool, .content = {{ContentPart::Kind::kText, "2"}}, .tool_call_id = "c1"});
  request.tools.push_back({"f", "d", R"({"type":"object"})", true});
  request.tool_choice = {ToolChoice::Kind::kNamed, "f"};
  request.format = {ResponseFormat::Kind::kJsonSchema, "s", R"({"type":"object"})", true};
  request.sampling.seed = -5;
  request.sampling.logit_bias = {{50256, -100}};
  request.sampling.repeat_penalty = 1.5;
  request.reasoning_effort = "low";
  const json::value body = rendered(request, {});
  EXPECT_EQ(body.at("model"), "fast");
  EXPECT_EQ(body.at("messages").at(0).at("content").at(1).at("image_url").at("url"), "https://x/y.png");
  EXPECT_TRUE(body.at("messages").at(1).at("content").is_null());
  EXPECT_EQ(body.at("messages").at(1).at("tool_calls").at(0).at("function").at("arguments"), "{\"a\":1}");
  EXPECT_EQ(body.at("messages").at(2).at("tool_call_id"), "c1");
  EXPECT_EQ(body.at("tools").at(0).at("function").at("strict"), true);
  EXPECT_EQ(body.at("tool_choice").at("function").at("name"), "f");
  EXPECT_EQ(body.at("response_format").at("json_schema").at("name"), "s");
  EXPECT_EQ(body.at("seed"), -5);
  EXPECT_EQ(body.at("logit_bias").at("50256").to_number<double>(), -100);
  EXPECT_EQ(body.at("repetition_penalty"), 1.5);
  EXPECT_EQ(body.at("reasoning_effort"), "low");
}

TEST(OpenAiRequest, RendersTextAndEmbeddings) {
  Request text;
  text.task = Task::kText;
  text.prompts = {"a\"b"};
  text.echo = true;
  text.suffix = "z";
  EXPECT_EQ(rendered(text, {}).at("prompt"), "a\"b");
  EXPECT_EQ(rendered(text, {}).at("suffix"), "z");
  text.prompts = {"a", "b"};
  EXPECT_EQ(rendered(text, {}).at("prompt"), json::array({"a", "b"}));
  Request embed;
  embed.task = Task::kEmbed;
  embed.inputs = {"a", "b"};
  embed.dimensions = 8;
  EXPECT_EQ(make_openai_adapter()->render(embed, {})->path, "/embeddings");
  EXPECT_EQ(rendered(embed, {}).at("input"), json::array({"a", "b"}));
  EXPECT_EQ(rendered(embed, {}).at("dimensions"), 8);
  EXPECT_FALSE(make_openai_adapter()->render_count(embed, {}));
}

TEST(OpenAiReader, ReadsAWholeAnswerInAnyPieces) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
    const Read got = read(chat(), kWhole, 200, "application/json", step);
    ASSERT_TRUE(got.outcome);
    EXPECT_EQ(got.sink.log, "p10/10,3,4 t0:Hi there f0:0 u10,3,4 ");
    EXPECT_EQ(got.sink.usage.reasoning, 1);
    EXPECT_FALSE(got.sink.usage.estimated);
  }
}

TEST(OpenAiReader, TellsTheStopSequenceWhereTheUpstreamDoes) {
  for (const std::string name : {"stop_reason", "matched_stop"}) {
    const auto answer = [&](const std::string& value) {
      return fmt::format(
          R"({{"id":"x","choices":[{{"index":0,"message":{{"role":"assistant","content":"Hi"}},"finish_reason":"stop","{}":{}}}]}})",
          name, value);
    };
    Request request = chat();
    EXPECT_TRUE(read(request, answer("\"END\""), 200, "application/json").sink.stops.empty());
    request.tell_stop = true;
    EXPECT_EQ(read(request, answer("\"END\""), 200, "application/json").sink.stops.at(0), "END");
    EXPECT_TRUE(read(request, answer("128009"), 200, "application/json").sink.stops.empty());
  }
}

TEST(OpenAiReader, ReadsAStreamWithToolCallsAndReasoningUnderEitherName) {
  const Read got = events(
      chat(true),
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"reasoning\":\"a\"}}]}"
      "\r\n\r\n"
      ": keep-alive\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"b\"}}],\"usage\":null}\n\n"
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"type\":\"function\","
      "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n"
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{"
      "\"name\":\"f\","
      "\"arguments\":\"{}\"}}]}}]}\n\n"
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"y\",\"function\":{"
      "\"name\":\"g\","
      "\"arguments\":\"{\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n"
      "data: "
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,\"prompt_tokens_details\":null}"
      "}\n\n"
      "data: [DONE]\n\n");
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(got.sink.reasoning.at(0), "ab");
  const KeptCall& first = got.sink.calls.at({0, 0});
  EXPECT_EQ(first.id, "x");
  EXPECT_EQ(first.arguments, "{}");
  EXPECT_THAT(got.sink.log, HasSubstr("c0.0:x,f, "));
  EXPECT_THAT(got.sink.log, HasSubstr("c0.0:,,{} "));  // id and name on the first piece only
  EXPECT_EQ(got.sink.calls.at({0, 1}).name, "g");
  EXPECT_EQ(got.sink.finish.at(0), FinishReason::kToolCalls);
  EXPECT_EQ(got.sink.usage.input, 7);
  EXPECT_EQ(got.sink.usage.output, 9);
  EXPECT_FALSE(got.sink.finished_twice);
}

TEST(OpenAiReader, CountsToolCallsOfServersThatLeaveOutIdsAndIndexes) {
  const Read got = read(
      chat(),
      R"({"choices":[{"message":{"content":null,"tool_calls":[)"
      R"({"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"g","arguments":"{}"}}]}}]})");
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(got.sink.calls.at({0, 0}).arguments, R"({"a":1})");
  EXPECT_EQ(got.sink.calls.at({0, 0}).id, "call_0_0");
  EXPECT_EQ(got.sink.calls.at({0, 1}).name, "g");
}

TEST(OpenAiReader, ReadsContentInParts) {
  const Read got = read(
      chat(),
      R"({"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},)"
      R"({"type":"text","text":"yes"}]}}]})");
  EXPECT_EQ(got.sink.reasoning.at(0), "hm");
  EXPECT_EQ(got.sink.text.at(0), "yes");
}

TEST(OpenAiReader, EstimatesUsageThatWasNotStatedAndSaysSo) {
  const Read got =
      events(chat(true),
             "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
             "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n"
             "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
  ASSERT_TRUE(got.outcome);
  EXPECT_TRUE(got.sink.usage.estimated);
  EXPECT_EQ(got.sink.usage.output, 2);  // a piece is a token at least
  EXPECT_EQ(got.sink.usage.input, 3);   // "Hello, world"
  EXPECT_THAT(got.sink.log, HasSubstr("p3/0,0,1 t0:a p3/0,0,2 t0:b "));
}

TEST(OpenAiReader, EstimatesReasoningAsPartOfTheOutput) {
  const Read got =
      events(chat(true),
             "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"
             "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"twenty-one bytes here\"}}]}\n\n"
             "data: {\"choices\":[{\"delta\":{\"content\":\"yes\"}}]}\n\n"
             "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(got.sink.usage.reasoning, 6);  // 23 bytes
  EXPECT_EQ(got.sink.usage.output, 7);     // 26
  EXPECT_EQ(got.sink.reasoning_so_far, 6) << "told on the way";
}

TEST(OpenAiReader, ReportsAnAnswerThatWasCutShort) {
  EXPECT_EQ(
      events(chat(true), "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n").outcome.error().code,
      ErrorCode::kUnavailable);
  EXPECT_EQ(read(chat(), "").outcome.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(read(chat(), kWhole.substr(0, 100)).outcome.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read(chat(), R"({"choices":[]})").outcome.error().code, ErrorCode::kCorrupt);
}

TEST(OpenAiReader, PassesOnWhatTheUpstreamRefusesButNotWhatItSaysOfKeys) {
  const Read context = read(
      chat(),
      R"({"error":{"message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","param":null,"code":400}})",
      400);
  EXPECT_EQ(context.error->code, "context_length_exceeded");
  EXPECT_EQ(context.error->param, "messages");
  const Read bad = read(
      chat(), R"({"object":"error","message":"top_k is odd","type":"x","param":"top_k","code":400})", 422);
  EXPECT_EQ(bad.error->status, 400);
  EXPECT_EQ(bad.error->param, "top_k");
  EXPECT_THAT(bad.error->message, HasSubstr("top_k is odd"));
  const Read key = read(chat(), R"({"error":{"message":"Incorrect API key provided: sk-secret"}})", 401);
  EXPECT_EQ(key.error->status, 502);
  EXPECT_THAT(key.error->message, Not(HasSubstr("sk-secret")));
  EXPECT_EQ(read(chat(), "slow down", 429).error->status, 429);
  EXPECT_EQ(read(chat(), "", 503).error->status, 503);
  EXPECT_EQ(read(chat(), "<html>", 500, "text/html").error->status, 502);
}

TEST(OpenAiReader, GivesAnErrorInTheMiddleOfAStream) {
  const Read got = events(chat(true),
                          "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
                          "event: error\ndata: overloaded\n\ndata: [DONE]\n\n");
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->status, 502);
  EXPECT_EQ(got.sink.usages, 0);
  EXPECT_TRUE(events(chat(true), "data: {\"error\":{\"message\":\"x\",\"code\":503}}\n\n").error);
}

TEST(OpenAiReader, ReadsEmbeddingsInAnyOrderAndEitherForm) {
  Request request;
  request.task = Task::kEmbed;
  request.inputs = {"a", "b"};
  const Read got = read(
      request,
      R"({"data":[{"index":1,"embedding":[1,2.5]},{"index":0,"embedding":"AACAPwAAAMA="}],"usage":{"prompt_tokens":2,"total_tokens":2}})");
  ASSERT_TRUE(got.outcome);
  EXPECT_EQ(got.sink.embeddings.at(0), (std::vector<float>{1.0F, -2.0F}));
  EXPECT_EQ(got.sink.embeddings.at(1), (std::vector<float>{1.0F, 2.5F}));
  EXPECT_EQ(got.sink.usage.input, 2);
  for (const char* broken : {R"({"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]})",
                             R"({"data":[{"embedding":["x"]},{"embedding":[1]}]})",
                             R"({"data":[{"embedding":[]},{"embedding":[1]}]})",
                             R"({"data":[{"embedding":"AAA"},{"embedding":[1]}]})",
                             R"({"data":[{"embedding":[1e39]},{"embedding":[1]}]})"}) {
    EXPECT_EQ(read(request, broken).outcome.error().code, ErrorCode::kCorrupt) << broken;
  }
}

}  // namespace
}  // namespace millrace::engine
