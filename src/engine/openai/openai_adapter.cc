#include "engine/openai/openai_adapter.h"

#include <algorithm>

#include "engine/openai/openai_reader.h"
#include "engine/wire/body.h"

namespace millrace::engine {
namespace {

using host::JsonWriter;

void write_sampling(JsonWriter& body, const Sampling& sampling) {
  wire::write_common_sampling(body, sampling);
  if (sampling.seed) body.field("seed", *sampling.seed);
  // Not of the OpenAI API, but of most servers that speak it; one that does not know them refuses them itself.
  if (sampling.top_k) body.field("top_k", *sampling.top_k);
  if (sampling.min_p) body.field("min_p", *sampling.min_p);
  if (sampling.repeat_penalty) body.field("repetition_penalty", *sampling.repeat_penalty);
  if (sampling.logit_bias.empty()) return;
  body.key("logit_bias").begin_object();
  for (const auto& [token, bias] : sampling.logit_bias) body.field(std::to_string(token), bias);
  body.end_object();
}

void write_tool_choice(JsonWriter& body, const Request& request) {
  if (request.tools.empty()) return;
  wire::write_tools(body, request.tools);
  switch (request.tool_choice.kind) {
    case ToolChoice::Kind::kAuto:
      return;
    case ToolChoice::Kind::kNone:
      body.field("tool_choice", "none");
      return;
    case ToolChoice::Kind::kRequired:
      body.field("tool_choice", "required");
      return;
    case ToolChoice::Kind::kNamed:
      body.key("tool_choice").begin_object().field("type", "function").key("function").begin_object();
      body.field("name", request.tool_choice.name).end_object().end_object();
      return;
  }
}

void write_chat(JsonWriter& body, const Request& request) {
  wire::write_messages(body, request.messages, false);
  write_tool_choice(body, request);
  wire::write_format(body, request.format);
  if (request.reasoning_effort) body.field("reasoning_effort", *request.reasoning_effort);
  if (!request.sampling.logprobs) return;
  body.field("logprobs", true);
  if (request.sampling.top_logprobs > 0) body.field("top_logprobs", request.sampling.top_logprobs);
}

void write_text(JsonWriter& body, const Request& request) {
  wire::write_prompts(body, "prompt", request.prompts);
  if (request.echo) body.field("echo", true);
  if (!request.suffix.empty()) body.field("suffix", request.suffix);
  if (request.sampling.logprobs) body.field("logprobs", request.sampling.top_logprobs);
}

void write_embed(JsonWriter& body, const Request& request) {
  body.key("input").begin_array();
  for (const std::string& input : request.inputs) body.value(input);
  body.end_array();
  if (request.dimensions) body.field("dimensions", *request.dimensions);
}

std::string_view path_of(Task task) {
  switch (task) {
    case Task::kChat:
      return "/chat/completions";
    case Task::kText:
      return "/completions";
    case Task::kEmbed:
      return "/embeddings";
  }
  return "/chat/completions";
}

class OpenAiAdapter final : public Adapter {
 public:
  std::string_view name() const override { return "openai"; }

  std::expected<Call, EngineError> render(const Request& request, const Target& target) const override {
    TRY_VOID(wire::check_schemas(request));
    // No field of that API bounds reasoning alone; where an effort was given as well, that is what it gets.
    if (request.reasoning_budget && !request.reasoning_effort) {
      return std::unexpected(
          wire::unsupported("max_reasoning_tokens", "this upstream takes no budget; say reasoning_effort"));
    }
    std::string buffer;
    buffer.reserve(256 + prompt_bytes(request) + prompt_bytes(request) / 8);
    JsonWriter body(std::move(buffer));
    body.begin_object().field("model", target.model.empty() ? request.endpoint : target.model);
    switch (request.task) {
      case Task::kChat:
        write_chat(body, request);
        break;
      case Task::kText:
        write_text(body, request);
        break;
      case Task::kEmbed:
        write_embed(body, request);
        break;
    }
    if (request.task != Task::kEmbed) {
      write_sampling(body, request.sampling);
      if (request.stream) {
        body.field("stream", true)
            .key("stream_options")
            .begin_object()
            .field("include_usage", true)
            .end_object();
      }
    }
    body.end_object();
    return Call{target.path_prefix + std::string(path_of(request.task)), body.take()};
  }

  std::unique_ptr<Reader> reader(const Request& request, const Target&) const override {
    return std::make_unique<openai::OpenAiReader>(request);
  }

  std::optional<Call> render_count(const Request&, const Target&) const override { return std::nullopt; }

  Result<std::int64_t> read_count(int, std::string_view) const override {
    return failure(ErrorCode::kInvalidArgument,
                   "an OpenAI-compatible upstream has no call that counts tokens");
  }
};

}  // namespace

std::unique_ptr<Adapter> make_openai_adapter() { return std::make_unique<OpenAiAdapter>(); }

}  // namespace millrace::engine
