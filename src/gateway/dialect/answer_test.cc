// Golden answers: the bytes that clients of each dialect get for the same engine events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/dialect/json_out.h"
#include "gateway/dialect/test_support.h"

namespace millrace::gateway::dialect {
namespace {

using engine::FinishReason;
using testing::ElementsAre;

const std::string kChat = R"({"model":"smol","messages":[{"role":"user","content":"hi"}])";

std::unique_ptr<Answer> answer_to(const Dialect& dialect, const std::string& body) {
  const auto parsed = dialect.parse(body);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return dialect.answer(*parsed, test_meta());
}

std::vector<std::string> names_of(const std::vector<TestEvent>& events) {
  std::vector<std::string> names;
  for (const auto& event : events) names.push_back(event.name);
  return names;
}

// Reasoning, text in two pieces, and the end: what a model with reasoning says.
void say(Answer& to) {
  to.on_progress({.input = 20, .cached = 8, .output = 1}, 20);
  to.on_reasoning(0, "hm");
  to.on_text(0, "Par");
  to.on_text(0, "is\"\n");
  to.on_finish(0, FinishReason::kStop);
}

TEST(Footprint, FiguresAreExactDecimalsWithoutNeedlessZeros) {
  const auto millrace_of = [](std::optional<std::int64_t> energy_uj, std::int64_t cost_microeur) {
    std::string out;
    append_usage(out, UsageShape::kOpenAiEmbeddings, {},
                 {.energy_uj = energy_uj,
                  .co2e_ug = {},
                  .cost_microeur = cost_microeur,
                  .site = "s",
                  .zone = "FR",
                  .basis = "b"});
    const auto from = out.find("\"energy_j\"");
    return out.substr(from, out.find(",\"site\"") - from);
  };
  EXPECT_EQ(millrace_of(std::nullopt, 0), R"("energy_j":null,"co2e_g":null,"cost_eur":0)");
  EXPECT_EQ(millrace_of(1, 1'000'000), R"("energy_j":0.000001,"co2e_g":null,"cost_eur":1)");
  EXPECT_EQ(millrace_of(1'234'560, 10'000'010), R"("energy_j":1.23456,"co2e_g":null,"cost_eur":10.00001)");
  EXPECT_EQ(millrace_of(INT64_MAX, 100'000),
            R"("energy_j":9223372036854.775807,"co2e_g":null,"cost_eur":0.1)");
}

TEST(ChatAnswer, AWholeAnswerKeepsReasoningApartAndCarriesUsageAndFootprint) {
  const auto answer = answer_to(*make_chat(), kChat + "}");
  say(*answer);
  EXPECT_EQ(answer->content_type(), "application/json");
  EXPECT_FALSE(answer->started());
  EXPECT_EQ(answer->take(), "");
  EXPECT_EQ(
      answer->finish(kUsage, kFootprint),
      R"({"id":"chatcmpl-01TEST","object":"chat.completion","created":1700000000,"model":"smol","choices":[)"
      R"({"index":0,"message":{"role":"assistant","content":"Paris\"\n","refusal":null,"reasoning_content":"hm"},)"
      R"("logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25,)"
      R"("prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":2},)" +
          kMillrace + "}}");
}

TEST(ChatAnswer, AStreamIsChunksThenUsageWhenAskedForThenDone) {
  const auto answer =
      answer_to(*make_chat(), kChat + R"(,"stream":true,"stream_options":{"include_usage":true}})");
  answer->on_progress({.input = 20, .cached = 8}, 20);
  EXPECT_FALSE(answer->started());
  EXPECT_EQ(answer->take(), "");
  answer->on_text(0, "Paris");
  EXPECT_TRUE(answer->started());
  const std::string head =
      R"(data: {"id":"chatcmpl-01TEST","object":"chat.completion.chunk","created":1700000000,"model":"smol","choices":[)";
  EXPECT_EQ(
      answer->take(),
      head +
          R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null})" +
          "\n\n" + head +
          R"({"index":0,"delta":{"content":"Paris"},"logprobs":null,"finish_reason":null}],"usage":null})" +
          "\n\n");
  answer->on_finish(0, FinishReason::kLength);
  EXPECT_EQ(
      answer->finish(kUsage, kFootprint),
      head + R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}],"usage":null})" + "\n\n" +
          head +
          R"(],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25,"prompt_tokens_details":{"cached_tokens":8},)"
          R"("completion_tokens_details":{"reasoning_tokens":2},)" +
          kMillrace + "}}\n\ndata: [DONE]\n\n");
}

TEST(ChatAnswer, AStreamWithoutIncludeUsageHasNoUsageAtAll) {
  const auto answer = answer_to(*make_chat(), kChat + R"(,"stream":true})");
  say(*answer);
  const auto bytes = answer->finish(kUsage, kFootprint);
  EXPECT_EQ(bytes.find("usage"), std::string::npos);
  const auto events = split_events(bytes);
  ASSERT_EQ(events.size(), 6U);  // role, reasoning, two texts, finish, [DONE]
  EXPECT_EQ(events[1].json().at("choices").at(0).at("delta").at("reasoning_content").as_string(), "hm");
  EXPECT_EQ(events[5].data, "[DONE]");
}

TEST(ChatAnswer, ToolCallsComeWholeAndInPieces) {
  const std::string tools = R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
  for (const bool stream : {false, true}) {
    const auto answer = answer_to(*make_chat(), kChat + tools + (stream ? R"(,"stream":true})" : "}"));
    answer->on_tool_call(0, 0, "call_1", "f", "");
    answer->on_tool_call(0, 0, "", "", R"({"a":)");
    answer->on_tool_call(0, 0, "", "", "1}");
    answer->on_finish(0, FinishReason::kToolCalls);
    const auto bytes = answer->finish(kUsage, kFootprint);
    if (!stream) {
      EXPECT_THAT(
          bytes,
          testing::HasSubstr(
              R"("content":null,"refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":)"
              R"({"name":"f","arguments":"{\"a\":1}"}}]},"logprobs":null,"finish_reason":"tool_calls")"));
      continue;
    }
    const auto events = split_events(bytes);
    ASSERT_EQ(events.size(), 6U);
    const auto delta = [&](std::size_t i) {
      return boost::json::serialize(events[i].json().at("choices").at(0).at("delta"));
    };
    EXPECT_EQ(
        delta(1),
        R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]})");
    EXPECT_EQ(delta(2), R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]})");
  }
}

TEST(ChatAnswer, LogprobsStandWithTheTextTheyBelongToAndAreJoinedInAWholeAnswer) {
  for (const bool stream : {false, true}) {
    const auto answer =
        answer_to(*make_chat(), kChat + R"(,"logprobs":true)" + (stream ? R"(,"stream":true})" : "}"));
    answer->on_logprobs(0, R"({"content":[{"token":"a"}]})");
    answer->on_text(0, "a");
    answer->on_logprobs(0, R"({"content":[{"token":"b"}]})");
    answer->on_text(0, "b");
    answer->on_finish(0, FinishReason::kStop);
    const auto bytes = answer->finish(kUsage, kFootprint);
    if (stream) {
      const auto events = split_events(bytes);
      EXPECT_EQ(boost::json::serialize(events[2].json().at("choices").at(0).at("logprobs")),
                R"({"content":[{"token":"b"}]})");
    } else {
      EXPECT_THAT(bytes, testing::HasSubstr(R"("logprobs":{"content":[{"token":"a"},{"token":"b"}]})"));
    }
  }
}

TEST(ChatAnswer, EveryChoiceThatWasAskedForAndNoOtherIsAnswered) {
  const auto answer = answer_to(*make_chat(), kChat + R"(,"n":2})");
  for (const int choice : {1, 0, 2, -1, 1000000}) answer->on_text(choice, fmt::format("c{}", choice));
  const auto body = boost::json::parse(answer->finish(kUsage, kFootprint));
  ASSERT_EQ(body.at("choices").as_array().size(), 2U);
  EXPECT_EQ(body.at("choices").at(1).at("message").at("content").as_string(), "c1");
}

TEST(ChatAnswer, AFailureAfterTheFirstByteIsAnErrorEventWithoutDone) {
  const auto answer = answer_to(*make_chat(), kChat + R"(,"stream":true})");
  answer->on_text(0, "Pa");
  answer->take();
  EXPECT_EQ(answer->fail({502, "server_error", "engine_error", "", "gone"}),
            "data: "
            "{\"error\":{\"message\":\"gone\",\"type\":\"server_error\",\"param\":null,\"code\":\"engine_"
            "error\"}}\n\n");
}

TEST(TextAnswer, WholeAndStreamed) {
  const auto dialect = make_completions();
  const auto whole = answer_to(*dialect, R"({"model":"smol","prompt":"hi"})");
  say(*whole);
  EXPECT_THAT(
      whole->finish(kUsage, kFootprint),
      testing::StartsWith(
          R"({"id":"cmpl-01TEST","object":"text_completion","created":1700000000,"model":"smol","choices":[)"
          R"({"text":"Paris\"\n","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":20,)"));
  const auto stream = answer_to(*dialect, R"({"model":"smol","prompt":"hi","stream":true})");
  say(*stream);
  const auto events = split_events(stream->finish(kUsage, kFootprint));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(
      events[0].data,
      R"({"id":"cmpl-01TEST","object":"text_completion","created":1700000000,"model":"smol","choices":[)"
      R"({"text":"Par","index":0,"logprobs":null,"finish_reason":null}]})");
  EXPECT_EQ(events[2].json().at("choices").at(0).at("finish_reason").as_string(), "stop");
  EXPECT_EQ(events[3].data, "[DONE]");
}

TEST(TextAnswer, ChoicesOfTheSecondPromptFollowThoseOfTheFirst) {
  const auto dialect = make_completions();
  for (const bool stream : {false, true}) {
    const auto answer = answer_to(*dialect, R"({"model":"smol","prompt":["a","b"],"n":2,"stream":)" +
                                                std::string(stream ? "true}" : "false}"));
    for (const int choice : {3, 0, 2, 1, 4}) answer->on_text(choice, fmt::format("text {}", choice));
    const auto bytes = answer->finish(kUsage, kFootprint);
    for (int choice = 0; choice < 4; ++choice) {
      EXPECT_TRUE(bytes.contains(fmt::format(R"({{"text":"text {0}","index":{0},)", choice))) << bytes;
    }
    EXPECT_FALSE(bytes.contains("text 4"));
  }
}

TEST(MessageAnswer, TheStopSequenceThatEndedItIsNamed) {
  const auto dialect = make_messages();
  const std::string body = R"({"model":"smol","max_tokens":9,"messages":[{"role":"user","content":"hi"}],)"
                           R"("stop_sequences":["EN\"D"],"stream":)";
  for (const bool stream : {false, true}) {
    for (const bool met : {false, true}) {
      const auto answer = answer_to(*dialect, body + (stream ? "true}" : "false}"));
      answer->on_text(0, "Hi");
      if (met) answer->on_stop(0, "EN\"D");
      answer->on_finish(0, engine::FinishReason::kStop);
      const auto bytes = answer->finish(kUsage, kFootprint);
      EXPECT_TRUE(bytes.contains(met ? R"("stop_reason":"stop_sequence","stop_sequence":"EN\"D")"
                                     : R"("stop_reason":"end_turn","stop_sequence":null)"))
          << bytes;
    }
  }
}

TEST(EmbeddingAnswer, NumbersAndBase64SayTheSame) {
  const auto dialect = make_embeddings();
  const auto numbers = answer_to(*dialect, R"({"model":"smol","input":["a","b"]})");
  numbers->on_embedding(1, {0.5F, -1.25F});
  numbers->on_embedding(0, {1.0F, 0.1F});
  numbers->on_embedding(2, {9.0F});  // was not asked for
  EXPECT_EQ(
      numbers->finish({.input = 4}, kFootprint),
      R"({"id":"embd-01TEST","object":"list","data":[{"object":"embedding","index":0,"embedding":[1,0.1]},)"
      R"({"object":"embedding","index":1,"embedding":[0.5,-1.25]}],"model":"smol","usage":{"prompt_tokens":4,"total_tokens":4,)" +
          kMillrace + "}}");
  const auto base64 = answer_to(*dialect, R"({"model":"smol","input":"a","encoding_format":"base64"})");
  base64->on_embedding(0, {0.5F, -1.25F});
  EXPECT_THAT(base64->finish({.input = 4}, kFootprint), testing::HasSubstr(R"("embedding":"AAAAPwAAoL8=")"));
}

TEST(ResponseAnswer, TheStreamHasTheWholeSequenceOfEventsInOrder) {
  const auto answer = answer_to(*make_responses(), R"({"model":"smol","input":"hi","stream":true})");
  say(*answer);
  const auto events = split_events(answer->finish(kUsage, kFootprint));
  EXPECT_THAT(
      names_of(events),
      ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                  "response.content_part.added", "response.reasoning_text.delta",
                  "response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
                  "response.output_item.added", "response.content_part.added", "response.output_text.delta",
                  "response.output_text.delta", "response.output_text.done", "response.content_part.done",
                  "response.output_item.done", "response.completed"));
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto data = events[i].json();
    EXPECT_EQ(data.at("type").as_string(), events[i].name);
    EXPECT_EQ(data.at("sequence_number").as_int64(), static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(
      events[10].data,
      R"({"type":"response.output_text.delta","sequence_number":10,"item_id":"msg_01TEST_1","output_index":1,)"
      R"("content_index":0,"delta":"Par","logprobs":[]})");
  const auto last = events.back().json().at("response");
  EXPECT_EQ(last.at("status").as_string(), "completed");
  EXPECT_EQ(last.at("output").at(1).at("content").at(0).at("text").as_string(), "Paris\"\n");
  EXPECT_EQ(last.at("usage").at("millrace").at("basis").as_string(), "modelled");
}

TEST(ResponseAnswer, AWholeAnswerIsTheObjectThatTheStreamEndsWith) {
  const std::string body =
      R"({"model":"smol","input":"hi","instructions":"be brief","metadata":{"k":"v"},"temperature":0.5)";
  const auto whole = answer_to(*make_responses(), body + "}");
  const auto stream = answer_to(*make_responses(), body + R"(,"stream":true})");
  say(*whole);
  say(*stream);
  const auto object = boost::json::parse(whole->finish(kUsage, kFootprint));
  EXPECT_EQ(object, split_events(stream->finish(kUsage, kFootprint)).back().json().at("response"));
  EXPECT_EQ(object.at("id").as_string(), "resp_01TEST");
  EXPECT_EQ(object.at("instructions").as_string(), "be brief");
  EXPECT_EQ(boost::json::serialize(object.at("metadata")), R"({"k":"v"})");
  EXPECT_FALSE(object.at("store").as_bool());
  EXPECT_EQ(object.at("usage").at("input_tokens").as_int64(), 20);
}

TEST(ResponseAnswer, FunctionCallsAndALimitOfTokens) {
  const auto answer =
      answer_to(*make_responses(),
                R"({"model":"smol","input":"hi","stream":true,"tools":[{"type":"function","name":"f"}]})");
  answer->on_tool_call(0, 0, "call_1", "f", "");
  answer->on_tool_call(0, 0, "", "", R"({"a":1)");
  answer->on_finish(0, FinishReason::kLength);
  const auto events = split_events(answer->finish(kUsage, kFootprint));
  EXPECT_THAT(names_of(events),
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.function_call_arguments.delta", "response.function_call_arguments.done",
                          "response.output_item.done", "response.incomplete"));
  EXPECT_EQ(
      boost::json::serialize(events[5].json().at("item")),
      R"({"id":"fc_01TEST_0","type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":1","status":"incomplete"})");
  EXPECT_EQ(events.back().json().at("response").at("incomplete_details").at("reason").as_string(),
            "max_output_tokens");
}

TEST(ResponseAnswer, AFailureEndsTheStreamWithErrorAndFailed) {
  const auto answer = answer_to(*make_responses(), R"({"model":"smol","input":"hi","stream":true})");
  answer->on_text(0, "Pa");
  const auto events = split_events(answer->fail({502, "server_error", "engine_error", "", "gone"}));
  ASSERT_GE(events.size(), 2U);
  EXPECT_EQ(events[events.size() - 2].name, "error");
  EXPECT_EQ(events.back().json().at("response").at("status").as_string(), "failed");
}

TEST(MessageAnswer, TheStreamHasTheWholeSequenceOfEventsInOrder) {
  const auto answer = answer_to(
      *make_messages(),
      R"({"model":"smol","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":true})");
  EXPECT_EQ(answer->keep_alive(), "");
  say(*answer);
  EXPECT_EQ(answer->keep_alive(), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
  const auto events = split_events(answer->finish(kUsage, kFootprint));
  EXPECT_THAT(names_of(events),
              ElementsAre("message_start", "ping", "content_block_start", "content_block_delta",
                          "content_block_stop", "content_block_start", "content_block_delta",
                          "content_block_delta", "content_block_stop", "message_delta", "message_stop"));
  EXPECT_EQ(
      events[0].data,
      R"({"type":"message_start","message":{"id":"msg_01TEST","type":"message","role":"assistant","model":"smol","content":[],)"
      R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,)"
      R"("cache_read_input_tokens":8,"output_tokens":1}}})");
  EXPECT_EQ(events[3].data,
            R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}})");
  EXPECT_EQ(events[6].data,
            R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Par"}})");
  EXPECT_EQ(
      events[9].data,
      R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":12,)"
      R"("cache_creation_input_tokens":0,"cache_read_input_tokens":8,"output_tokens":5,)" +
          kMillrace + "}}");
}

TEST(MessageAnswer, WholeAnswersAndToolsAndErrors) {
  const auto dialect = make_messages();
  const auto answer =
      answer_to(*dialect, R"({"model":"smol","max_tokens":9,"messages":[{"role":"user","content":"hi"}],)"
                          R"("tools":[{"name":"f","input_schema":{"type":"object"}}]})");
  answer->on_text(0, "ok");
  answer->on_tool_call(0, 0, "t1", "f", R"({"a":1})");
  answer->on_tool_call(0, 1, "t2", "f", R"({"a":)");  // cut short
  answer->on_finish(0, FinishReason::kToolCalls);
  EXPECT_THAT(
      answer->finish(kUsage, kFootprint),
      testing::StartsWith(
          R"({"id":"msg_01TEST","type":"message","role":"assistant","model":"smol","content":[{"type":"text","text":"ok"},)"
          R"({"type":"tool_use","id":"t1","name":"f","input":{"a":1}},{"type":"tool_use","id":"t2","name":"f","input":{}}],)"
          R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":12,)"));
  EXPECT_EQ(
      dialect->render_error({429, "rate_limit_error", "rate_limit_exceeded", "", "slow down"}, test_meta()),
      R"({"type":"error","error":{"type":"rate_limit_error","message":"slow down","code":"rate_limit_exceeded"},"request_id":"req_01TEST"})");
}

TEST(Answers, AnEngineThatSaysNothingStillGetsAWellFormedEnd) {
  for (const auto& dialect : make_dialects()) {
    for (const bool stream : {false, true}) {
      ParsedRequest parsed;
      parsed.request.stream = stream;
      parsed.request.inputs = {"a"};
      parsed.echo = R"("store":false)";
      const auto bytes = dialect->answer(parsed, test_meta())->finish({}, {});
      if (!stream || dialect->path() == "/v1/embeddings") {
        EXPECT_TRUE(boost::json::parse(bytes).is_object()) << dialect->path();
      } else {
        for (const auto& event : split_events(bytes)) event.json();
        EXPECT_TRUE(bytes.ends_with("\n\n")) << dialect->path();
      }
    }
  }
}

}  // namespace
}  // namespace millrace::gateway::dialect
