// Adapter for llama.cpp's llama-server.
#pragma once

#include <memory>

#include "engine/adapter.h"

namespace millrace::engine {

/// Always asks the engine to stream, as only a streamed request stops when it is cancelled.
std::unique_ptr<Adapter> make_llama_adapter();

}  // namespace millrace::engine
