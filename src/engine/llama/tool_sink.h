// Sinks between a reader and the caller's sink: text into tool calls, and the prompt before the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/adapter.h"
#include "engine/wire/tool_text.h"

namespace millrace::engine::llama {

/// Hands everything on as it is; the base of the others.
class PassingSink : public Sink {
 public:
  void pass_to(Sink& sink) { to_ = &sink; }

  void on_progress(const Usage& so_far, std::int64_t prompt_total) override {
    to_->on_progress(so_far, prompt_total);
  }
  void on_text(int choice, std::string_view text) override { to_->on_text(choice, text); }
  void on_reasoning(int choice, std::string_view text) override { to_->on_reasoning(choice, text); }
  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override {
    to_->on_tool_call(choice, index, id, name, arguments);
  }
  void on_logprobs(int choice, std::string_view json) override { to_->on_logprobs(choice, json); }
  void on_finish(int choice, FinishReason reason) override { to_->on_finish(choice, reason); }
  void on_stop(int choice, std::string_view sequence) override { to_->on_stop(choice, sequence); }
  void on_embedding(int index, std::vector<float> values) override {
    to_->on_embedding(index, std::move(values));
  }
  void on_usage(const Usage& usage) override { to_->on_usage(usage); }

 protected:
  Sink* to_ = nullptr;
};

/// Text becomes the pieces of one tool call for each choice; a finished call ends with kToolCalls.
class ToolSink final : public PassingSink {
 public:
  ToolSink(int choices, const std::string& tool_name)
      : texts_(static_cast<std::size_t>(choices), wire::ToolText(tool_name)),
        announced_(static_cast<std::size_t>(choices)) {}

  /// Ids of the calls are made from the answer's own id, which the engine drew at random.
  void set_answer_id(std::string_view id) { answer_id_ = id; }

  void on_text(int choice, std::string_view text) override;
  void on_logprobs(int, std::string_view) override {}
  void on_finish(int choice, FinishReason reason) override;

 private:
  std::string call_id(int choice) const;

  std::string answer_id_;
  std::vector<wire::ToolText> texts_;
  std::vector<bool> announced_;
};

/// Puts a choice's prompt before its first text (parameter `echo`, which llama-server ignores).
class EchoSink final : public PassingSink {
 public:
  EchoSink(int choices, std::vector<std::string> prompts)
      : prompts_(std::move(prompts)), echoed_(static_cast<std::size_t>(choices)) {}

  void on_text(int choice, std::string_view text) override;
  void on_finish(int choice, FinishReason reason) override;

 private:
  void echo(int choice);

  std::vector<std::string> prompts_;
  std::vector<bool> echoed_;
};

}  // namespace millrace::engine::llama
