#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "engine/llama/llama_adapter.h"

namespace millrace::engine {
namespace {

namespace json = boost::json;

Message message(Message::Role role, std::string text) {
  return {.role = role, .content = {{ContentPart::Kind::kText, std::move(text)}}};
}

Request chat() {
  Request request;
  request.messages.push_back(message(Message::Role::kUser, "Weather in Paris?"));
  return request;
}

Request with_tools(ToolChoice choice) {
  Request request = chat();
  request.tools.push_back(
      {"get_weather", "Weather of a city",
       R"({"type":"object","properties":{"city":{"$ref":"#/$defs/City"}},"$defs":{"City":{"type":"string"}}})",
       false});
  request.tools.push_back({"get_time", "", "", false});
  request.tool_choice = std::move(choice);
  return request;
}

json::value rendered(const Request& request, const Target& target = {}) {
  const auto call = make_llama_adapter()->render(request, target);
  EXPECT_TRUE(call) << (call ? "" : call.error().message);
  return call ? json::parse(call->body) : json::value();
}

EngineError refused(const Request& request, const Target& target = {}) {
  const auto call = make_llama_adapter()->render(request, target);
  EXPECT_FALSE(call);
  return call ? EngineError{} : call.error();
}

TEST(LlamaRequest, AlwaysStreamsSoThatWorkCanBeCancelled) {
  const json::value body = rendered(chat());
  EXPECT_EQ(body.at("stream"), true);
  EXPECT_EQ(body.at("return_progress"), true);
  EXPECT_EQ(body.at("timings_per_token"), true);
  EXPECT_EQ(body.at("stream_options").at("include_usage"), true);
  EXPECT_FALSE(body.as_object().contains("model"));
}

TEST(LlamaRequest, CarriesEverySamplingParameter) {
  Request request = chat();
  request.sampling = {.max_tokens = 5,
                      .temperature = 0.5,
                      .top_p = 0.9,
                      .min_p = 0.1,
                      .presence_penalty = 1,
                      .frequency_penalty = -1,
                      .repeat_penalty = 1.1,
                      .top_k = 3,
                      .seed = -1,
                      .stop = {"a", "b"},
                      .logit_bias = {{7, -100}},
                      .logprobs = true,
                      .top_logprobs = 0,
                      .choices = 2};
  const json::value body = rendered(request);
  EXPECT_EQ(body.at("max_tokens"), 5);
  EXPECT_EQ(body.at("temperature"), 0.5);
  EXPECT_EQ(body.at("top_p"), 0.9);
  EXPECT_EQ(body.at("min_p"), 0.1);
  EXPECT_EQ(body.at("presence_penalty").to_number<double>(), 1);
  EXPECT_EQ(body.at("frequency_penalty").to_number<double>(), -1);
  EXPECT_EQ(body.at("repeat_penalty"), 1.1);
  EXPECT_EQ(body.at("top_k"), 3);
  EXPECT_EQ(body.at("seed"), 0xFFFFFFFE);  // the highest seed means "random" there
  EXPECT_EQ(body.at("stop"), json::array({"a", "b"}));
  EXPECT_EQ(body.at("logit_bias").at(0).at(0), 7);
  EXPECT_EQ(body.at("n"), 2);
  EXPECT_EQ(body.at("logprobs"), true);
  EXPECT_EQ(body.at("top_logprobs"), 1);  // 0 would give none at all
}

TEST(LlamaRequest, RefusesWhatTheEngineCannotHonour) {
  Request image = chat();
  image.messages[0].content.push_back({ContentPart::Kind::kImageUrl, "data:image/png;base64,AA"});
  EXPECT_EQ(refused(image).param, "messages");
  EXPECT_EQ(refused(Request{}).param, "messages");
  Request suffix;
  suffix.task = Task::kText;
  suffix.suffix = "x";
  EXPECT_EQ(refused(suffix).param, "suffix");
  Request echo;
  echo.task = Task::kText;
  echo.echo = true;
  EXPECT_TRUE(make_llama_adapter()->render(echo, {}));
  echo.sampling.logprobs = true;
  EXPECT_EQ(refused(echo).param, "echo");
  Request dimensions;
  dimensions.task = Task::kEmbed;
  dimensions.inputs = {"x"};
  dimensions.dimensions = 10;
  EXPECT_EQ(refused(dimensions).param, "dimensions");
  EXPECT_EQ(refused(dimensions).code, "unsupported_parameter");
  Request effort = chat();
  effort.reasoning_effort = "high";
  EXPECT_EQ(refused(effort).param, "reasoning_effort");
  EXPECT_TRUE(make_llama_adapter()->render(effort, {.template_has_reasoning = true}));
  Request budget = chat();
  budget.reasoning_budget = 100;
  const auto call = make_llama_adapter()->render(budget, {});
  ASSERT_TRUE(call);
  EXPECT_NE(call->body.find(R"("thinking_budget_tokens":100)"), std::string::npos) << call->body;
  budget.reasoning_budget = 0;
  const auto none = make_llama_adapter()->render(budget, {.template_has_reasoning = true});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->body.find("thinking_budget_tokens"), std::string::npos) << none->body;
  EXPECT_NE(none->body.find(R"("enable_thinking":false)"), std::string::npos) << none->body;
  Request empty;
  empty.task = Task::kEmbed;
  empty.inputs = {""};
  EXPECT_EQ(refused(empty).param, "input");
}

TEST(LlamaRequest, RefusesASchemaThatIsNoJsonObject) {
  for (const char* schema : {"", "[]", "{", "{\"a\":1,\"a\":2}", "{} {}"}) {
    Request request = chat();
    request.format = {ResponseFormat::Kind::kJsonSchema, "x", schema, true};
    EXPECT_EQ(refused(request).param, "response_format") << schema;
  }
  Request request = with_tools({});
  request.tools[0].parameters = "[]";
  EXPECT_EQ(refused(request).param, "tools[0].function.parameters");
}

TEST(LlamaRequest, AnswersAutoInTextWhereTheTemplateHasNoTools) {
  const json::value body = rendered(with_tools({}));
  EXPECT_FALSE(body.as_object().contains("tools"));
  EXPECT_FALSE(body.as_object().contains("response_format"));
  EXPECT_EQ(body.at("messages").as_array().size(), 1U);
}

TEST(LlamaRequest, EnforcesANamedToolByTheSchemaOfItsArguments) {
  const json::value body = rendered(with_tools({ToolChoice::Kind::kNamed, "get_weather"}));
  const json::value& schema = body.at("response_format").at("json_schema").at("schema");
  EXPECT_EQ(schema.at("properties").at("city").at("$ref"), "#/$defs/City");
  EXPECT_EQ(body.at("messages").at(0).at("role"), "system");
  EXPECT_FALSE(body.as_object().contains("tools"));
}

TEST(LlamaRequest, EnforcesARequiredToolAmongSeveralAndMovesReferences) {
  const json::value body = rendered(with_tools({ToolChoice::Kind::kRequired, ""}));
  const json::value& schema = body.at("response_format").at("json_schema").at("schema");
  EXPECT_EQ(schema.at("anyOf").as_array().size(), 2U);
  EXPECT_EQ(schema.at("anyOf").at(0).at("properties").at("name").at("const"), "get_weather");
  EXPECT_EQ(schema.at("$defs").at("tool0").at("properties").at("city").at("$ref"),
            "#/$defs/tool0/$defs/City");
}

TEST(LlamaRequest, RefusesAToolChoiceThatIsNotThere) {
  EXPECT_EQ(refused(with_tools({ToolChoice::Kind::kNamed, "other"})).param, "tool_choice");
  Request none = chat();
  none.tool_choice.kind = ToolChoice::Kind::kRequired;
  EXPECT_EQ(refused(none).param, "tool_choice");
}

TEST(LlamaRequest, LeavesAutoToATemplateThatHasTools) {
  const Target target{.template_has_tools = true};
  json::value body = rendered(with_tools({}), target);
  EXPECT_EQ(body.at("tools").as_array().size(), 2U);
  EXPECT_EQ(body.at("tools").at(1).at("function").at("name"), "get_time");
  body = rendered(with_tools({ToolChoice::Kind::kNone, ""}), target);
  EXPECT_FALSE(body.as_object().contains("tools"));
}

TEST(LlamaRequest, EnforcesToolsByASchemaInATemplateThatHasToolsToo) {
  Request request = with_tools({ToolChoice::Kind::kNamed, "get_time"});
  request.messages.insert(request.messages.begin(), message(Message::Role::kSystem, "Be brief."));
  const json::value body = rendered(request, {.template_has_tools = true});
  EXPECT_FALSE(body.as_object().contains("tools"));
  EXPECT_EQ(body.at("response_format").at("type"), "json_schema");
  EXPECT_TRUE(body.at("messages").at(0).at("content").as_string().starts_with("Be brief.\n\nTool get_time"));
}

TEST(LlamaRequest, RendersToolHistoryAsTextWhereTheTemplateHasNoTools) {
  Request request = chat();
  Message call{.role = Message::Role::kAssistant,
               .tool_calls = {{"call_1", "get_weather", R"({"city":"Paris"})"}}};
  request.messages.push_back(call);
  Message result = message(Message::Role::kTool, "18 degrees");
  result.tool_call_id = "call_1";
  request.messages.push_back(result);
  const json::value body = rendered(request);
  EXPECT_EQ(body.at("messages").at(1).at("content"),
            R"({"name": "get_weather", "arguments": {"city":"Paris"}})");
  EXPECT_EQ(body.at("messages").at(2).at("role"), "user");
  EXPECT_EQ(body.at("messages").at(2).at("content"), "Result of get_weather: 18 degrees");
  const json::value native = rendered(request, {.template_has_tools = true});
  EXPECT_EQ(native.at("messages").at(1).at("tool_calls").at(0).at("function").at("name"), "get_weather");
  EXPECT_EQ(native.at("messages").at(2).at("role"), "tool");
}

TEST(LlamaRequest, JoinsTextPartsAndMakesADeveloperTheSystem) {
  Request request = chat();
  request.messages.insert(request.messages.begin(), message(Message::Role::kDeveloper, "Be "));
  request.messages[0].content.push_back({ContentPart::Kind::kText, "brief."});
  const json::value body = rendered(request);
  EXPECT_EQ(body.at("messages").at(0).at("role"), "system");
  EXPECT_EQ(body.at("messages").at(0).at("content"), "Be brief.");
}

TEST(LlamaRequest, CountsWithTheSameBodyThatItWouldSend) {
  const auto adapter = make_llama_adapter();
  const Request request = with_tools({ToolChoice::Kind::kRequired, ""});
  const auto count = adapter->render_count(request, {});
  ASSERT_TRUE(count);
  EXPECT_EQ(count->path, "/v1/chat/completions/input_tokens");
  EXPECT_EQ(count->body, adapter->render(request, {})->body);
  EXPECT_EQ(*adapter->read_count(200, R"({"input_tokens":37,"object":"response.input_tokens"})"), 37);
  EXPECT_EQ(*adapter->read_count(200, R"({"tokens":[6403,1980]})"), 2);
  EXPECT_FALSE(adapter->read_count(200, "{}"));
  EXPECT_FALSE(adapter->read_count(500, R"({"input_tokens":37})"));
}

TEST(LlamaRequest, LeavesStopSequencesToTheReaderWhereItMustTellWhichOneCame) {
  Request request = chat();
  request.sampling.stop = {"a"};
  EXPECT_EQ(rendered(request).at("stop"), json::array({"a"}));
  request.tell_stop = true;
  EXPECT_FALSE(rendered(request).as_object().contains("stop"));
}

TEST(LlamaRequest, RendersSeveralPromptsAsOneCall) {
  Request request;
  request.task = Task::kText;
  request.prompts = {"a", "b"};
  EXPECT_EQ(rendered(request).at("prompt"), json::array({"a", "b"}));
  const auto count = make_llama_adapter()->render_count(request, {});
  ASSERT_TRUE(count);
  EXPECT_EQ(json::parse(count->body).at("content"), json::array({"a", "b"}));
}

}  // namespace
}  // namespace millrace::engine
