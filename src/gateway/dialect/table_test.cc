// The allow-lists, row by row: what each table accepts reaches the request, what it does not is refused by name.
#include <gtest/gtest.h>

#include <map>
#include <ostream>

#include "gateway/dialect/openai_fields.h"
#include "gateway/dialect/tables.h"
#include "gateway/dialect/test_support.h"

namespace millrace::gateway::dialect {
namespace {

struct Sample {
  std::string good;
  std::vector<std::string> bad;
  std::string with;  // further members that the good value needs
};

struct Subject {
  friend void PrintTo(const Subject& subject, std::ostream* to) { *to << subject.path; }
  std::string path;
  const Table* table;
  std::map<std::string, std::string> base;  // the least body that is accepted: member, JSON
  std::map<std::string, Sample> samples;    // of every row of Kind::kOther
};

std::string body_of(std::map<std::string, std::string> members) {
  std::string out = "{";
  for (const auto& [name, value] : members) {
    out += out.size() > 1 ? ",\"" : "\"";
    out.append(name).append("\":").append(value);
  }
  return out + "}";
}

const std::string kTool = R"([{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}])";
const std::string kFlatTool = R"([{"type":"function","name":"f","parameters":{"type":"object"}}])";
const std::string kAnthropicTool = R"([{"name":"f","input_schema":{"type":"object"}}])";

std::map<std::string, Sample> openai_samples() {
  return {
      {"messages", {R"([{"role":"user","content":"other"}])", {"[]", "null", "7", R"(["x"])"}, ""}},
      {"stream_options", {R"({"include_usage":true})", {"true", "[]"}, R"("stream":true)"}},
      {"stop", {R"(["a","b","c","d"])", {"7", R"(["a","b","c","d","e"])", R"("")", R"([""])", "[1]"}, ""}},
      {"logit_bias", {R"({"5":-100})", {R"({"x":1})", R"({"5":101})", R"({"-1":1})", "[]"}, ""}},
      {"tools", {kTool, {"{}", "[7]", R"([{"type":"retrieval"}])"}, ""}},
      {"tool_choice", {R"("required")", {R"("maybe")", "7", R"({"type":"other"})"}, "\"tools\":" + kTool}},
      {"response_format",
       {R"({"type":"json_schema","json_schema":{"name":"n","schema":{}}})",
        {R"("json")", R"({"type":"xml"})", "{}"},
        ""}},
      {"metadata", {R"({"a":"b"})", {R"({"a":1})", "7"}, ""}},
      {"store", {"false", {"true", "7"}, ""}},
  };
}

std::vector<Subject> subjects() {
  std::vector<Subject> all;
  all.push_back({"/v1/chat/completions",
                 &chat_table(),
                 {{"model", R"("m")"}, {"messages", R"([{"role":"user","content":"hi"}])"}},
                 openai_samples()});
  all.push_back({"/v1/completions",
                 &completions_table(),
                 {{"model", R"("m")"}, {"prompt", R"("hi")"}},
                 openai_samples()});
  all.back().samples["prompt"] = {
      R"(["one","two"])", {"7", "null", "[]", R"("")", "[1,2]", "[[1]]", R"(["a",""])"}, ""};
  all.push_back(
      {"/v1/embeddings", &embeddings_table(), {{"model", R"("m")"}, {"input", R"("hi")"}}, openai_samples()});
  all.back().samples["input"] = {
      R"(["a","b"])", {"7", "null", "[]", R"("")", "[1,2]", "[[1]]", R"(["a",""])"}, ""};
  all.push_back(
      {"/v1/responses", &responses_table(), {{"model", R"("m")"}, {"input", R"("hi")"}}, openai_samples()});
  auto& responses = all.back().samples;
  responses["input"] = {R"([{"role":"user","content":"other"}])",
                        {"7", "null", "[]", R"("")", R"([{"type":"item_reference"}])"},
                        ""};
  responses["stream_options"].good = "";  // changes nothing in the request
  responses["include"] = {
      R"(["message.output_text.logprobs"])", {R"(["file_search_call.results"])", "7"}, ""};
  responses["tools"] = {kFlatTool, {"{}", "[7]", R"([{"type":"web_search"}])"}, ""};
  responses["tool_choice"].with = "\"tools\":" + kFlatTool;
  responses["text"] = {R"({"format":{"type":"json_object"}})",
                       {"7", R"({"format":{"type":"xml"}})", R"({"verbosity":"high"})"},
                       ""};
  responses["reasoning"] = {
      R"({"effort":"low"})", {"7", R"({"effort":"vast"})", R"({"summary":"detailed"})"}, ""};
  all.push_back(
      {"/v1/messages",
       &messages_table(),
       {{"model", R"("m")"}, {"max_tokens", "16"}, {"messages", R"([{"role":"user","content":"hi"}])"}},
       {}});
  auto& anthropic = all.back().samples;
  std::string many_stops = R"(["a")";
  for (int i = 1; i < 65; ++i) many_stops += R"(,"a")";
  many_stops += "]";
  anthropic["system"] = {R"("be brief")", {"7", R"([{"type":"image"}])"}, ""};
  anthropic["messages"] = openai_samples().at("messages");
  anthropic["stop_sequences"] = {R"(["a"])", {R"("a")", R"([""])", many_stops}, ""};
  anthropic["tools"] = {kAnthropicTool,
                        {"{}", R"([{"name":"f"}])", R"([{"type":"computer","name":"f","input_schema":{}}])"},
                        ""};
  anthropic["tool_choice"] = {
      R"({"type":"any"})", {R"("any")", R"({"type":"maybe"})"}, "\"tools\":" + kAnthropicTool};
  anthropic["thinking"] = {
      R"({"type":"enabled","budget_tokens":1024})", {"7", R"({"type":"enabled","budget_tokens":10})"}, ""};
  anthropic["output_config"] = {
      R"({"effort":"low"})", {"7", R"({"effort":"vast"})", R"({"format":{"type":"xml"}})"}, ""};
  anthropic["metadata"] = {R"({"user_id":"u"})", {"7", R"({"other":"u"})"}, ""};
  return all;
}

class Tables : public testing::TestWithParam<Subject> {
 protected:
  Expected<ParsedRequest> parse(const std::string& name, const std::string& value,
                                const std::string& with = "") const {
    auto members = GetParam().base;
    members[name] = value;
    std::string body = body_of(members);
    if (!with.empty()) body.insert(1, with + ",");
    for (const auto& dialect : make_dialects()) {
      if (dialect->path() == GetParam().path) return dialect->parse(body);
    }
    return std::unexpected(ApiError{0, "", "", "", "no such dialect"});
  }

  void expect_refused(const std::string& name, const std::string& value) const {
    const auto parsed = parse(name, value, with(name));
    ASSERT_FALSE(parsed.has_value()) << name << " = " << value;
    EXPECT_EQ(parsed.error().status, 400);
    EXPECT_EQ(parsed.error().type, "invalid_request_error");
    EXPECT_FALSE(parsed.error().code.empty());
    EXPECT_TRUE(parsed.error().param.starts_with(name))
        << name << " = " << value << ": " << parsed.error().param;
    EXPECT_FALSE(parsed.error().message.empty());
  }

  std::string with(const std::string& name) const {
    const auto found = GetParam().samples.find(name);
    if (found != GetParam().samples.end()) return found->second.with;
    return name == "top_logprobs" && GetParam().path == "/v1/chat/completions" ? R"("logprobs":true)" : "";
  }
};

std::string sample_of(const Parameter& row) {
  switch (row.kind) {
    case Kind::kBoolean:
      return "true";
    case Kind::kInteger:
      return fmt::format("{}", row.integer_max);
    case Kind::kNumber:
      return fmt::format("{}", row.number_max);
    case Kind::kString:
      return R"("some text")";
    case Kind::kChoice:
      return fmt::format("\"{}\"", row.choices.substr(row.choices.rfind('|') + 1));
    case Kind::kOther:
      return "";
  }
  return "";
}

std::vector<std::string> bad_values_of(const Parameter& row) {
  switch (row.kind) {
    case Kind::kBoolean:
      return {"1", "\"true\"", "[]", "{}"};
    case Kind::kInteger: {
      std::vector<std::string> bad{"\"1\"", "1.5", "true", "{}", "18446744073709551615"};
      if (row.integer_min > std::numeric_limits<std::int64_t>::min())
        bad.push_back(fmt::format("{}", row.integer_min - 1));
      if (row.integer_max < std::numeric_limits<std::int64_t>::max())
        bad.push_back(fmt::format("{}", row.integer_max + 1));
      return bad;
    }
    case Kind::kNumber:
      return {"\"1\"",
              "true",
              "[]",
              fmt::format("{}", row.number_min - 0.01),
              fmt::format("{}", row.number_max + 0.01),
              "1e300"};
    case Kind::kString:
      return {"1", "[]", fmt::format("\"{}\"", std::string(row.length_max + 1, 'x'))};
    case Kind::kChoice:
      return {"1", "[]", "\"\"", "\"no such choice\""};
    case Kind::kOther:
      return {};
  }
  return {};
}

TEST_P(Tables, AcceptedValuesOfForwardedParametersReachTheRequestAndOthersLeaveItAlone) {
  for (const auto& row : GetParam().table->rows) {
    const std::string name(row.name);
    const auto found = GetParam().samples.find(name);
    if (row.kind == Kind::kOther) ASSERT_NE(found, GetParam().samples.end()) << name << " has no sample";
    const std::string good = row.kind == Kind::kOther ? found->second.good : sample_of(row);
    if (good.empty() || (row.cls == Class::kForwarded && row.apply == nullptr)) continue;
    const auto parsed = parse(name, good, with(name));
    ASSERT_TRUE(parsed.has_value()) << name << " = " << good << ": " << parsed.error().message;
    auto members = GetParam().base;
    const auto kept = members.begin()->first == name ? std::next(members.begin()) : members.begin();
    const auto plain = parse(kept->first, kept->second, with(name));
    ASSERT_TRUE(plain.has_value()) << plain.error().message;
    if (row.cls == Class::kForwarded) {
      EXPECT_NE(describe(*parsed), describe(*plain)) << name << " is not forwarded";
    } else {
      EXPECT_EQ(describe(*parsed), describe(*plain)) << name << " is forwarded";
    }
  }
}

TEST_P(Tables, ValuesOfAWrongTypeOrRangeAreRefusedByName) {
  for (const auto& row : GetParam().table->rows) {
    const std::string name(row.name);
    const auto found = GetParam().samples.find(name);
    for (const auto& bad : row.kind == Kind::kOther ? found->second.bad : bad_values_of(row))
      expect_refused(name, bad);
  }
}

TEST_P(Tables, BoundsThemselvesAreAccepted) {
  for (const auto& row : GetParam().table->rows) {
    const std::string name(row.name);
    std::vector<std::string> edges;
    if (row.kind == Kind::kInteger)
      edges = {fmt::format("{}", row.integer_min), fmt::format("{}", row.integer_max)};
    if (row.kind == Kind::kNumber)
      edges = {fmt::format("{}", row.number_min), fmt::format("{}", row.number_max)};
    for (const auto& edge : edges) {
      const auto parsed = parse(name, edge, with(name));
      EXPECT_TRUE(parsed.has_value()) << name << " = " << edge << ": " << parsed.error().message;
    }
  }
}

TEST_P(Tables, NullMeansAbsentUnlessTheParameterIsRequired) {
  for (const auto& row : GetParam().table->rows) {
    if (row.required) {
      expect_refused(std::string(row.name), "null");
    } else {
      EXPECT_TRUE(parse(std::string(row.name), "null").has_value()) << row.name;
    }
  }
}

TEST_P(Tables, AMissingRequiredParameterIsNamed) {
  for (const auto& dialect : make_dialects()) {
    if (dialect->path() != GetParam().path) continue;
    for (const auto& [name, value] : GetParam().base) {
      auto members = GetParam().base;
      members.erase(name);
      const auto parsed = dialect->parse(body_of(members));
      ASSERT_FALSE(parsed.has_value()) << name;
      EXPECT_EQ(parsed.error().code, "missing_required_parameter");
      EXPECT_EQ(parsed.error().param, name);
    }
  }
}

TEST_P(Tables, UnknownAndUnsupportedParametersAreToldApart) {
  const auto unknown = parse("no_such_thing", "1");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, "unknown_parameter");
  EXPECT_EQ(unknown.error().param, "no_such_thing");
  for (const auto name : GetParam().table->unsupported) {
    const auto parsed = parse(std::string(name), "1");
    ASSERT_FALSE(parsed.has_value()) << name;
    EXPECT_EQ(parsed.error().code, "unsupported_parameter");
    EXPECT_EQ(parsed.error().param, name);
    EXPECT_TRUE(parse(std::string(name), "null").has_value()) << name;
  }
}

TEST_P(Tables, TheSchemaIsJsonAndGivesTheClassOfEveryRow) {
  const auto schema = boost::json::parse(schema_of(*GetParam().table));
  const auto& properties = schema.at("properties").as_object();
  ASSERT_EQ(properties.size(), GetParam().table->rows.size() + GetParam().table->unsupported.size());
  EXPECT_FALSE(schema.at("additionalProperties").as_bool());
  for (const auto& row : GetParam().table->rows) {
    const auto& property = properties.at(std::string(row.name)).as_object();
    EXPECT_EQ(property.at("x-millrace-class").as_string(),
              row.cls == Class::kForwarded ? "forwarded" : "accepted");
    EXPECT_TRUE(property.contains("type") || property.contains("anyOf") || property.contains("$ref"))
        << row.name;
  }
  for (const auto name : GetParam().table->unsupported) {
    EXPECT_EQ(boost::json::serialize(properties.at(name)), R"({"type":"null","x-millrace-class":"refused"})")
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Dialects, Tables, testing::ValuesIn(subjects()), [](const auto& subject) {
  std::string name;
  for (const char c : subject.param.path.substr(4)) name += c == '/' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace millrace::gateway::dialect
