// Reads what llama-server answers: OpenAI's chunks with its own "timings" and "prompt_progress".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/llama/stop_sink.h"
#include "engine/llama/tool_sink.h"
#include "engine/wire/answer_reader.h"

namespace millrace::engine::llama {

class LlamaReader final : public wire::AnswerReader {
 public:
  /// `enforced` names the tool whose call the text is (ToolSink), nullopt if the text is text.
  LlamaReader(const Request& request, const std::optional<std::string>& enforced);

 private:
  EngineError translate(int status, const boost::json::value* error, std::string_view body) const override;
  void on_chunk(const Node& chunk, Sink& sink) override;
  void on_peer_usage(const Usage& usage, Sink& sink) override;
  void on_piece(std::size_t text_bytes, bool is_reasoning, Sink& sink) override;
  Usage final_usage() const override;
  Sink& out(Sink& sink) override;
  bool met_stop() const override { return stops_ && stops_->met(); }
  void on_id(std::string_view id) override;
  std::string schema_name() const;
  void report(Sink& sink);

  struct Figures {
    std::int64_t made = 0;                              // of one choice, as the last timings said
    std::int64_t processed = 0, total = 0, cached = 0;  // of a prompt; kept with the first of its choices
  };
  Figures& prompt_of(std::size_t choice) { return figures_[choice - choice % per_prompt_]; }
  Figures sum() const;

  static constexpr int kFormat = -1, kSomeTool = -2;
  const int schema_of_;           // the tool with the schema that the engine enforces, or one of the above
  const std::size_t per_prompt_;  // choices
  std::vector<Figures> figures_;  // of each choice
  std::size_t at_ = 0;            // the choice that the last chunk was of
  std::int64_t output_ = 0;       // never goes back
  std::int64_t stated_output_ = 0, stated_reasoning_ = 0;  // sums of the usage objects, one for each choice
  std::int64_t reasoning_ = 0, attributed_ = 0;  // tokens of reasoning; output that has come to a piece
  std::optional<ToolSink> tools_;
  std::optional<EchoSink> echo_;
  std::optional<StopSink> stops_;
};

}  // namespace millrace::engine::llama
