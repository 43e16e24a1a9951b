// What the answers of several dialects have in common: one that is put together and sent whole, one that streams.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

/// A tool call under way; `index` is the engine's number of it.
struct CollectedCall {
  int index = 0;
  engine::ToolCall call;
};

struct CollectedChoice {
  std::string text;
  std::string reasoning;
  std::vector<CollectedCall> calls;
  std::vector<std::string> logprobs;
  engine::FinishReason finish = engine::FinishReason::kStop;
  std::string stop;  // the stop sequence that ended it, if that is known

  /// Appends to the call with that index, or begins it. True if it is new.
  bool add_call(int index, std::string_view id, std::string_view name, std::string_view arguments);
};

/// Collects everything; a dialect adds finish(). Events of choices that were not asked for are dropped.
class WholeAnswer : public Answer {
 public:
  explicit WholeAnswer(const engine::Request& request, AnswerMeta meta)
      : meta_(std::move(meta)), choices_(static_cast<std::size_t>(engine::choice_count(request))) {}

  std::string_view content_type() const override { return "application/json"; }
  bool streaming() const override { return false; }
  bool started() const override { return false; }
  std::string take() override { return {}; }
  std::string keep_alive() const override { return {}; }

  void on_progress(const engine::Usage&, std::int64_t) override {}
  void on_text(int choice, std::string_view text) override;
  void on_reasoning(int choice, std::string_view text) override;
  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override;
  void on_logprobs(int choice, std::string_view json) override;
  void on_finish(int choice, engine::FinishReason reason) override;
  void on_stop(int choice, std::string_view sequence) override;
  void on_embedding(int, std::vector<float>) override {}
  void on_usage(const engine::Usage&) override {}

 protected:
  const AnswerMeta& meta() const { return meta_; }
  const std::vector<CollectedChoice>& choices() const { return choices_; }
  /// Of all choices; what escapes add is not counted.
  std::size_t text_bytes() const;

 private:
  CollectedChoice* find(int choice);
  AnswerMeta meta_;
  std::vector<CollectedChoice> choices_;
};

/// Holds the bytes of a stream until they are taken.
class StreamAnswer : public Answer {
 public:
  StreamAnswer(const engine::Request& request, AnswerMeta meta)
      : meta_(std::move(meta)), choice_count_(static_cast<int>(engine::choice_count(request))) {}

  std::string_view content_type() const override { return "text/event-stream"; }
  bool streaming() const override { return true; }
  bool started() const override { return started_; }
  std::string take() override { return std::exchange(out_, {}); }

  void on_progress(const engine::Usage&, std::int64_t) override {}
  void on_embedding(int, std::vector<float>) override {}
  void on_usage(const engine::Usage&) override {}

 protected:
  const AnswerMeta& meta() const { return meta_; }
  bool asked_for(int choice) const { return choice >= 0 && choice < choice_count_; }
  int choice_count() const { return choice_count_; }
  std::string& out() { return out_; }
  void set_started() { started_ = true; }

 private:
  AnswerMeta meta_;
  int choice_count_;
  bool started_ = false;
  std::string out_;
};

/// "stop", "length", "tool_calls", "content_filter", as the OpenAI API has them.
std::string_view finish_name(engine::FinishReason reason);

/// Several logprobs objects as one: members that are arrays are joined. "null" if there are none.
std::string join_logprobs(const std::vector<std::string>& pieces);

}  // namespace millrace::gateway::dialect
