#include "engine/wire/tool_schema.h"

#include <fmt/format.h>

#include "engine/wire/body.h"
#include "host/json.h"

namespace millrace::engine::wire {
namespace {

namespace json = boost::json;

constexpr std::string_view kNoArguments = R"({"type":"object","properties":{},"additionalProperties":false})";

std::string_view schema_of(const Tool& tool) {
  return tool.parameters.empty() ? kNoArguments : std::string_view(tool.parameters);
}

/// Makes references to the schema's own root ("#", "#/$defs/x") point to where the schema stands now. Depth is
/// bounded by the parser's limit.
void move_references(json::value& value, std::string_view root) {
  if (json::array* items = value.if_array()) {
    for (json::value& item : *items) move_references(item, root);
    return;
  }
  json::object* members = value.if_object();
  if (members == nullptr) return;
  for (json::key_value_pair& member : *members) {
    json::string* text = member.value().if_string();
    if (text != nullptr && member.key() == "$ref" && text->starts_with('#')) {
      const std::string moved =
          fmt::format("{}{}", root, std::string_view(text->data() + 1, text->size() - 1));
      *text = moved;
    } else {
      move_references(member.value(), root);
    }
  }
}

std::string choice_schema(const std::vector<Tool>& tools) {
  host::JsonWriter out;
  out.begin_object().key("$defs").begin_object();
  for (std::size_t at = 0; at < tools.size(); ++at) {
    Result<json::value> schema = host::parse_json(schema_of(tools[at]));
    if (!schema) continue;
    move_references(*schema, fmt::format("#/$defs/tool{}", at));
    out.key(fmt::format("tool{}", at)).value(*schema);
  }
  out.end_object().key("anyOf").begin_array();
  for (std::size_t at = 0; at < tools.size(); ++at) {
    out.begin_object().field("type", "object").key("properties").begin_object();
    out.key("name").begin_object().field("const", tools[at].name).end_object();
    out.key("arguments").begin_object().field("$ref", fmt::format("#/$defs/tool{}", at)).end_object();
    out.end_object().key("required").raw(R"(["name","arguments"])").field("additionalProperties", false);
    out.end_object();
  }
  out.end_array().end_object();
  return out.take();
}

std::string describe(const Tool& tool) {
  return fmt::format("Tool {}{}{}\nArguments (JSON schema): {}\n", tool.name,
                     tool.description.empty() ? "" : ": ", tool.description, schema_of(tool));
}

}  // namespace

std::expected<std::optional<EnforcedTool>, EngineError> enforced_tool(const Request& request) {
  const ToolChoice& choice = request.tool_choice;
  if (choice.kind == ToolChoice::Kind::kAuto || choice.kind == ToolChoice::Kind::kNone) return std::nullopt;
  if (request.tools.empty()) {
    return std::unexpected(
        refusal("invalid_value", "tool_choice",
                "Invalid value for 'tool_choice': it is only allowed when 'tools' are specified."));
  }
  const Tool* only = request.tools.size() == 1 ? &request.tools.front() : nullptr;
  if (choice.kind == ToolChoice::Kind::kNamed) {
    only = nullptr;
    for (const Tool& tool : request.tools) {
      if (tool.name == choice.name) only = &tool;
    }
    if (only == nullptr) {
      return std::unexpected(refusal("invalid_value", "tool_choice",
                                     fmt::format("Tool choice '{}' not found in 'tools'.", choice.name)));
    }
  }
  EnforcedTool enforced;
  if (only != nullptr) {
    enforced.name = only->name;
    enforced.schema = schema_of(*only);
    enforced.prompt = fmt::format(
        "{}Call this tool for the user: answer with its arguments as one JSON object.", describe(*only));
    return enforced;
  }
  for (const Tool& tool : request.tools) enforced.prompt += describe(tool);
  enforced.prompt +=
      R"(Call one of these tools for the user: answer with {"name": ..., "arguments": {...}}.)";
  enforced.schema = choice_schema(request.tools);
  return enforced;
}

}  // namespace millrace::engine::wire
