// One round of fuzzing for a dialect: a body must not crash it, and what it accepts must be answered by good JSON.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline bool is_json(std::string_view text) {
  boost::system::error_code fault;
  boost::json::parse({text.data(), text.size()}, fault, {}, {.max_depth = 256});
  return !fault;
}

inline void feed_answer(Answer& answer) {
  answer.on_progress({.input = 3, .cached = 1, .output = 1}, 3);
  answer.on_reasoning(0, "r\n");
  answer.on_text(0, "t\"");
  answer.on_tool_call(0, 0, "id", "name", "{\"a\":");
  answer.on_embedding(0, {0.5F});
  answer.on_finish(0, engine::FinishReason::kLength);
}

inline int fuzz_dialect(const Dialect& dialect, std::string_view body) {
  const AnswerMeta meta{"req_1", 1, "m"};
  const auto parsed = dialect.parse(body);
  if (!parsed) {
    require(parsed.error().status == 400 && is_json(dialect.render_error(parsed.error(), meta)));
    return 0;
  }
  const auto& request = parsed->request;
  require(!request.endpoint.empty());
  require(request.task != engine::Task::kChat || !request.messages.empty());
  require(request.task != engine::Task::kText || !request.prompts.empty());
  require(request.task != engine::Task::kEmbed || !request.inputs.empty());
  require(request.sampling.choices >= 1 && request.sampling.choices <= 8 &&
          request.sampling.stop.size() <= 64);
  require(!request.sampling.max_tokens || *request.sampling.max_tokens >= 1);
  const auto answer = dialect.answer(*parsed, meta);
  feed_answer(*answer);
  const auto bytes = answer->finish({.input = 3, .cached = 1, .output = 2}, {});
  if (!answer->streaming()) {
    require(is_json(bytes));
    return 0;
  }
  std::string_view rest = bytes;
  for (auto at = rest.find("data: "); at != std::string_view::npos; at = rest.find("\ndata: ")) {
    rest.remove_prefix(rest.find("data: ", at) + 6);
    const auto line = rest.substr(0, rest.find('\n'));
    require(line == "[DONE]" || is_json(line));
  }
  return 0;
}

}  // namespace millrace::gateway::dialect
