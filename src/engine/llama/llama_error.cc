#include "engine/llama/llama_error.h"

#include <charconv>

#include "engine/wire/body.h"

namespace millrace::engine::llama {
namespace {

bool says(std::string_view text, std::string_view words) {
  return text.find(words) != std::string_view::npos;
}

/// The number that follows `words`, 0 if there is none.
std::int64_t number_after(std::string_view text, std::string_view words) {
  const std::size_t at = text.find(words);
  std::int64_t number = 0;
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + words.size(), text.data() + text.size(), number);
  return number;
}

/// A 400 of llama-server names no parameter; its words tell which one it was.
EngineError refused(const wire::PeerError& peer, const Asked& asked) {
  EngineError error = wire::map_error(peer, asked.task);
  if (says(peer.message, "JSON schema") || says(peer.message, "grammar")) {
    error.param = asked.schema_name;
    // A schema that is none is invalid; one that says more than the engine's grammar can is not supported.
    if (!says(peer.message, "unrecognized type") && !says(peer.message, " must be "))
      error.code = "unsupported_parameter";
    error.message = "The engine cannot enforce this JSON schema: " + peer.message;
  } else if (says(peer.message, "Field 'n'")) {
    error = wire::unsupported("n", "this endpoint's engine answers fewer choices at once");
  } else if (says(peer.message, "Input content cannot be empty")) {
    error.param = wire::prompt_field(asked.task);
  }
  return error;
}

}  // namespace

EngineError translate_error(const wire::PeerError& peer, const Asked& asked) {
  const Task task = asked.task;
  if (peer.type == "exceed_context_size_error")
    return wire::context_exceeded(task, asked.wanted, asked.limit);
  // Embeddings beyond the batch are a 500 there: "input (3001 tokens) is too large to process. increase the
  // physical batch size (current batch size: 512)".
  if (says(peer.message, "too large to process")) {
    return wire::context_exceeded(task, number_after(peer.message, "input ("),
                                  number_after(peer.message, "current batch size: "));
  }
  if (peer.type == "not_supported_error") {
    return wire::refusal("unsupported_model", "model",
                         task == Task::kEmbed ? "This endpoint's model does not make embeddings."
                                              : "This endpoint's model does not do this.");
  }
  if (peer.type == "unavailable_error") {
    return {503, "server_error", "engine_unavailable", "", "The engine is still loading its model."};
  }
  if (peer.status == 400) return refused(peer, asked);
  return wire::map_error(peer, task);
}

}  // namespace millrace::engine::llama
