// Rebuilds a request as llama-server wants it.
#pragma once

#include <optional>
#include <string>

#include "engine/adapter.h"
#include "engine/wire/tool_schema.h"

namespace millrace::engine::llama {

/// The tool that a schema enforces, for requests that llama-server would answer with text in spite of tool_choice.
std::expected<std::optional<wire::EnforcedTool>, EngineError> enforced_by_schema(const Request& request,
                                                                                 const Target& target);

std::expected<Call, EngineError> render(const Request& request, const Target& target);

/// The call that counts the prompt's tokens; nullopt if the request would be refused.
std::optional<Call> render_count(const Request& request, const Target& target);

}  // namespace millrace::engine::llama
