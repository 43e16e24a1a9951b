// Body of POST /v1/responses: stateless, so everything that refers to a stored response is refused.
#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>

#include "gateway/dialect/json_out.h"
#include "gateway/dialect/openai_fields.h"
#include "gateway/dialect/tables.h"

namespace millrace::gateway::dialect {
namespace {

using Role = engine::Message::Role;

Role role_of(std::string_view name) {
  if (name == "developer") return Role::kDeveloper;
  if (name == "system") return Role::kSystem;
  return name == "assistant" ? Role::kAssistant : Role::kUser;
}

Status set_instructions(const json::value& value, const Path&, ParsedRequest& to) {
  if (value.get_string().empty()) return {};
  engine::Message message;
  message.role = Role::kSystem;
  message.content.push_back(
      {engine::ContentPart::Kind::kText, std::string(std::string_view(value.get_string()))});
  to.request.messages.push_back(std::move(message));
  return {};
}

Expected<engine::ContentPart> read_part(const json::value& value, const Path& at, std::string_view kinds) {
  Members part(*TRY(expect_object(value, at)), at);
  const auto kind = TRY(part.need_choice("type", kinds, kAnyOther));
  engine::ContentPart out;
  if (kind == "input_image") {
    out.kind = engine::ContentPart::Kind::kImageUrl;
    if (part.find("file_id") != nullptr) {
      return std::unexpected(unsupported(
          Path(at, "file_id"), "Unsupported parameter: files are not stored here; send image_url."));
    }
    if (const auto* detail = part.find("detail"))
      TRY(expect_choice(*detail, Path(at, "detail"), "auto|low|high|original"));
    const auto* url = TRY(part.need("image_url"));
    out.value = TRY(read_image_url(*url, Path(at, "image_url")));
  } else {
    out.value = TRY(part.need_text(kind == "refusal" ? "refusal" : "text"));
    part.find("annotations");
    part.find("logprobs");
    part.find("parsed");
  }
  TRY_VOID(part.done());
  return out;
}

Status read_content(const json::value& value, const Path& at, std::string_view kinds, engine::Message& to) {
  if (value.is_string()) {
    to.content.push_back(
        {engine::ContentPart::Kind::kText, std::string(std::string_view(value.get_string()))});
    return {};
  }
  if (!value.is_array())
    return std::unexpected(invalid_type(at, "one of a string or array of objects", value));
  const auto& parts = *TRY(expect_array(value, at, 1));
  for (std::size_t i = 0; i < parts.size(); ++i)
    to.content.push_back(TRY(read_part(parts[i], Path(at, i), kinds)));
  return {};
}

// What the model made in one turn comes as several items; they belong to one assistant message.
engine::Message& assistant_turn(ParsedRequest& to) {
  auto& messages = to.request.messages;
  if (messages.empty() || messages.back().role != Role::kAssistant)
    messages.emplace_back().role = Role::kAssistant;
  return messages.back();
}

Status read_message(Members& item, ParsedRequest& to) {
  const Role role = role_of(TRY(item.need_choice("role", "user|assistant|system|developer")));
  const auto* content = TRY(item.need("content"));
  const Path content_at(item.at(), "content");
  if (role == Role::kAssistant) {
    item.find("phase");
    return read_content(*content, content_at, "output_text|refusal|input_text", assistant_turn(to));
  }
  engine::Message message;
  message.role = role;
  TRY_VOID(read_content(*content, content_at, role == Role::kUser ? "input_text|input_image" : "input_text",
                        message));
  to.request.messages.push_back(std::move(message));
  return {};
}

Status read_function_call(Members& item, ParsedRequest& to) {
  engine::ToolCall call;
  call.id = TRY(item.need_text("call_id"));
  call.name = TRY(item.need_text("name"));
  call.arguments = TRY(item.need_text("arguments"));
  item.find("parsed_arguments");
  assistant_turn(to).tool_calls.push_back(std::move(call));
  return {};
}

Status read_function_output(Members& item, ParsedRequest& to) {
  engine::Message message;
  message.role = Role::kTool;
  message.tool_call_id = TRY(item.need_text("call_id"));
  const auto* output = TRY(item.need("output"));
  TRY_VOID(read_content(*output, Path(item.at(), "output"), "input_text", message));
  to.request.messages.push_back(std::move(message));
  return {};
}

Status read_reasoning(Members& item, ParsedRequest& to) {
  item.find("summary");
  item.find("encrypted_content");
  const auto* content = item.find("content");
  if (content == nullptr) return {};
  const Path at(item.at(), "content");
  const auto& parts = *TRY(expect_array(*content, at));
  std::string& reasoning = assistant_turn(to).reasoning;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Path here(at, i);
    Members part(*TRY(expect_object(parts[i], here)), here);
    TRY(part.need_choice("type", "reasoning_text"));
    reasoning += TRY(part.need_text("text"));
    TRY_VOID(part.done());
  }
  return {};
}

Status read_item(const json::value& value, const Path& at, ParsedRequest& to) {
  Members item(*TRY(expect_object(value, at)), at);
  std::string_view type = "message";
  if (const auto* named = item.find("type")) {
    type = TRY(expect_choice(*named, Path(at, "type"), "message|function_call|function_call_output|reasoning",
                             kAnyOther));
  }
  item.find("id");
  item.find("status");
  if (type == "message") TRY_VOID(read_message(item, to));
  if (type == "function_call") TRY_VOID(read_function_call(item, to));
  if (type == "function_call_output") TRY_VOID(read_function_output(item, to));
  if (type == "reasoning") TRY_VOID(read_reasoning(item, to));
  return item.done();
}

Status set_input(const json::value& value, const Path& at, ParsedRequest& to) {
  if (value.is_string()) {
    engine::Message message;
    message.content.push_back(
        {engine::ContentPart::Kind::kText, std::string(TRY(expect_string(value, at, 1)))});
    to.request.messages.push_back(std::move(message));
    return {};
  }
  if (!value.is_array())
    return std::unexpected(invalid_type(at, "one of a string or array of input items", value));
  const auto& items = *TRY(expect_array(value, at, 1));
  const std::size_t before = to.request.messages.size();
  for (std::size_t i = 0; i < items.size(); ++i) TRY_VOID(read_item(items[i], Path(at, i), to));
  if (to.request.messages.size() > before) return {};
  return std::unexpected(
      invalid(at, "invalid_value", "Invalid 'input': no item of it says anything to the model."));
}

Status set_tools(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& tools = *TRY(expect_array(value, at, 0, kMaxTools));
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const Path here(at, i);
    Members tool(*TRY(expect_object(tools[i], here)), here);
    TRY(tool.need_choice("type", "function", kAnyOther));
    auto read = TRY(read_function(tool));
    TRY_VOID(tool.done());
    TRY_VOID(add_tool(std::move(read), here, to));
  }
  return {};
}

Status set_tool_choice(const json::value& value, const Path& at, ParsedRequest& to) {
  if (value.is_string()) return set_tool_mode(TRY(expect_choice(value, at, "none|auto|required")), at, to);
  if (!value.is_object()) return std::unexpected(invalid_type(at, "one of a string or an object", value));
  Members chosen(value.get_object(), at);
  TRY(chosen.need_choice("type", "function", kAnyOther));
  const auto name = TRY(chosen.need_text("name"));
  TRY_VOID(set_named_tool(name, Path(at, "name"), to));
  return chosen.done();
}

Status set_text(const json::value& value, const Path& at, ParsedRequest& to) {
  Members text(*TRY(expect_object(value, at)), at);
  if (const auto* verbosity = text.find("verbosity")) {
    const Path here(at, "verbosity");
    if (TRY(expect_choice(*verbosity, here, "low|medium|high")) != "medium") {
      return std::unexpected(
          unsupported(here, "Unsupported value: 'text.verbosity' supports only 'medium' here."));
    }
  }
  if (const auto* found = text.find("format")) {
    const Path format_at(at, "format");
    Members format(*TRY(expect_object(*found, format_at)), format_at);
    const auto kind = TRY(format.need_choice("type", "text|json_object|json_schema"));
    if (kind == "json_object") to.request.format.kind = engine::ResponseFormat::Kind::kJsonObject;
    if (kind == "json_schema") TRY_VOID(set_json_schema(format, to));
    TRY_VOID(format.done());
  }
  return text.done();
}

Status set_reasoning(const json::value& value, const Path& at, ParsedRequest& to) {
  Members reasoning(*TRY(expect_object(value, at)), at);
  if (const auto* effort = reasoning.find("effort")) {
    to.request.reasoning_effort = TRY(expect_choice(*effort, Path(at, "effort"), kEfforts, kEffortsBeyond));
  }
  for (const std::string_view name : {"summary", "generate_summary"}) {
    const auto* summary = reasoning.find(name);
    if (summary == nullptr) continue;
    const Path here(at, name);
    if (TRY(expect_choice(*summary, here, "auto|concise|detailed")) != "auto") {
      return std::unexpected(
          unsupported(here, "Unsupported value: reasoning is shown as it is here, never summarised."));
    }
  }
  return reasoning.done();
}

Status set_include(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& items = *TRY(expect_array(value, at));
  for (std::size_t i = 0; i < items.size(); ++i) {
    TRY(expect_choice(items[i], Path(at, i), "message.output_text.logprobs", kAnyOther));
    to.request.sampling.logprobs = true;
  }
  return {};
}

Status set_top_logprobs(const json::value& value, const Path& at, ParsedRequest& to) {
  auto& sampling = to.request.sampling;
  sampling.top_logprobs = TRY(expect_integer(value, at));
  if (sampling.top_logprobs > 0) sampling.logprobs = true;
  return {};
}

Status set_response_stream_options(const json::value& value, const Path& at, ParsedRequest& to) {
  Members options(*TRY(expect_object(value, at)), at);
  if (!to.request.stream) {
    return std::unexpected(invalid(
        at, "invalid_value", "The 'stream_options' parameter is only allowed when 'stream' is enabled."));
  }
  TRY(options.flag("include_obfuscation"));
  return options.done();
}

constexpr std::string_view kDefaults[][2] = {{"instructions", "null"},
                                             {"max_output_tokens", "null"},
                                             {"metadata", "{}"},
                                             {"parallel_tool_calls", "true"},
                                             {"safety_identifier", "null"},
                                             {"prompt_cache_key", "null"},
                                             {"temperature", "null"},
                                             {"tool_choice", "\"auto\""},
                                             {"tools", "[]"},
                                             {"top_logprobs", "0"},
                                             {"top_p", "null"},
                                             {"truncation", "\"disabled\""},
                                             {"user", "null"}};

// The response object repeats what was asked for.
Status repeat_request(const json::object& body, ParsedRequest& to) {
  std::string& echo = to.echo;
  echo = R"("background":false,"previous_response_id":null,"store":false)";
  for (const auto& [name, absent] : kDefaults) {
    const auto* value = body.if_contains({name.data(), name.size()});
    echo += fmt::format(",\"{}\":", name);
    echo += value == nullptr || value->is_null() ? std::string(absent) : std::string(json::serialize(*value));
  }
  echo += R"(,"reasoning":{"effort":)";
  append_quoted_or_null(echo, to.request.reasoning_effort.value_or(""));
  echo += R"(,"summary":null},"text":{"format":)";
  const auto* text = body.if_contains("text");
  const auto* format =
      text != nullptr && text->is_object() ? text->get_object().if_contains("format") : nullptr;
  echo +=
      format == nullptr || format->is_null() ? R"({"type":"text"})" : std::string(json::serialize(*format));
  echo += '}';
  return {};
}

constexpr std::array kRows{
    kModelRow,
    string("instructions", 16 << 20, set_instructions),  // before input: it is the first message
    required(other("input", R"({"$ref":"#/components/schemas/Input"})", set_input)),
    kStreamRow,
    other(
        "stream_options",
        R"({"type":"object","additionalProperties":{"type":"null"},"properties":{"include_obfuscation":{"type":["boolean","null"]}}})",
        set_response_stream_options),
    integer("max_output_tokens", 1, kMaxTokensLimit, set_max_tokens),
    kTemperatureRow,
    kTopPRow,
    other("include", R"({"type":"array","items":{"type":"string","enum":["message.output_text.logprobs"]}})",
          set_include),
    integer("top_logprobs", 0, 20, set_top_logprobs),
    other("tools", R"({"$ref":"#/components/schemas/ResponseTools"})", set_tools),
    other("tool_choice", R"({"$ref":"#/components/schemas/ResponseToolChoice"})", set_tool_choice),
    other("text", R"({"$ref":"#/components/schemas/ResponseText"})", set_text),
    other("reasoning", R"({"$ref":"#/components/schemas/ResponseReasoning"})", set_reasoning),
    choice("truncation", "disabled", nullptr, "auto"),
    kUserRow,
    kMetadataRow,
    kStoreRow,
    kServiceTierRow,
    kPromptCacheKeyRow,
    kSafetyIdentifierRow,
    kParallelToolCallsRow,
};
constexpr std::array kUnsupported = std::to_array<std::string_view>(
    {"background", "context_management", "conversation", "max_tool_calls", "moderation",
     "previous_response_id", "prompt", "prompt_cache_options", "prompt_cache_retention", "verbosity"});
constexpr Table kTable{.rows = kRows, .unsupported = kUnsupported, .finish = repeat_request};

}  // namespace

const Table& responses_table() { return kTable; }

}  // namespace millrace::gateway::dialect
