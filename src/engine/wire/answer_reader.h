// AnswerReader: reads an OpenAI-shaped answer, whole or streamed; what engines add or do otherwise is in subclasses.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <vector>

#include "engine/adapter.h"
#include "host/json_tree.h"
#include "net/sse.h"

namespace millrace::engine::wire {

class AnswerReader : public Reader, private net::SseHandler {
 public:
  static constexpr std::size_t kMaxEventBytes = 1 << 20;
  static constexpr std::size_t kMaxBodyBytes = 64 << 20;
  static constexpr std::size_t kMaxErrorBytes = 64 << 10;

  explicit AnswerReader(const Request& request);

  void head(int status, std::string_view content_type) final;
  Result<void> feed(std::string_view bytes, Sink& sink) final;
  Result<void> end(Sink& sink) final;
  const std::optional<EngineError>& error() const final { return error_; }
  bool cut() const final { return cut_; }

 protected:
  using Node = host::JsonNode;

  /// What an error by the engine means; `body_or_object` has been read already.
  virtual EngineError translate(int status, const boost::json::value* error, std::string_view body) const = 0;
  /// Called for each chunk (and for a whole answer) before its choices: progress, if the engine tells it.
  virtual void on_chunk(const Node& chunk, Sink& sink) = 0;
  /// Called for each usage object of the engine.
  virtual void on_peer_usage(const Usage& usage, Sink& sink) = 0;
  /// Called before a piece of text, reasoning or tool call that came without a count of tokens.
  virtual void on_piece(std::size_t text_bytes, bool is_reasoning, Sink& sink) = 0;
  /// The final figures; called once the answer is whole.
  virtual Usage final_usage() const = 0;
  /// What a choice's pieces are handed to; a subclass may put a translator before `sink`.
  virtual Sink& out(Sink& sink) { return sink; }
  /// A stop sequence has come that the engine does not know of.
  virtual bool met_stop() const { return false; }
  /// Called with the id of the answer, once.
  virtual void on_id(std::string_view) {}

  Task task() const { return task_; }
  int choices() const { return choices_; }

 private:
  struct ToolState {
    int index = 0;
    std::string id;
  };
  struct ChoiceState {
    bool seen = false;
    bool finished = false;
    std::vector<ToolState> tools;
    std::int64_t text_offset = 0;  // in characters, for legacy logprobs
  };

  bool on_event(const net::SseEvent& event) override;
  Result<void> read_answer(std::string_view text, bool is_error_event, Sink& sink);
  Result<void> read_whole(Sink& sink);
  Result<void> read_error(const Node& error);
  Result<void> read_choice(const Node& choice, Sink& sink);
  void read_message(const Node& message, int index, Sink& sink);
  void read_content(const Node& content, int index, Sink& sink);
  void read_tool_calls(const Node& calls, int index, Sink& sink);
  void read_tool_call(const Node& call, int index, Sink& sink);
  Result<void> read_logprobs(const Node& choice, int index, Sink& sink);
  Result<void> read_finish(const Node& choice, int index, Sink& sink);
  void read_stop(const Node& choice, int index, Sink& sink);
  Result<void> read_embeddings(const Node& answer, Sink& sink);
  void read_usage(const Node& answer, Sink& sink);
  void emit_text(int index, std::string_view text, Sink& sink);
  void emit_reasoning(int index, std::string_view text, Sink& sink);
  Result<void> finish(Sink& sink);

  enum class Form { kEvents, kWhole, kError, kUnknown };

  const Task task_;
  const bool wants_stream_;
  const bool wants_logprobs_;
  const bool tells_stop_;
  const std::int64_t top_logprobs_;
  const int choices_;
  const std::size_t inputs_;
  int status_ = 0;
  Form form_ = Form::kUnknown;
  net::SseReader events_{kMaxEventBytes};
  Result<void> event_outcome_;  // of the last event; feed hands it on
  std::string body_;
  std::vector<ChoiceState> states_;
  Sink* event_sink_ = nullptr;  // set only while feed runs
  bool id_seen_ = false;
  bool done_ = false;
  bool cut_ = false;
  std::optional<EngineError> error_;
};

}  // namespace millrace::engine::wire
