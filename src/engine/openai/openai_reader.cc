#include "engine/openai/openai_reader.h"

#include <algorithm>

#include "engine/wire/errors.h"

namespace millrace::engine::openai {
OpenAiReader::OpenAiReader(const Request& request)
    : AnswerReader(request),
      estimated_prompt_(estimated_tokens(prompt_bytes(request))),
      streams_(request.stream) {}

EngineError OpenAiReader::translate(int status, const boost::json::value* error,
                                    std::string_view body) const {
  return wire::map_error(
      error != nullptr ? wire::read_peer_error(status, *error) : wire::read_peer_error(status, body), task());
}

void OpenAiReader::on_peer_usage(const Usage& usage, Sink& sink) {
  stated_ = usage;
  if (task() != Task::kEmbed) sink.on_progress(usage, usage.input);
}

/// A streamed piece is at least one token; upstreams that batch several into one chunk are met by their bytes.
void OpenAiReader::on_piece(std::size_t text_bytes, bool is_reasoning, Sink& sink) {
  const auto add = [&](Pieces& to) {
    ++to.count;
    to.bytes += text_bytes;
  };
  add(all_);
  if (is_reasoning) add(reasoning_);
  if (streams_ && !stated_) sink.on_progress(estimate(), 0);
}

std::int64_t OpenAiReader::estimated(const Pieces& pieces) const {
  return streams_ ? std::max(pieces.count, estimated_tokens(pieces.bytes)) : estimated_tokens(pieces.bytes);
}

Usage OpenAiReader::estimate() const {
  return {.input = estimated_prompt_,
          .output = estimated(all_),
          .reasoning = estimated(reasoning_),
          .estimated = true};
}

Usage OpenAiReader::final_usage() const { return stated_ ? *stated_ : estimate(); }

}  // namespace millrace::engine::openai
