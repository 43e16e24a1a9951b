// Rebuilds a request as llama-server wants it.
#pragma once

#include <optional>

#include "engine/adapter.h"

namespace millrace::engine::llama {

/// A required or named tool is enforced by a JSON schema, whatever the template: the engine's own enforcement was seen
/// to answer with text, without a word, where its template has no tools and where it could not tell their form.
std::expected<Call, EngineError> render(const Request& request, const Target& target);

/// The call that counts the prompt's tokens; nullopt if the request would be refused.
std::optional<Call> render_count(const Request& request, const Target& target);

}  // namespace millrace::engine::llama
