// Body of POST /v1/messages, Anthropic's dialect.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "gateway/dialect/openai_fields.h"
#include "gateway/dialect/tables.h"

namespace millrace::gateway::dialect {
namespace {

using Role = engine::Message::Role;
using PartKind = engine::ContentPart::Kind;

constexpr std::size_t kMaxStops = 64;  // that API names no bound

// A text block; cache_control is a hint that clients send everywhere, and the engine's prompt cache needs none;
// parsed_output is what a client's SDK has made of our own answer.
Expected<std::string> read_text_block(Members& block) {
  block.find("cache_control");
  block.find("citations");
  block.find("parsed_output");
  return std::string(TRY(block.need_text("text")));
}

// A string, or an array of text blocks.
Expected<std::vector<engine::ContentPart>> read_texts(const json::value& value, const Path& at) {
  std::vector<engine::ContentPart> out;
  if (value.is_string()) {
    if (!value.get_string().empty())
      out.push_back({PartKind::kText, std::string(std::string_view(value.get_string()))});
    return out;
  }
  if (!value.is_array())
    return std::unexpected(invalid_type(at, "one of a string or array of text blocks", value));
  const auto& blocks = value.get_array();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Path here(at, i);
    Members block(*TRY(expect_object(blocks[i], here)), here);
    TRY(block.need_choice("type", "text", kAnyOther));
    out.push_back({PartKind::kText, TRY(read_text_block(block))});
    TRY_VOID(block.done());
  }
  return out;
}

Status set_system(const json::value& value, const Path& at, ParsedRequest& to) {
  engine::Message message;
  message.role = Role::kSystem;
  message.content = TRY(read_texts(value, at));
  if (!message.content.empty()) to.request.messages.push_back(std::move(message));
  return {};
}

Expected<std::string> read_image(Members& block) {
  block.find("cache_control");
  const Path at(block.at(), "source");
  Members source(*TRY(block.need_object("source")), at);
  const auto kind = TRY(source.need_choice("type", "base64|url", kAnyOther));
  std::string url;
  if (kind == "base64") {
    const auto type = TRY(source.need_choice("media_type", "image/jpeg|image/png|image/gif|image/webp"));
    url = fmt::format("data:{};base64,{}", type, TRY(source.need_text("data")));
  } else {
    const auto* found = TRY(source.need("url"));
    url = TRY(read_image_url(*found, Path(at, "url")));
  }
  TRY_VOID(source.done());
  return url;
}

Expected<engine::ToolCall> read_tool_use(Members& block) {
  block.find("cache_control");
  block.find("caller");
  engine::ToolCall call;
  call.id = TRY(block.need_text("id"));
  call.name = TRY(block.need_text("name"));
  call.arguments = json::serialize(*TRY(block.need_object("input")));
  return call;
}

Expected<engine::Message> read_tool_result(Members& block) {
  block.find("cache_control");
  engine::Message message;
  message.role = Role::kTool;
  message.tool_call_id = TRY(block.need_text("tool_use_id"));
  if (const auto* content = block.find("content"))
    message.content = TRY(read_texts(*content, Path(block.at(), "content")));
  if (TRY(block.flag("is_error")))
    message.content.insert(message.content.begin(), {PartKind::kText, "Error: "});
  return message;
}

Role role_of(std::string_view name) {
  if (name == "system") return Role::kSystem;
  return name == "user" ? Role::kUser : Role::kAssistant;
}

std::string_view blocks_of(Role role) {
  if (role == Role::kUser) return "text|image|tool_result";
  return role == Role::kAssistant ? "text|tool_use|thinking|redacted_thinking" : "text";
}

// Results of tools come as blocks of a user's message here, as messages of their own in the engine's terms.
Status read_block(const json::value& value, const Path& at, engine::Message& message, ParsedRequest& to) {
  Members block(*TRY(expect_object(value, at)), at);
  const auto kind = TRY(block.need_choice("type", blocks_of(message.role), kAnyOther));
  if (kind == "text") message.content.push_back({PartKind::kText, TRY(read_text_block(block))});
  if (kind == "image") message.content.push_back({PartKind::kImageUrl, TRY(read_image(block))});
  if (kind == "tool_use") message.tool_calls.push_back(TRY(read_tool_use(block)));
  if (kind == "tool_result") to.request.messages.push_back(TRY(read_tool_result(block)));
  if (kind == "thinking") {
    message.reasoning += TRY(block.need_text("thinking"));
    block.find("signature");
  }
  if (kind == "redacted_thinking") block.find("data");
  return block.done();
}

Status read_message(const json::value& value, const Path& at, ParsedRequest& to) {
  Members object(*TRY(expect_object(value, at)), at);
  engine::Message message;
  message.role = role_of(TRY(object.need_choice("role", "user|assistant|system")));
  const auto* content = TRY(object.need("content"));
  const Path content_at(at, "content");
  const std::size_t before = to.request.messages.size();
  if (content->is_string()) {
    message.content.push_back({PartKind::kText, std::string(TRY(expect_string(*content, content_at, 1)))});
  } else if (content->is_array()) {
    const auto& blocks = *TRY(expect_array(*content, content_at, 1));
    for (std::size_t i = 0; i < blocks.size(); ++i)
      TRY_VOID(read_block(blocks[i], Path(content_at, i), message, to));
  } else {
    return std::unexpected(invalid_type(content_at, "one of a string or array of content blocks", *content));
  }
  const bool says = !message.content.empty() || !message.tool_calls.empty() || !message.reasoning.empty();
  if (says || to.request.messages.size() == before) to.request.messages.push_back(std::move(message));
  return object.done();
}

Status set_messages(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& messages = *TRY(expect_array(value, at, 1));
  for (std::size_t i = 0; i < messages.size(); ++i) TRY_VOID(read_message(messages[i], Path(at, i), to));
  return {};
}

Status set_stop_sequences(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& items = *TRY(expect_array(value, at, 0, kMaxStops));
  to.request.tell_stop = !items.empty();
  for (std::size_t i = 0; i < items.size(); ++i) {
    to.request.sampling.stop.emplace_back(TRY(expect_string(items[i], Path(at, i), 1, 1024)));
  }
  return {};
}

Status set_tools(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& tools = *TRY(expect_array(value, at, 0, kMaxTools));
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const Path here(at, i);
    Members tool(*TRY(expect_object(tools[i], here)), here);
    if (const auto* type = tool.find("type"))
      TRY(expect_choice(*type, Path(here, "type"), "custom", kAnyOther));
    tool.find("cache_control");
    tool.find("eager_input_streaming");
    auto read = TRY(read_function(tool));
    if (!read.parameters.empty()) {
      return std::unexpected(invalid(
          Path(here, "parameters"), "unknown_parameter",
          fmt::format("Unknown parameter: '{}.parameters'. Did you mean input_schema?", here.text())));
    }
    read.parameters = json::serialize(*TRY(tool.need_object("input_schema")));
    TRY_VOID(tool.done());
    TRY_VOID(add_tool(std::move(read), here, to));
  }
  return {};
}

Status set_tool_choice(const json::value& value, const Path& at, ParsedRequest& to) {
  Members chosen(*TRY(expect_object(value, at)), at);
  const auto kind = TRY(chosen.need_choice("type", "auto|any|none|tool"));
  TRY(chosen.flag("disable_parallel_tool_use"));
  if (kind == "tool") {
    const auto name = TRY(chosen.need_text("name"));
    TRY_VOID(set_named_tool(name, Path(at, "name"), to));
  } else {
    TRY_VOID(set_tool_mode(kind, at, to));
  }
  return chosen.done();
}

// An engine that knows no budget of tokens is told the effort that comes near it.
Status set_thinking(const json::value& value, const Path& at, ParsedRequest& to) {
  constexpr std::int64_t kLow = 4096;
  constexpr std::int64_t kMedium = 16384;
  Members thinking(*TRY(expect_object(value, at)), at);
  const auto kind = TRY(thinking.need_choice("type", "enabled|disabled|adaptive", kAnyOther));
  if (kind == "enabled") {
    const auto* found = TRY(thinking.need("budget_tokens"));
    const auto budget = TRY(expect_integer(*found, Path(at, "budget_tokens"), 1024, kMaxTokensLimit));
    to.request.reasoning_budget = budget;
    to.request.reasoning_effort = budget < kLow ? "low" : budget < kMedium ? "medium" : "high";
  }
  to.effort_member = "thinking";
  if (kind == "disabled") to.request.reasoning_effort = "none";
  if (const auto* display = thinking.find("display"))
    TRY(expect_choice(*display, Path(at, "display"), "summarized", "omitted"));
  return thinking.done();
}

Status set_output_config(const json::value& value, const Path& at, ParsedRequest& to) {
  Members config(*TRY(expect_object(value, at)), at);
  if (const auto* effort = config.find("effort")) {
    to.request.reasoning_effort =
        TRY(expect_choice(*effort, Path(at, "effort"), "low|medium|high", kEffortsBeyond));
    to.effort_member = "output_config.effort";
  }
  if (const auto* found = config.find("format")) {
    const Path format_at(at, "format");
    Members format(*TRY(expect_object(*found, format_at)), format_at);
    TRY(format.need_choice("type", "json_schema", kAnyOther));
    to.request.format.kind = engine::ResponseFormat::Kind::kJsonSchema;
    to.request.format.schema_name = "output";
    to.request.format.schema = json::serialize(*TRY(format.need_object("schema")));
    to.request.format.strict = true;
    TRY_VOID(format.done());
  }
  return config.done();
}

Status check_user_metadata(const json::value& value, const Path& at, ParsedRequest&) {
  Members metadata(*TRY(expect_object(value, at)), at);
  TRY(metadata.text("user_id"));
  return metadata.done();
}

constexpr std::array kRows{
    kModelRow,
    required(integer("max_tokens", 1, kMaxTokensLimit, set_max_tokens)),
    other("system", R"({"$ref":"#/components/schemas/TextOrBlocks"})",
          set_system),  // before messages: it comes first
    required(other("messages", R"({"$ref":"#/components/schemas/Messages"})", set_messages)),
    kStreamRow,
    other("stop_sequences", R"({"type":"array","maxItems":64,"items":{"type":"string","minLength":1}})",
          set_stop_sequences),
    number("temperature", 0, 1, set_temperature),
    kTopPRow,
    kTopKRow,
    other("tools", R"({"$ref":"#/components/schemas/MessageTools"})", set_tools),
    other("tool_choice", R"({"$ref":"#/components/schemas/MessageToolChoice"})", set_tool_choice),
    other("thinking", R"({"$ref":"#/components/schemas/Thinking"})", set_thinking),
    other("output_config", R"({"$ref":"#/components/schemas/OutputConfig"})", set_output_config),
    accepted(other(
        "metadata",
        R"({"type":"object","additionalProperties":{"type":"null"},"properties":{"user_id":{"type":["string","null"]}}})",
        check_user_metadata)),
    accepted(choice("service_tier", "auto|standard_only", nullptr)),
};
constexpr std::array kUnsupported = std::to_array<std::string_view>(
    {"betas", "cache_control", "container", "context_management", "diagnostics", "inference_geo",
     "mcp_servers", "output_format", "speed", "user_profile_id", "workspace_id"});
constexpr Table kTable{.rows = kRows, .unsupported = kUnsupported};

}  // namespace

const Table& messages_table() { return kTable; }

}  // namespace millrace::gateway::dialect
