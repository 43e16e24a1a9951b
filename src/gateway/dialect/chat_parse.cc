// Body of POST /v1/chat/completions.

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>

#include "gateway/dialect/openai_fields.h"
#include "gateway/dialect/tables.h"

namespace millrace::gateway::dialect {
namespace {

using Role = engine::Message::Role;

constexpr std::string_view kRoles = "developer|system|user|assistant|tool";

Role role_of(std::string_view name) {
  if (name == "developer") return Role::kDeveloper;
  if (name == "system") return Role::kSystem;
  if (name == "assistant") return Role::kAssistant;
  return name == "tool" ? Role::kTool : Role::kUser;
}

Expected<std::string> read_image(const json::value& value, const Path& at) {
  if (value.is_string()) return read_image_url(value, at);  // as mistral's clients send it
  Members image(*TRY(expect_object(value, at)), at);
  const auto* url = TRY(image.need("url"));
  auto text = TRY(read_image_url(*url, Path(at, "url")));
  if (const auto* detail = image.find("detail"))
    TRY(expect_choice(*detail, Path(at, "detail"), "auto|low|high"));
  TRY_VOID(image.done());
  return text;
}

Expected<engine::ContentPart> read_part(const json::value& value, const Path& at, Role role) {
  Members part(*TRY(expect_object(value, at)), at);
  const std::string_view kinds = role == Role::kUser        ? "text|image_url"
                                 : role == Role::kAssistant ? "text|refusal"
                                                            : "text";
  const auto kind = TRY(part.need_choice("type", kinds, kAnyOther));
  engine::ContentPart out;
  if (kind == "image_url") {
    out.kind = engine::ContentPart::Kind::kImageUrl;
    const auto* image = TRY(part.need("image_url"));
    out.value = TRY(read_image(*image, Path(at, "image_url")));
  } else {
    out.value = TRY(part.need_text(kind));
  }
  TRY_VOID(part.done());
  return out;
}

Status read_content(const json::value& value, const Path& at, engine::Message& to) {
  if (value.is_string()) {
    to.content.push_back(
        {engine::ContentPart::Kind::kText, std::string(std::string_view(value.get_string()))});
    return {};
  }
  if (!value.is_array())
    return std::unexpected(invalid_type(at, "one of a string or array of objects", value));
  const auto& parts = *TRY(expect_array(value, at, 1));
  to.content.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i)
    to.content.push_back(TRY(read_part(parts[i], Path(at, i), to.role)));
  return {};
}

Status read_tool_calls(const json::value& value, const Path& at, engine::Message& to) {
  const auto& calls = *TRY(expect_array(value, at, 0, kMaxTools));
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Path here(at, i);
    Members call(*TRY(expect_object(calls[i], here)), here);
    engine::ToolCall& out = to.tool_calls.emplace_back();
    out.id = TRY(call.need_text("id"));
    if (const auto* type = call.find("type"))
      TRY(expect_choice(*type, Path(here, "type"), "function", kAnyOther));
    call.find("index");  // the place in a stream, which clients hand back
    const Path function_at(here, "function");
    Members function(*TRY(call.need_object("function")), function_at);
    out.name = TRY(function.need_text("name"));
    out.arguments = TRY(function.need_text("arguments"));
    function.find("parsed_arguments");
    TRY_VOID(function.done());
    TRY_VOID(call.done());
  }
  return {};
}

// What our own answers carry may come back as it is: refusal, annotations, and what a client's SDK has parsed of it.
Status read_assistant(Members& message, engine::Message& to) {
  if (const auto* calls = message.find("tool_calls")) {
    TRY_VOID(read_tool_calls(*calls, Path(message.at(), "tool_calls"), to));
  }
  to.reasoning = TRY(message.text("reasoning_content"));
  const auto refusal = TRY(message.text("refusal"));
  if (to.content.empty() && !refusal.empty()) {
    to.content.push_back({engine::ContentPart::Kind::kText, std::string(refusal)});
  }
  message.find("annotations");
  message.find("parsed");
  TRY(message.flag("prefix"));
  for (const std::string_view name : {"audio", "function_call"}) {
    if (message.find(name) == nullptr) continue;
    const Path here(message.at(), name);
    return std::unexpected(
        unsupported(here, fmt::format("Unsupported parameter: '{}' is not supported here.", here.text())));
  }
  if (!to.content.empty() || !to.tool_calls.empty() || !to.reasoning.empty()) return {};
  return std::unexpected(missing(Path(message.at(), "content")));
}

Expected<engine::Message> read_message(const json::value& value, const Path& at) {
  Members message(*TRY(expect_object(value, at)), at);
  engine::Message out;
  out.role = role_of(TRY(message.need_choice("role", kRoles, "function")));
  const Path content_at(at, "content");
  if (const auto* content = message.find("content")) {
    TRY_VOID(read_content(*content, content_at, out));
  } else if (out.role != Role::kAssistant) {
    const auto* found = TRY(message.need("content"));
    return std::unexpected(invalid_type(content_at, "one of a string or array of objects", *found));
  }
  out.name = TRY(message.text("name"));
  if (out.role == Role::kAssistant) TRY_VOID(read_assistant(message, out));
  if (out.role == Role::kTool) out.tool_call_id = TRY(message.need_text("tool_call_id"));
  TRY_VOID(message.done());
  return out;
}

Status set_messages(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& messages = *TRY(expect_array(value, at, 1));
  to.request.messages.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    to.request.messages.push_back(TRY(read_message(messages[i], Path(at, i))));
  }
  return {};
}

Status set_tools(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& tools = *TRY(expect_array(value, at, 0, kMaxTools));
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const Path here(at, i);
    Members tool(*TRY(expect_object(tools[i], here)), here);
    TRY(tool.need_choice("type", "function", kAnyOther));
    const Path function_at(here, "function");
    Members function(*TRY(tool.need_object("function")), function_at);
    auto read = TRY(read_function(function));
    TRY_VOID(function.done());
    TRY_VOID(tool.done());
    TRY_VOID(add_tool(std::move(read), function_at, to));
  }
  return {};
}

Status set_tool_choice(const json::value& value, const Path& at, ParsedRequest& to) {
  if (value.is_string()) {
    return set_tool_mode(TRY(expect_choice(value, at, "none|auto|required|any")), at, to);
  }
  if (!value.is_object()) return std::unexpected(invalid_type(at, "one of a string or an object", value));
  Members chosen(value.get_object(), at);
  TRY(chosen.need_choice("type", "function", kAnyOther));
  const Path function_at(at, "function");
  Members function(*TRY(chosen.need_object("function")), function_at);
  const auto name = TRY(function.need_text("name"));
  TRY_VOID(set_named_tool(name, Path(function_at, "name"), to));
  TRY_VOID(function.done());
  return chosen.done();
}

Status set_response_format(const json::value& value, const Path& at, ParsedRequest& to) {
  Members format(*TRY(expect_object(value, at)), at);
  const auto kind = TRY(format.need_choice("type", "text|json_object|json_schema"));
  if (kind == "json_object") to.request.format.kind = engine::ResponseFormat::Kind::kJsonObject;
  if (kind == "json_schema") {
    const Path schema_at(at, "json_schema");
    Members schema(*TRY(format.need_object("json_schema")), schema_at);
    TRY_VOID(set_json_schema(schema, to));
    TRY_VOID(schema.done());
  } else {
    format.find("json_schema");  // mistral's clients send null
  }
  return format.done();
}

Status set_logprobs(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.sampling.logprobs = value.get_bool();
  return {};
}

Status set_top_logprobs(const json::value& value, const Path& at, ParsedRequest& to) {
  if (!to.request.sampling.logprobs) {
    return std::unexpected(invalid(
        at, "invalid_value", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."));
  }
  to.request.sampling.top_logprobs = TRY(expect_integer(value, at));
  return {};
}

Status set_effort(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.reasoning_effort = std::string(std::string_view(value.get_string()));
  return {};
}

Status set_reasoning_budget(const json::value& value, const Path& at, ParsedRequest& to) {
  to.request.reasoning_budget = TRY(expect_integer(value, at));
  return {};
}

constexpr std::array kRows{
    kModelRow,
    required(other("messages", R"({"$ref":"#/components/schemas/ChatMessages"})", set_messages)),
    kStreamRow,
    kStreamOptionsRow,
    // The newer name comes second, so it wins where a client sends both.
    integer("max_tokens", 1, kMaxTokensLimit, set_max_tokens),
    integer("max_completion_tokens", 1, kMaxTokensLimit, set_max_tokens),
    kTemperatureRow,
    kTopPRow,
    kMinPRow,
    kTopKRow,
    kPresenceRow,
    kFrequencyRow,
    kRepeatRow,
    kRepetitionRow,
    kSeedRow,
    integer("random_seed", 0, std::numeric_limits<std::int64_t>::max(), set_seed),  // mistral's name of it
    kChoicesRow,
    kStopRow,
    kLogitBiasRow,
    boolean("logprobs", set_logprobs),
    integer("top_logprobs", 0, 20, set_top_logprobs),
    other("tools", R"({"$ref":"#/components/schemas/ChatTools"})", set_tools),
    other("tool_choice", R"({"$ref":"#/components/schemas/ChatToolChoice"})", set_tool_choice),
    other("response_format", R"({"$ref":"#/components/schemas/ChatResponseFormat"})", set_response_format),
    choice("reasoning_effort", kEfforts, set_effort, kEffortsBeyond),
    integer("max_reasoning_tokens", 0, kMaxTokensLimit, set_reasoning_budget),
    kUserRow,
    kMetadataRow,
    kStoreRow,
    kServiceTierRow,
    kPromptCacheKeyRow,
    kSafetyIdentifierRow,
    kParallelToolCallsRow,
};

constexpr std::array kUnsupported = std::to_array<std::string_view>(
    {"audio", "function_call", "functions", "guardrails", "min_tokens", "modalities", "moderation",
     "prediction", "prompt_cache_options", "prompt_cache_retention", "prompt_logprobs", "prompt_mode",
     "safe_prompt", "top_prompt_logprobs", "verbosity", "web_search_options"});

constexpr Table kTable{.rows = kRows, .unsupported = kUnsupported};

}  // namespace

const Table& chat_table() { return kTable; }

}  // namespace millrace::gateway::dialect
