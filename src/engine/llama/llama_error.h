// llama-server's errors in the terms of the OpenAI API.
#pragma once

#include <cstdint>
#include <string>

#include "engine/wire/errors.h"

namespace millrace::engine::llama {

/// What is known of the request, and of the error besides its words.
struct Asked {
  Task task = Task::kChat;
  std::string schema_name{};           // the parameter with the schema that the engine enforces
  std::int64_t wanted = 0, limit = 0;  // "n_prompt_tokens" and "n_ctx" of the error, 0 if it has none
};

EngineError translate_error(const wire::PeerError& peer, const Asked& asked);

}  // namespace millrace::engine::llama
