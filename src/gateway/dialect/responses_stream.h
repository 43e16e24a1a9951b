// The sequence of events of a streamed response. A response that is not streamed is the last event's object of the same
// sequence, so both are made here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

/// Builds output items as engine events come, and the events that tell of them.
class ResponseBuilder {
 public:
  ResponseBuilder(const ParsedRequest& parsed, AnswerMeta meta, bool events);

  /// response.created and response.in_progress, once.
  void start();
  bool started() const { return started_; }
  void text(std::string_view piece);
  void reasoning(std::string_view piece);
  void tool_call(int index, std::string_view id, std::string_view name, std::string_view arguments);
  void logprobs(std::string_view json) { held_logprobs_.emplace_back(json); }
  void end(engine::FinishReason reason) { reason_ = reason; }
  /// Closes what is open; response.completed or response.incomplete. The response object.
  std::string complete(const engine::Usage& usage, const Footprint& footprint);
  /// error and response.failed.
  void fail(const ApiError& error);
  std::string take() { return std::exchange(out_, {}); }

 private:
  enum class Open { kNone, kMessage, kReasoning, kCall };

  void open(Open kind);
  void close();
  void close_part(std::string_view kind);
  std::string item(std::string_view status) const;
  std::string part(std::string_view kind) const;
  std::string response(std::string_view status, std::string_view error, std::string_view usage) const;
  /// "event: T\ndata: {"type":"T","sequence_number":N" and, for an item's event, its place; end_event closes it.
  void begin_event(std::string_view type);
  void begin_item_event(std::string_view type, bool has_content_index);
  void member(std::string_view name, std::string_view text);
  void end_event();

  const AnswerMeta meta_;
  const std::string echo_;
  const bool events_;
  bool started_ = false;
  std::int64_t sequence_ = 0;
  Open open_ = Open::kNone;
  std::string item_id_;
  std::string text_;       // of the open item: text, reasoning or arguments
  engine::ToolCall call_;  // id and name, while a call is open
  int call_index_ = 0;
  std::vector<std::string> held_logprobs_;  // for the next piece of text
  std::vector<std::string> item_logprobs_;  // of the open message
  std::vector<std::string> done_;           // finished items, JSON
  engine::FinishReason reason_ = engine::FinishReason::kStop;
  std::string out_;
};

}  // namespace millrace::gateway::dialect
