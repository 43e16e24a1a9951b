#include "engine/llama/stop_sink.h"

#include <algorithm>

namespace millrace::engine::llama {

/// The longest end of the held text that begins a stop sequence, in bytes. It starts where a character does.
std::size_t StopSink::undecided() const {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t length = std::min(held_.size(), stop.size() - 1); length > longest; --length) {
      if (held_.ends_with(std::string_view(stop).substr(0, length))) longest = length;
    }
  }
  return longest;
}

void StopSink::let_go(int choice, std::size_t bytes) {
  if (bytes > 0) to_->on_text(choice, std::string_view(held_).substr(0, bytes));
  held_.erase(0, bytes);
}

void StopSink::on_text(int choice, std::string_view text) {
  if (met_) return;
  held_ += text;
  std::size_t first = 0, end = std::string::npos;
  const std::string* found = nullptr;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);
    if (at == std::string::npos || at + stop.size() >= end) continue;
    first = at;
    end = at + stop.size();
    found = &stop;
  }
  if (found == nullptr) return let_go(choice, held_.size() - undecided());
  met_ = true;
  let_go(choice, first);
  held_.clear();
  to_->on_stop(choice, *found);
}

void StopSink::on_reasoning(int choice, std::string_view text) {
  if (!met_) to_->on_reasoning(choice, text);
}

void StopSink::on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                            std::string_view arguments) {
  if (met_) return;
  let_go(choice, held_.size());
  to_->on_tool_call(choice, index, id, name, arguments);
}

void StopSink::on_finish(int choice, FinishReason reason) {
  if (!met_) let_go(choice, held_.size());
  to_->on_finish(choice, met_ ? FinishReason::kStop : reason);
}

}  // namespace millrace::engine::llama
