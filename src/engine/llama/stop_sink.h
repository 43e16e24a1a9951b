// StopSink: ends an answer at the first stop sequence in its text, and tells which it was.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/llama/tool_sink.h"

namespace millrace::engine::llama {

/// Of one choice. The sequence that is whole first counts, in whatever pieces the text comes. Holds text back while it may be the beginning of a stop sequence.
class StopSink final : public PassingSink {
 public:
  explicit StopSink(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// A stop sequence has come; what follows is dropped.
  bool met() const { return met_; }

  void on_text(int choice, std::string_view text) override;
  void on_reasoning(int choice, std::string_view text) override;
  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override;
  void on_finish(int choice, FinishReason reason) override;

 private:
  std::size_t undecided() const;
  void let_go(int choice, std::size_t bytes);

  const std::vector<std::string> stops_;
  std::string held_;
  bool met_ = false;
};

}  // namespace millrace::engine::llama
