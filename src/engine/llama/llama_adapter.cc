#include "engine/llama/llama_adapter.h"

#include <fmt/format.h>

#include "engine/llama/llama_reader.h"
#include "engine/llama/llama_request.h"
#include "engine/wire/json.h"
#include "engine/wire/tool_schema.h"

namespace millrace::engine {
namespace {

class LlamaAdapter final : public Adapter {
 public:
  std::string_view name() const override { return "llama"; }

  std::expected<Call, EngineError> render(const Request& request, const Target& target) const override {
    return llama::render(request, target);
  }

  std::unique_ptr<Reader> reader(const Request& request, const Target&) const override {
    std::optional<std::string> tool;
    if (request.task == Task::kChat) {
      if (const auto enforced = wire::enforced_tool(request); enforced && *enforced) tool = (*enforced)->name;
    }
    return std::make_unique<llama::LlamaReader>(request, tool);
  }

  std::optional<Call> render_count(const Request& request, const Target& target) const override {
    return llama::render_count(request, target);
  }

  /// {"input_tokens": n} or {"tokens": [...]}.
  Result<std::int64_t> read_count(int status, std::string_view body) const override {
    if (status != 200) {
      return failure(ErrorCode::kUnavailable,
                     fmt::format("the engine answered {} when asked to count tokens", status));
    }
    const boost::json::value answer = TRY(wire::parse_object(body, {}));
    if (const auto count = wire::find_count(answer.get_object(), "input_tokens")) return *count;
    if (const auto* tokens = wire::find_array(answer.get_object(), "tokens")) {
      return static_cast<std::int64_t>(tokens->size());
    }
    return failure(ErrorCode::kCorrupt, "the engine did not say how many tokens it counted");
  }
};

}  // namespace

std::unique_ptr<Adapter> make_llama_adapter() { return std::make_unique<LlamaAdapter>(); }

}  // namespace millrace::engine
