// Reads what an OpenAI-compatible upstream answers; estimates what it leaves out.
#pragma once

#include <optional>

#include "engine/wire/answer_reader.h"

namespace millrace::engine::openai {

class OpenAiReader final : public wire::AnswerReader {
 public:
  explicit OpenAiReader(const Request& request);

 private:
  EngineError translate(int status, const boost::json::value* error, std::string_view body) const override;
  void on_chunk(const Node&, Sink&) override {}
  void on_peer_usage(const Usage& usage, Sink& sink) override;
  void on_piece(std::size_t text_bytes, bool is_reasoning, Sink& sink) override;
  Usage final_usage() const override;

  /// What came of a kind of text.
  struct Pieces {
    std::int64_t count = 0;
    std::size_t bytes = 0;
  };
  std::int64_t estimated(const Pieces& pieces) const;
  Usage estimate() const;

  const std::int64_t estimated_prompt_;
  const bool streams_;
  std::optional<Usage> stated_;  // the last usage object; some upstreams send one with each chunk
  Pieces all_, reasoning_;
};

}  // namespace millrace::engine::openai
