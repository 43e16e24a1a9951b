// llama-server's errors in the terms of the OpenAI API.
#pragma once

#include <string_view>

#include "engine/wire/errors.h"

namespace millrace::engine::llama {

/// `wanted` and `limit`: "n_prompt_tokens" and "n_ctx" of the error, 0 if it has none.
EngineError translate_error(const wire::PeerError& peer, Task task, std::int64_t wanted, std::int64_t limit);

}  // namespace millrace::engine::llama
