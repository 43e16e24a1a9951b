// Adapter for any server that speaks the OpenAI API (vLLM, SGLang, TensorRT-LLM, hosted ones).
#pragma once

#include <memory>

#include "engine/adapter.h"

namespace millrace::engine {

/// Asks the upstream as the client asked, streamed or whole, with usage included. An upstream that states no usage
/// gets it estimated, and Usage::estimated says so.
std::unique_ptr<Adapter> make_openai_adapter();

}  // namespace millrace::engine
