#include "gateway/dialect/models.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "gateway/dialect/errors.h"

namespace millrace::gateway::dialect {
namespace {

std::vector<ModelItem> five() {
  std::vector<ModelItem> models;
  for (const auto* name : {"a", "b", "c", "d", "e"})
    models.push_back({.name = name, .created_s = 1700000000});
  return models;
}

std::string ids(const boost::json::value& page) {
  std::string out;
  for (const auto& item : page.at("data").as_array()) out += std::string_view(item.at("id").as_string());
  return out;
}

boost::json::value page(std::string_view query) {
  const auto models = five();
  const auto body = render_models_anthropic(models, query);
  EXPECT_TRUE(body.has_value());
  return boost::json::parse(*body);
}

TEST(Models, OpenAiShapeHasWhatMistralsClientNeeds) {
  const std::vector<ModelItem> models{{.name = "smol", .created_s = 5, .context_tokens = 2048},
                                      {.name = "vec", .embeds = true}};
  const auto list = boost::json::parse(render_models_openai(models));
  EXPECT_EQ(list.at("object").as_string(), "list");
  const auto& first = list.at("data").at(0);
  EXPECT_EQ(first.at("id").as_string(), "smol");
  EXPECT_EQ(first.at("object").as_string(), "model");
  EXPECT_EQ(first.at("created").as_int64(), 5);
  EXPECT_EQ(first.at("type").as_string(), "base");
  EXPECT_EQ(first.at("max_context_length").as_int64(), 2048);
  EXPECT_TRUE(first.at("capabilities").at("completion_chat").as_bool());
  EXPECT_FALSE(list.at("data").at(1).at("capabilities").at("completion_chat").as_bool());
  EXPECT_EQ(boost::json::parse(render_model_openai(models[0])), first);
  EXPECT_EQ(render_models_openai({}), R"({"object":"list","data":[]})");
}

TEST(Models, AnthropicShape) {
  EXPECT_EQ(render_model_anthropic(five()[0]),
            R"({"type":"model","id":"a","display_name":"a","created_at":"2023-11-14T22:13:20.000000Z"})");
  EXPECT_EQ(*render_models_anthropic({}, ""),
            R"({"data":[],"has_more":false,"first_id":null,"last_id":null})");
}

TEST(Models, AnthropicPagesForwardAndBack) {
  const auto first = page("limit=2");
  EXPECT_EQ(ids(first), "ab");
  EXPECT_TRUE(first.at("has_more").as_bool());
  EXPECT_EQ(first.at("last_id").as_string(), "b");
  EXPECT_EQ(ids(page("limit=2&after_id=b")), "cd");
  const auto last = page("after_id=d&limit=2");
  EXPECT_EQ(ids(last), "e");
  EXPECT_FALSE(last.at("has_more").as_bool());
  const auto back = page("before_id=d&limit=2");
  EXPECT_EQ(ids(back), "bc");
  EXPECT_TRUE(back.at("has_more").as_bool());
  EXPECT_EQ(ids(page("before_id=nobody")), "");
  EXPECT_EQ(ids(page("after_id=nobody")), "");
  EXPECT_EQ(ids(page("beta=true&x")), "abcde");
}

TEST(Models, ABadLimitIsRefusedByName) {
  for (const auto* query :
       {"limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=2x", "limit=99999999999999999999"}) {
    const auto body = render_models_anthropic(five(), query);
    ASSERT_FALSE(body.has_value()) << query;
    EXPECT_EQ(body.error().status, 400);
    EXPECT_EQ(body.error().param, "limit");
  }
}

TEST(Errors, TheEnginesParameterIsNamedAsTheClientsDialectDoes) {
  struct Case {
    std::string path, theirs, ours;
  };
  const std::string chat = "/v1/chat/completions", responses = "/v1/responses", messages = "/v1/messages";
  for (const Case& one : std::vector<Case>{
           {chat, "reasoning_effort", "reasoning_effort"},
           {responses, "reasoning_effort", "reasoning.effort"},
           {messages, "reasoning_effort", "thinking"},
           {messages, "max_reasoning_tokens", "thinking"},
           {responses, "messages", "input"},
           {responses, "messages[3].content", "input"},
           {messages, "messages[3].content", "messages"},
           {chat, "messages[3].content", "messages[3].content"},
           {responses, "response_format", "text.format"},
           {chat, "tools[1].function.parameters", "tools[1].function.parameters"},
           {responses, "tools[1].function.parameters", "tools[1].parameters"},
           {messages, "tools[1].function.parameters", "tools[1].input_schema"},
       }) {
    const auto error =
        from_engine({400, "t", "c", one.theirs, fmt::format("No '{}'.", one.theirs)}, one.path);
    EXPECT_EQ(error.param, one.ours) << one.path;
    EXPECT_EQ(error.message, fmt::format("No '{}'.", one.ours)) << one.path;
  }
}

TEST(Errors, AnEffortIsNamedByTheMemberThatAskedForIt) {
  const auto dialect = make_messages();
  const auto named = [&](const std::string& more) {
    const auto parsed = dialect->parse(
        R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],)" + more + "}");
    EXPECT_TRUE(parsed.has_value());
    return from_engine({400, "t", "c", "reasoning_effort", "'reasoning_effort'"}, dialect->path(),
                       parsed->effort_member);
  };
  EXPECT_EQ(named(R"("thinking":{"type":"enabled","budget_tokens":2000})").param, "thinking");
  EXPECT_EQ(named(R"("output_config":{"effort":"low"})").param, "output_config.effort");
  EXPECT_EQ(named(R"("output_config":{"effort":"low"})").message, "'output_config.effort'");
}

TEST(Errors, BothShapesAreJsonAndHoldTheStatusDocumented) {
  const std::vector<std::pair<ApiError, int>> all{{missing_key(), 401},
                                                  {invalid_key(), 401},
                                                  {permission_denied("no"), 403},
                                                  {model_not_found("x\"y"), 404},
                                                  {unknown_url("GET", "/v1/x"), 404},
                                                  {method_not_allowed("PUT", "/v1/models"), 405},
                                                  {body_too_large(5), 413},
                                                  {unsupported_encoding("gzip"), 415},
                                                  {rate_limited("slow"), 429},
                                                  {quota_exceeded("spent"), 429},
                                                  {context_exceeded(10, 20, 0), 400},
                                                  {context_exceeded(10, 5, 8), 400},
                                                  {engine_failed("gone"), 502},
                                                  {overloaded("full"), 503}};
  for (const auto& [error, status] : all) {
    EXPECT_EQ(error.status, status);
    const auto openai = boost::json::parse(render_openai_error(error));
    EXPECT_EQ(openai.at("error").at("message").as_string(), error.message);
    EXPECT_EQ(openai.at("error").at("code").as_string(), error.code);
    const auto anthropic = boost::json::parse(render_anthropic_error(error, "req_1"));
    EXPECT_EQ(anthropic.at("type").as_string(), "error");
    EXPECT_EQ(anthropic.at("request_id").as_string(), "req_1");
    EXPECT_EQ(anthropic.at("error").at("message").as_string(), error.message);
  }
  EXPECT_EQ(
      boost::json::parse(render_anthropic_error(overloaded("full"), "r")).at("error").at("type").as_string(),
      "overloaded_error");
}

}  // namespace
}  // namespace millrace::gateway::dialect
