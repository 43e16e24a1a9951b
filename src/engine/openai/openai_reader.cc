#include "engine/openai/openai_reader.h"

#include <algorithm>

#include "engine/wire/errors.h"

namespace millrace::engine::openai {
namespace {

/// Usual rule of thumb for English with tokenizers of 30,000 to 200,000 entries.
constexpr std::size_t kBytesPerToken = 4;

std::int64_t tokens_of(std::size_t bytes) {
  return static_cast<std::int64_t>((bytes + kBytesPerToken - 1) / kBytesPerToken);
}

}  // namespace

OpenAiReader::OpenAiReader(const Request& request)
    : AnswerReader(request), prompt_bytes_(prompt_bytes(request)), streams_(request.stream) {}

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
  if (streams_ && !stated_) sink.on_progress(estimated_output(), 0);
}

std::int64_t OpenAiReader::estimated(const Pieces& pieces) const {
  return streams_ ? std::max(pieces.count, tokens_of(pieces.bytes)) : tokens_of(pieces.bytes);
}

Usage OpenAiReader::estimated_output() const {
  return {.output = estimated(all_), .reasoning = estimated(reasoning_), .estimated = true};
}

Usage OpenAiReader::final_usage() const {
  if (stated_) return *stated_;
  Usage usage = estimated_output();
  usage.input = tokens_of(prompt_bytes_);
  return usage;
}

}  // namespace millrace::engine::openai
