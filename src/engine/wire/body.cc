#include "engine/wire/body.h"

#include <fmt/format.h>

#include "host/json.h"

namespace millrace::engine::wire {
namespace {

void write_content(host::JsonWriter& body, const Message& message) {
  bool image = false;
  for (const ContentPart& part : message.content) image = image || part.kind == ContentPart::Kind::kImageUrl;
  body.key("content");
  if (!image) {
    if (message.content.empty() && !message.tool_calls.empty()) {
      body.null();
    } else if (message.content.size() == 1) {
      body.value(message.content.front().value);
    } else {
      body.value(text_of(message));
    }
    return;
  }
  body.begin_array();
  for (const ContentPart& part : message.content) {
    body.begin_object();
    if (part.kind == ContentPart::Kind::kText) {
      body.field("type", "text").field("text", part.value);
    } else {
      body.field("type", "image_url").key("image_url").begin_object().field("url", part.value).end_object();
    }
    body.end_object();
  }
  body.end_array();
}

void write_tool_calls(host::JsonWriter& body, const std::vector<ToolCall>& calls) {
  body.key("tool_calls").begin_array();
  for (const ToolCall& call : calls) {
    body.begin_object().field("id", call.id).field("type", "function").key("function").begin_object();
    body.field("name", call.name).field("arguments", call.arguments).end_object().end_object();
  }
  body.end_array();
}

/// Refuses what is not one JSON object; only that may be copied into a body. `name` gives the parameter's name.
template <typename Name>
std::expected<void, EngineError> check_schema(std::string_view schema, Name name) {
  const Result<boost::json::value> parsed = host::parse_json(schema);
  if (parsed && parsed->is_object()) return {};
  const std::string param = name();
  return std::unexpected(refusal("invalid_value", param,
                                 fmt::format("Invalid schema in '{}': {}", param,
                                             parsed ? "it must be a JSON object" : parsed.error().message)));
}

}  // namespace

EngineError refusal(std::string_view code, std::string_view param, std::string message) {
  return {400, "invalid_request_error", std::string(code), std::string(param), std::move(message)};
}

EngineError unsupported(std::string_view param, std::string_view why) {
  return refusal("unsupported_parameter", param, fmt::format("Unsupported parameter: '{}': {}", param, why));
}

std::string text_of(const Message& message) {
  std::string text;
  for (const ContentPart& part : message.content) {
    if (part.kind == ContentPart::Kind::kText) text += part.value;
  }
  return text;
}

bool has_image(const Request& request) {
  for (const Message& message : request.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::kImageUrl) return true;
    }
  }
  return false;
}

std::string_view role_name(Message::Role role, bool developer_is_system) {
  switch (role) {
    case Message::Role::kSystem:
      return "system";
    case Message::Role::kDeveloper:
      return developer_is_system ? "system" : "developer";
    case Message::Role::kUser:
      return "user";
    case Message::Role::kAssistant:
      return "assistant";
    case Message::Role::kTool:
      return "tool";
  }
  return "user";
}

std::string tool_schema_name(std::size_t index) {
  return fmt::format("tools[{}].function.parameters", index);
}

std::expected<void, EngineError> check_schemas(const Request& request) {
  for (std::size_t at = 0; at < request.tools.size(); ++at) {
    const std::string& schema = request.tools[at].parameters;
    if (!schema.empty()) TRY_VOID(check_schema(schema, [at] { return tool_schema_name(at); }));
  }
  if (request.format.kind == ResponseFormat::Kind::kJsonSchema) {
    TRY_VOID(check_schema(request.format.schema, [] { return std::string("response_format"); }));
  }
  return {};
}

void write_common_sampling(host::JsonWriter& body, const Sampling& sampling, Stops stops) {
  const auto optional = [&](std::string_view name, const auto& value) {
    if (value) body.field(name, *value);
  };
  optional("max_tokens", sampling.max_tokens);
  optional("temperature", sampling.temperature);
  optional("top_p", sampling.top_p);
  optional("presence_penalty", sampling.presence_penalty);
  optional("frequency_penalty", sampling.frequency_penalty);
  if (!sampling.stop.empty() && stops == Stops::kWrite) {
    body.key("stop").begin_array();
    for (const std::string& stop : sampling.stop) body.value(stop);
    body.end_array();
  }
  if (sampling.choices > 1) body.field("n", sampling.choices);
}

void write_prompts(host::JsonWriter& body, std::string_view key, const std::vector<std::string>& prompts) {
  body.key(key);
  if (prompts.size() == 1) {
    body.value(prompts.front());
    return;
  }
  body.begin_array();
  for (const std::string& prompt : prompts) body.value(prompt);
  body.end_array();
}

void write_messages(host::JsonWriter& body, const std::vector<Message>& messages, bool developer_is_system) {
  body.key("messages").begin_array();
  for (const Message& message : messages) {
    body.begin_object().field("role", role_name(message.role, developer_is_system));
    write_content(body, message);
    if (!message.reasoning.empty()) body.field("reasoning_content", message.reasoning);
    if (!message.tool_calls.empty()) write_tool_calls(body, message.tool_calls);
    if (!message.tool_call_id.empty()) body.field("tool_call_id", message.tool_call_id);
    if (!message.name.empty()) body.field("name", message.name);
    body.end_object();
  }
  body.end_array();
}

void write_tools(host::JsonWriter& body, const std::vector<Tool>& tools) {
  body.key("tools").begin_array();
  for (const Tool& tool : tools) {
    body.begin_object().field("type", "function").key("function").begin_object().field("name", tool.name);
    if (!tool.description.empty()) body.field("description", tool.description);
    if (!tool.parameters.empty()) body.key("parameters").raw(tool.parameters);
    if (tool.strict) body.field("strict", true);
    body.end_object().end_object();
  }
  body.end_array();
}

void write_format(host::JsonWriter& body, const ResponseFormat& format) {
  if (format.kind == ResponseFormat::Kind::kText) return;
  body.key("response_format").begin_object();
  if (format.kind == ResponseFormat::Kind::kJsonObject) {
    body.field("type", "json_object").end_object();
    return;
  }
  body.field("type", "json_schema").key("json_schema").begin_object();
  body.field("name",
             format.schema_name.empty() ? std::string_view("answer") : std::string_view(format.schema_name));
  body.key("schema").raw(format.schema);
  if (format.strict) body.field("strict", true);
  body.end_object().end_object();
}

}  // namespace millrace::engine::wire
