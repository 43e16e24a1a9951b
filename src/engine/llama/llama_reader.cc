#include "engine/llama/llama_reader.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/llama/llama_error.h"
#include "engine/wire/json.h"

namespace millrace::engine::llama {
namespace json = boost::json;

LlamaReader::LlamaReader(const Request& request, const std::optional<std::string>& enforced)
    : AnswerReader(request), made_(static_cast<std::size_t>(choices())) {
  if (enforced) tools_.emplace(choices(), *enforced);
  if (request.task == Task::kText && request.echo) echo_.emplace(choices(), request.prompt);
}

Sink& LlamaReader::out(Sink& sink) {
  PassingSink* between = nullptr;
  if (tools_) between = &*tools_;
  if (echo_) between = &*echo_;
  if (between == nullptr) return sink;
  between->pass_to(sink);
  return *between;
}

void LlamaReader::on_id(std::string_view id) {
  if (tools_) tools_->set_answer_id(id);
}

EngineError LlamaReader::translate(int status, const json::value* error, std::string_view body) const {
  std::int64_t wanted = 0;
  std::int64_t limit = 0;
  const auto read_sizes = [&](const json::object& object) {
    wanted = wire::find_count(object, "n_prompt_tokens").value_or(0);
    limit = wire::find_count(object, "n_ctx").value_or(0);
  };
  if (error != nullptr) {
    if (error->is_object()) read_sizes(error->get_object());
    return translate_error(wire::read_peer_error(status, *error), task(), wanted, limit);
  }
  const Result<json::value> parsed = wire::parse_object(body, {});
  const json::object* inner = parsed ? wire::find_object(parsed->get_object(), "error") : nullptr;
  if (inner != nullptr) read_sizes(*inner);
  return translate_error(wire::read_peer_error(status, body), task(), wanted, limit);
}

/// "prompt_progress" counts the cached tokens among those processed. "timings" counts a choice's tokens, also those
/// whose text is still held back; all choices of one answer share the prompt.
void LlamaReader::on_chunk(const Node& chunk, Sink& sink) {
  bool news = false;
  if (const Node progress = chunk["prompt_progress"]; progress.is_object()) {
    total_ = std::max(total_, progress["total"].count().value_or(0));
    cached_ = std::max(cached_, progress["cache"].count().value_or(0));
    processed_ = std::max(processed_, progress["processed"].count().value_or(0));
    news = true;
  }
  const std::int64_t made = chunk["timings"]["predicted_n"].count().value_or(0);
  const Node choices = chunk["choices"];
  const Node choice = choices.is_array() ? choices.first() : Node();
  if (made > 0 && choice.is_object()) {
    const auto index = static_cast<std::size_t>(choice["index"].count().value_or(0));
    if (index < made_.size()) made_[index] = std::max(made_[index], made);
    processed_ = std::max(processed_, total_);
    news = true;
  }
  if (news) report(sink);
}

void LlamaReader::on_peer_usage(const Usage& usage, Sink& sink) {
  stated_output_ += usage.output;
  stated_.input = std::max(stated_.input, usage.input);
  stated_.cached = std::max(stated_.cached, usage.cached);
  stated_.reasoning += usage.reasoning;
  total_ = processed_ = std::max(total_, usage.input);
  cached_ = std::max(cached_, usage.cached);
  if (task() != Task::kEmbed) report(sink);
}

/// The tokens since the last piece made this one. (It does not say itself how many were reasoning.)
void LlamaReader::on_piece(std::size_t /*text_bytes*/, bool is_reasoning, Sink& sink) {
  const std::int64_t made = output_ - std::exchange(attributed_, output_);
  if (!is_reasoning || made == 0) return;
  reasoning_ += made;
  report(sink);
}

void LlamaReader::report(Sink& sink) {
  const std::int64_t counted = std::accumulate(made_.begin(), made_.end(), std::int64_t{0});
  output_ = std::max({output_, counted, stated_output_});
  sink.on_progress(
      {.input = processed_, .cached = cached_, .output = output_, .reasoning = std::min(output_, reasoning_)},
      total_);
}

Usage LlamaReader::final_usage() const {
  Usage usage;
  usage.input = std::max(stated_.input, total_);
  usage.cached = std::min(usage.input, std::max(stated_.cached, cached_));
  usage.output = task() == Task::kEmbed ? 0 : std::max(output_, stated_output_);
  usage.reasoning = std::min(usage.output, std::max(stated_.reasoning, reasoning_));
  return usage;
}

}  // namespace millrace::engine::llama
