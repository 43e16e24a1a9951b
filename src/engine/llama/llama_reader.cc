#include "engine/llama/llama_reader.h"

#include <algorithm>
#include <utility>

#include "engine/llama/llama_error.h"
#include "engine/wire/body.h"
#include "engine/wire/json.h"

namespace millrace::engine::llama {
namespace json = boost::json;

namespace {

/// The index of the tool with the schema that holds the engine back, `format` or `some_tool`.
int enforced_schema(const Request& request, int format, int some_tool) {
  using Kind = ToolChoice::Kind;
  const auto& [kind, name] = request.tool_choice;
  const bool is_tool = kind == Kind::kRequired || kind == Kind::kNamed;
  if (request.tools.empty() || (!is_tool && request.format.kind != ResponseFormat::Kind::kText))
    return format;
  if (request.tools.size() == 1) return 0;
  const auto named = std::ranges::find(request.tools, name, &Tool::name);
  const bool found = kind == Kind::kNamed && named != request.tools.end();
  return found ? static_cast<int>(named - request.tools.begin()) : some_tool;
}

}  // namespace

LlamaReader::LlamaReader(const Request& request, const std::optional<std::string>& enforced)
    : AnswerReader(request),
      schema_of_(enforced_schema(request, kFormat, kSomeTool)),
      per_prompt_(static_cast<std::size_t>(std::max<std::int64_t>(request.sampling.choices, 1))),
      figures_(static_cast<std::size_t>(choices())) {
  if (enforced) tools_.emplace(choices(), *enforced);
  if (request.tell_stop && !enforced && choices() == 1) stops_.emplace(request.sampling.stop);
  if (request.task == Task::kText && request.echo) echo_.emplace(choices(), request.prompts);
}

Sink& LlamaReader::out(Sink& sink) {
  PassingSink* between = nullptr;
  if (tools_) between = &*tools_;
  if (echo_) between = &*echo_;
  if (stops_) between = &*stops_;
  if (between == nullptr) return sink;
  between->pass_to(sink);
  return *between;
}

void LlamaReader::on_id(std::string_view id) {
  if (tools_) tools_->set_answer_id(id);
}

std::string LlamaReader::schema_name() const {
  if (schema_of_ == kFormat) return "response_format";
  return schema_of_ == kSomeTool ? "tools" : wire::tool_schema_name(static_cast<std::size_t>(schema_of_));
}

EngineError LlamaReader::translate(int status, const json::value* error, std::string_view body) const {
  Asked asked{.task = task(), .schema_name = schema_name()};
  const auto read_sizes = [&](const json::object& object) {
    asked.wanted = wire::find_count(object, "n_prompt_tokens").value_or(0);
    asked.limit = wire::find_count(object, "n_ctx").value_or(0);
  };
  if (error != nullptr) {
    if (error->is_object()) read_sizes(error->get_object());
    return translate_error(wire::read_peer_error(status, *error), asked);
  }
  const Result<json::value> parsed = wire::parse_object(body, {});
  const json::object* inner = parsed ? wire::find_object(parsed->get_object(), "error") : nullptr;
  if (inner != nullptr) read_sizes(*inner);
  return translate_error(wire::read_peer_error(status, body), asked);
}

/// "prompt_progress" counts the cached tokens among those processed. "timings" counts a choice's tokens, also those
/// whose text is still held back. All choices of one prompt share it; `at` is the choice that the chunk is of.
void LlamaReader::on_chunk(const Node& chunk, Sink& sink) {
  bool news = false;
  const Node choices = chunk["choices"];
  const Node choice = choices.is_array() ? choices.first() : Node();
  at_ = static_cast<std::size_t>(choice["index"].count().value_or(0));
  if (at_ >= figures_.size()) at_ = 0;
  Figures& prompt = prompt_of(at_);
  if (const Node progress = chunk["prompt_progress"]; progress.is_object()) {
    prompt.total = std::max(prompt.total, progress["total"].count().value_or(0));
    prompt.cached = std::max(prompt.cached, progress["cache"].count().value_or(0));
    prompt.processed = std::max(prompt.processed, progress["processed"].count().value_or(0));
    news = true;
  }
  const std::int64_t made = chunk["timings"]["predicted_n"].count().value_or(0);
  if (made > 0 && choice.is_object()) {
    figures_[at_].made = std::max(figures_[at_].made, made);
    prompt.processed = std::max(prompt.processed, prompt.total);
    news = true;
  }
  if (news) report(sink);
}

void LlamaReader::on_peer_usage(const Usage& usage, Sink& sink) {
  stated_output_ += usage.output;
  stated_reasoning_ += usage.reasoning;
  Figures& prompt = prompt_of(at_);
  prompt.total = prompt.processed = std::max(prompt.total, usage.input);
  prompt.cached = std::max(prompt.cached, usage.cached);
  if (task() != Task::kEmbed) report(sink);
}

/// The tokens since the last piece made this one. (It does not say itself how many were reasoning.)
void LlamaReader::on_piece(std::size_t /*text_bytes*/, bool is_reasoning, Sink& sink) {
  const std::int64_t made = output_ - std::exchange(attributed_, output_);
  if (!is_reasoning || made == 0) return;
  reasoning_ += made;
  report(sink);
}

LlamaReader::Figures LlamaReader::sum() const {
  Figures sum;
  for (const Figures& one : figures_) {
    sum.made += one.made;
    sum.processed += one.processed;
    sum.total += one.total;
    sum.cached += one.cached;
  }
  return sum;
}

void LlamaReader::report(Sink& sink) {
  const Figures all = sum();
  output_ = std::max({output_, all.made, stated_output_});
  sink.on_progress({.input = all.processed,
                    .cached = all.cached,
                    .output = output_,
                    .reasoning = std::min(output_, reasoning_)},
                   all.total);
}

Usage LlamaReader::final_usage() const {
  const Figures all = sum();
  Usage usage;
  usage.input = all.total;
  usage.cached = std::min(usage.input, all.cached);
  usage.output = task() == Task::kEmbed ? 0 : std::max(output_, stated_output_);
  usage.reasoning = std::min(usage.output, std::max(stated_reasoning_, reasoning_));
  return usage;
}

}  // namespace millrace::engine::llama
