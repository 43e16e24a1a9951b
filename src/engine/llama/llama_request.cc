#include "engine/llama/llama_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "engine/wire/body.h"
#include "engine/wire/tool_schema.h"

namespace millrace::engine::llama {
namespace {

using host::JsonWriter;
using wire::EnforcedTool;
using wire::unsupported;

std::expected<void, EngineError> check(const Request& request, const Target& target) {
  if (request.task == Task::kChat && request.messages.empty()) {
    // The engine itself would invent an answer to nothing.
    return std::unexpected(wire::refusal("invalid_value", "messages", "'messages' must not be empty."));
  }
  if (wire::has_image(request)) {
    return std::unexpected(unsupported("messages", "this model reads text only, no images"));
  }
  if (!request.suffix.empty())
    return std::unexpected(unsupported("suffix", "this model has no fill-in-the-middle"));
  if (request.dimensions) {
    return std::unexpected(unsupported("dimensions", "this model's embeddings have a fixed width"));
  }
  if (request.echo && request.sampling.logprobs) {
    return std::unexpected(unsupported("echo", "with logprobs it is not available on this engine"));
  }
  if (request.reasoning_effort && *request.reasoning_effort != "none" && !target.template_has_reasoning) {
    return std::unexpected(unsupported("reasoning_effort", "this model has no reasoning"));
  }
  return wire::check_schemas(request);
}

/// Seeds are 32 bits wide there, and the highest one means "random".
std::int64_t seed_of(std::int64_t seed) {
  const std::int64_t low = seed & 0xFFFFFFFF;
  return low == 0xFFFFFFFF ? 0xFFFFFFFE : low;
}

/// The engine does not say which stop sequence it met: where that is asked, the reader looks for them (StopSink).
void write_sampling(JsonWriter& body, const Request& request) {
  const Sampling& sampling = request.sampling;
  wire::write_common_sampling(body, sampling,
                              request.tell_stop ? wire::Stops::kLeaveOut : wire::Stops::kWrite);
  if (sampling.seed) body.field("seed", seed_of(*sampling.seed));
  if (sampling.top_k) body.field("top_k", *sampling.top_k);
  if (sampling.min_p) body.field("min_p", *sampling.min_p);
  if (sampling.repeat_penalty) body.field("repeat_penalty", *sampling.repeat_penalty);
  if (sampling.logit_bias.empty()) return;
  body.key("logit_bias").begin_array();
  for (const auto& [token, bias] : sampling.logit_bias)
    body.begin_array().value(token).value(bias).end_array();
  body.end_array();
}

/// With "return_progress" a cancelled request stops in the prompt phase too; with "timings_per_token" each chunk
/// says how many tokens have been made, also those that have not become text yet.
void write_streaming(JsonWriter& body) {
  body.field("stream", true).field("return_progress", true).field("timings_per_token", true);
  body.key("stream_options").begin_object().field("include_usage", true).end_object();
  body.field("cache_prompt", true);
}

/// An assistant's message with its tool calls as text, for templates that know no tools.
std::string with_calls_as_text(const Message& message) {
  std::string text = wire::text_of(message);
  for (const ToolCall& call : message.tool_calls) {
    if (!text.empty()) text += '\n';
    text += fmt::format(R"({{"name": {}, "arguments": {}}})", host::quote_json(call.name),
                        call.arguments.empty() ? "{}" : call.arguments);
  }
  return text;
}

/// The name of the tool whose call `id` is answered, or "the tool".
std::string tool_of_call(const std::vector<Message>& messages, const std::string& id) {
  for (const Message& message : messages) {
    for (const ToolCall& call : message.tool_calls) {
      if (call.id == id) return call.name;
    }
  }
  return "the tool";
}

/// Messages for a template without tools: every content is a string, and tool results come from the user.
void write_plain_messages(JsonWriter& body, const std::vector<Message>& messages) {
  body.key("messages").begin_array();
  for (const Message& message : messages) {
    std::string text = with_calls_as_text(message);
    std::string_view role = wire::role_name(message.role, true);
    if (message.role == Message::Role::kTool) {
      role = "user";
      text = fmt::format("Result of {}: {}", tool_of_call(messages, message.tool_call_id), text);
    }
    body.begin_object().field("role", role).field("content", text).end_object();
  }
  body.end_array();
}

/// The messages as they are, but for what the model must know of the enforced tool.
std::vector<Message> with_prompt(const std::vector<Message>& messages,
                                 const std::optional<EnforcedTool>& enforced) {
  std::vector<Message> told = messages;
  if (!enforced) return told;
  const bool has_system = wire::role_name(told.front().role, true) == "system";
  if (!has_system) told.insert(told.begin(), Message{.role = Message::Role::kSystem});
  told.front().content.push_back({ContentPart::Kind::kText, (has_system ? "\n\n" : "") + enforced->prompt});
  return told;
}

/// The engine's sampler ends the reasoning when its budget is used up; with a budget of 0 it does so in the middle of a tag
/// (0.7.0), so none at all is asked of the template. A model without reasoning keeps within any budget.
void write_reasoning(JsonWriter& body, const Request& request, const Target& target) {
  const bool off = request.reasoning_effort == "none" || request.reasoning_budget == 0;
  if (request.reasoning_budget && !off) body.field("thinking_budget_tokens", *request.reasoning_budget);
  if (!target.template_has_reasoning || (!off && !request.reasoning_effort)) return;
  body.key("chat_template_kwargs").begin_object();
  body.field("enable_thinking", !off);
  if (!off) body.field("reasoning_effort", *request.reasoning_effort);
  body.end_object();
}

void write_chat(JsonWriter& body, const Request& request, const Target& target,
                const std::optional<EnforcedTool>& enforced) {
  const std::vector<Message> messages = with_prompt(request.messages, enforced);
  if (target.template_has_tools) {
    wire::write_messages(body, messages, true);
    if (!enforced && !request.tools.empty() && request.tool_choice.kind == ToolChoice::Kind::kAuto) {
      wire::write_tools(body, request.tools);
    }
  } else {
    write_plain_messages(body, messages);
  }
  if (enforced) {
    wire::write_format(body, {ResponseFormat::Kind::kJsonSchema, "tool_call", enforced->schema, true});
  } else {
    wire::write_format(body, request.format);
  }
  if (request.sampling.logprobs && !enforced) {
    // With 0 it sends none at all; the reader drops the alternative that was not asked for.
    body.field("logprobs", true)
        .field("top_logprobs", std::max<std::int64_t>(1, request.sampling.top_logprobs));
  }
  write_reasoning(body, request, target);
}

void begin(JsonWriter& body, const Target& target) {
  body.begin_object();
  if (!target.model.empty()) body.field("model", target.model);
}

std::expected<std::string, EngineError> generation_body(const Request& request, const Target& target) {
  TRY_VOID(check(request, target));
  std::optional<EnforcedTool> enforced;
  if (request.task == Task::kChat) enforced = TRY(wire::enforced_tool(request));
  JsonWriter body;
  begin(body, target);
  if (request.task == Task::kChat) {
    write_chat(body, request, target, enforced);
  } else {
    wire::write_prompts(body, "prompt", request.prompts);
    if (request.sampling.logprobs) {
      body.field("logprobs", std::max<std::int64_t>(1, request.sampling.top_logprobs));
    }
  }
  write_sampling(body, request);
  write_streaming(body);
  body.end_object();
  return body.take();
}

}  // namespace

std::expected<Call, EngineError> render(const Request& request, const Target& target) {
  if (request.task != Task::kEmbed) {
    return Call{request.task == Task::kChat ? "/v1/chat/completions" : "/v1/completions",
                TRY(generation_body(request, target))};
  }
  TRY_VOID(check(request, target));
  JsonWriter body;
  begin(body, target);
  body.key("input").begin_array();
  for (const std::string& input : request.inputs) {
    if (input.empty()) {
      return std::unexpected(
          wire::refusal("invalid_value", "input", "'input' must not contain an empty string."));
    }
    body.value(input);
  }
  // A quarter of the bytes that decimals take, and exact.
  body.end_array().field("encoding_format", "base64").end_object();
  return Call{"/v1/embeddings", body.take()};
}

std::optional<Call> render_count(const Request& request, const Target& target) {
  if (request.task == Task::kChat) {
    std::expected<std::string, EngineError> body = generation_body(request, target);
    if (!body) return std::nullopt;
    return Call{"/v1/chat/completions/input_tokens", std::move(*body)};
  }
  JsonWriter body;
  body.begin_object();
  if (request.task == Task::kText) {
    wire::write_prompts(body, "content", request.prompts);
  } else {
    body.key("content").begin_array();
    for (const std::string& input : request.inputs) body.value(input);
    body.end_array();
  }
  body.field("add_special", true).field("parse_special", true).end_object();
  return Call{"/tokenize", body.take()};
}

}  // namespace millrace::engine::llama
