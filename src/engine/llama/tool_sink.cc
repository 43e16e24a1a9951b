#include "engine/llama/tool_sink.h"

#include <fmt/format.h>

namespace millrace::engine::llama {

void ToolSink::on_text(int choice, std::string_view text) {
  const std::size_t at = static_cast<std::size_t>(choice);
  wire::ToolText& reader = texts_[at];
  const std::string_view arguments = reader.feed(text);
  if (!reader.open()) return;
  if (!announced_[at]) {
    announced_[at] = true;
    to_->on_tool_call(choice, 0, call_id(choice), reader.name(), arguments);
  } else if (!arguments.empty()) {
    to_->on_tool_call(choice, 0, {}, {}, arguments);
  }
}

void ToolSink::on_finish(int choice, FinishReason reason) {
  const bool called = announced_[static_cast<std::size_t>(choice)];
  to_->on_finish(choice, called && reason == FinishReason::kStop ? FinishReason::kToolCalls : reason);
}

std::string ToolSink::call_id(int choice) const {
  std::string_view random = answer_id_;
  random.remove_prefix(random.rfind('-') == std::string_view::npos ? 0 : random.rfind('-') + 1);
  return choice == 0 ? fmt::format("call_{}", random) : fmt::format("call_{}_{}", random, choice);
}

void EchoSink::echo(int choice) {
  const std::size_t at = static_cast<std::size_t>(choice);
  if (echoed_[at]) return;
  echoed_[at] = true;
  to_->on_text(choice, prompts_[at * prompts_.size() / echoed_.size()]);
}

void EchoSink::on_text(int choice, std::string_view text) {
  echo(choice);
  to_->on_text(choice, text);
}

void EchoSink::on_finish(int choice, FinishReason reason) {
  echo(choice);
  to_->on_finish(choice, reason);
}

}  // namespace millrace::engine::llama
