// A tool call as a JSON schema: how a tool is enforced where the model's template has no tools.
#pragma once

#include <optional>
#include <string>

#include "engine/adapter.h"
#include "engine/request.h"

namespace millrace::engine::wire {

struct EnforcedTool {
  std::string name;    // the only tool that can be called; empty if the model chooses among several
  std::string schema;  // JSON schema that the answer's text must match: the arguments, or {name, arguments}
  std::string prompt;  // what the model is told about the tools
};

/// Nullopt if tool_choice enforces none. The refusal if it names a tool that is not there, or none is.
/// Schemas must have passed check_schemas.
std::expected<std::optional<EnforcedTool>, EngineError> enforced_tool(const Request& request);

}  // namespace millrace::engine::wire
