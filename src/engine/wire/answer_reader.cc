#include "engine/wire/answer_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/wire/embedding.h"
#include "engine/wire/json.h"
#include "engine/wire/logprobs.h"

namespace millrace::engine::wire {
namespace {

namespace json = boost::json;

constexpr int kMaxToolCalls = 128;

/// Enough for one answer of a few kilobytes, or one event, without touching the heap.
constexpr std::size_t kStackBytes = 8 << 10;

bool starts_with_type(std::string_view content_type, std::string_view type) {
  if (content_type.size() < type.size()) return false;
  return std::ranges::equal(content_type.substr(0, type.size()), type, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

FinishReason reason_of(std::string_view text) {
  if (text == "length") return FinishReason::kLength;
  if (text == "tool_calls" || text == "function_call") return FinishReason::kToolCalls;
  if (text == "content_filter") return FinishReason::kContentFilter;
  return FinishReason::kStop;
}

}  // namespace

AnswerReader::AnswerReader(const Request& request)
    : task_(request.task),
      wants_stream_(request.stream),
      wants_logprobs_(request.sampling.logprobs),
      top_logprobs_(request.sampling.top_logprobs),
      choices_(static_cast<int>(std::clamp<std::int64_t>(request.sampling.choices, 1, 128))),
      inputs_(request.inputs.size()),
      states_(static_cast<std::size_t>(choices_)) {}

void AnswerReader::head(int status, std::string_view content_type) {
  status_ = status;
  if (status < 200 || status > 299) {
    form_ = Form::kError;
  } else if (starts_with_type(content_type, "text/event-stream")) {
    form_ = Form::kEvents;
  } else if (starts_with_type(content_type, "application/json")) {
    form_ = Form::kWhole;
  } else if (content_type.empty()) {
    form_ = wants_stream_ && task_ != Task::kEmbed ? Form::kEvents : Form::kWhole;
  }
}

Result<void> AnswerReader::feed(std::string_view bytes, Sink& sink) {
  if (error_ || done_) return {};
  switch (form_) {
    case Form::kEvents: {
      event_sink_ = &sink;
      const Result<void> outcome = events_.feed(bytes, *this);
      event_sink_ = nullptr;
      return outcome ? event_outcome_ : outcome;
    }
    case Form::kWhole:
      if (body_.size() + bytes.size() > kMaxBodyBytes) {
        return failure(ErrorCode::kCorrupt,
                       fmt::format("the engine sent an answer above {} bytes", kMaxBodyBytes));
      }
      body_.append(bytes);
      return {};
    case Form::kError:
      body_.append(bytes.substr(0, kMaxErrorBytes - std::min(body_.size(), kMaxErrorBytes)));
      return {};
    case Form::kUnknown:
      break;
  }
  return failure(ErrorCode::kCorrupt, "the engine answered with neither JSON nor an event stream");
}

Result<void> AnswerReader::end(Sink& sink) {
  if (error_ || done_) return {};
  switch (form_) {
    case Form::kError:
      error_ = translate(status_, nullptr, body_);
      return {};
    case Form::kWhole:
      return read_whole(sink);
    case Form::kEvents:
      return failure(ErrorCode::kUnavailable, "the engine's stream ended before its last event");
    case Form::kUnknown:
      break;
  }
  return failure(ErrorCode::kCorrupt, "the engine answered with neither JSON nor an event stream");
}

bool AnswerReader::on_event(const net::SseEvent& event) {
  event_outcome_ = event.data == "[DONE]" ? finish(*event_sink_)
                                          : read_answer(event.data, event.event == "error", *event_sink_);
  return event_outcome_ && !done_ && !error_;
}

Result<void> AnswerReader::read_whole(Sink& sink) {
  if (body_.empty()) return failure(ErrorCode::kUnavailable, "the engine's answer is empty");
  TRY_VOID(read_answer(body_, false, sink));
  if (error_) return {};
  return finish(sink);
}

Result<void> AnswerReader::read_answer(std::string_view text, bool is_error_event, Sink& sink) {
  std::array<unsigned char, kStackBytes> stack;
  json::monotonic_resource memory(stack.data(), stack.size());
  Result<json::value> parsed = parse_object(text, &memory);
  if (!parsed && is_error_event) {
    error_ = translate(500, nullptr, text);
    return {};
  }
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  const Object& answer = parsed->get_object();
  const json::value* error = answer.if_contains("error");
  if (is_error_event || (error != nullptr && !error->is_null())) {
    error_ = translate(500, error != nullptr ? error : &*parsed, {});
    return {};
  }
  if (!id_seen_) {
    const std::string_view id = find_string(answer, "id");
    id_seen_ = !id.empty();
    if (id_seen_) on_id(id);
  }
  if (task_ == Task::kEmbed) return read_embeddings(answer, sink);
  on_chunk(answer, sink);
  const json::array* choices = find_array(answer, "choices");
  if (form_ == Form::kWhole) {
    if (choices == nullptr || choices->empty())
      return failure(ErrorCode::kCorrupt, "the engine's answer has no choices");
    read_usage(answer, sink);
  }
  if (choices != nullptr) {
    for (const json::value& choice : *choices) {
      TRY_VOID(read_choice(choice, sink));
      if (error_) return {};
    }
  }
  if (form_ == Form::kEvents) read_usage(answer, sink);
  return {};
}

Result<void> AnswerReader::read_choice(const json::value& value, Sink& sink) {
  const Object* choice = value.if_object();
  if (choice == nullptr) return failure(ErrorCode::kCorrupt, "the engine sent a choice that is no object");
  const std::int64_t index = find_count(*choice, "index").value_or(0);
  if (index >= choices_)
    return failure(ErrorCode::kCorrupt, fmt::format("the engine sent an unasked choice {}", index));
  const int at = static_cast<int>(index);
  ChoiceState& state = states_[static_cast<std::size_t>(at)];
  state.seen = true;
  if (state.finished) return {};
  if (wants_logprobs_) read_logprobs(*choice, at, sink);
  if (task_ == Task::kText) {
    emit_text(at, find_string(*choice, "text"), sink);
  } else if (const Object* message = find_object(*choice, form_ == Form::kWhole ? "message" : "delta")) {
    read_message(*message, at, sink);
  }
  return read_finish(*choice, at, sink);
}

void AnswerReader::read_message(const Object& message, int index, Sink& sink) {
  // vLLM and SGLang have said both; the same text may come under both names.
  std::string_view reasoning = find_string(message, "reasoning_content");
  if (reasoning.empty()) reasoning = find_string(message, "reasoning");
  emit_reasoning(index, reasoning, sink);
  if (const json::value* content = message.if_contains("content")) read_content(*content, index, sink);
  emit_text(index, find_string(message, "refusal"), sink);
  if (const json::array* calls = find_array(message, "tool_calls")) read_tool_calls(*calls, index, sink);
}

/// A string, or a list of parts: {"type":"text","text":...}, {"type":"thinking","thinking":[parts] or text}.
void AnswerReader::read_content(const json::value& content, int index, Sink& sink) {
  if (const json::string* text = content.if_string()) return emit_text(index, view(*text), sink);
  const json::array* parts = content.if_array();
  if (parts == nullptr) return;
  for (const json::value& part : *parts) {
    const Object* object = part.if_object();
    if (object == nullptr) continue;
    emit_text(index, find_string(*object, "text"), sink);
    emit_reasoning(index, find_string(*object, "thinking"), sink);
    const json::array* thoughts = find_array(*object, "thinking");
    if (thoughts == nullptr) continue;
    for (const json::value& thought : *thoughts) {
      if (const Object* inner = thought.if_object()) emit_reasoning(index, find_string(*inner, "text"), sink);
    }
  }
}

void AnswerReader::emit_text(int index, std::string_view text, Sink& sink) {
  if (text.empty()) return;
  on_piece(text.size(), sink);
  states_[static_cast<std::size_t>(index)].text_offset +=
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  out(sink).on_text(index, text);
}

void AnswerReader::emit_reasoning(int index, std::string_view text, Sink& sink) {
  if (text.empty()) return;
  on_piece(text.size(), sink);
  out(sink).on_reasoning(index, text);
}

void AnswerReader::read_tool_calls(const json::array& calls, int index, Sink& sink) {
  for (const json::value& call : calls) {
    if (const Object* object = call.if_object()) read_tool_call(*object, index, sink);
  }
}

/// A piece belongs to the call its index names; without an index, to a new call if it has an id of its own or is
/// whole, else to the last one.
void AnswerReader::read_tool_call(const Object& call, int index, Sink& sink) {
  std::vector<ToolState>& known = states_[static_cast<std::size_t>(index)].tools;
  const Object* function = find_object(call, "function");
  const std::string_view id = find_string(call, "id");
  const std::string_view name = function == nullptr ? std::string_view() : find_string(*function, "name");
  std::string arguments;
  if (function != nullptr) {
    const json::value* value = function->if_contains("arguments");
    if (value != nullptr && value->is_string()) arguments = view(value->get_string());
    if (value != nullptr && value->is_object()) arguments = json::serialize(*value);
  }
  const auto stated = find_count(call, "index");
  auto found =
      std::ranges::find_if(known, [&](const ToolState& tool) { return stated && tool.index == *stated; });
  if (!stated && form_ == Form::kEvents && !known.empty() && (id.empty() || id == known.back().id)) {
    found = std::prev(known.end());
  }
  on_piece(arguments.size(), sink);
  if (found != known.end()) {
    if (!arguments.empty())
      out(sink).on_tool_call(index, static_cast<int>(found - known.begin()), {}, {}, arguments);
    return;
  }
  if (name.empty() || known.size() >= kMaxToolCalls) return;
  const int position = static_cast<int>(known.size());
  known.push_back({stated ? static_cast<int>(*stated) : position, std::string(id)});
  const std::string made_up = id.empty() ? fmt::format("call_{}_{}", index, position) : std::string(id);
  out(sink).on_tool_call(index, position, made_up, name, arguments);
}

void AnswerReader::read_logprobs(const Object& choice, int index, Sink& sink) {
  const Object* logprobs = find_object(choice, "logprobs");
  if (logprobs == nullptr) return;
  const std::string text =
      task_ == Task::kChat
          ? chat_logprobs(*logprobs, top_logprobs_)
          : text_logprobs(*logprobs, top_logprobs_, states_[static_cast<std::size_t>(index)].text_offset);
  if (!text.empty()) out(sink).on_logprobs(index, text);
}

Result<void> AnswerReader::read_finish(const Object& choice, int index, Sink& sink) {
  const std::string_view reason = find_string(choice, "finish_reason");
  if (reason.empty()) return {};
  if (reason == "error") {
    error_ = translate(500, choice.if_contains("error"), {});
    return {};
  }
  states_[static_cast<std::size_t>(index)].finished = true;
  out(sink).on_finish(index, reason_of(reason));
  return {};
}

void AnswerReader::read_usage(const Object& answer, Sink& sink) {
  const Object* usage = find_object(answer, "usage");
  if (usage == nullptr) return;
  const auto input = find_count(*usage, "prompt_tokens");
  if (!input) return;
  Usage figures;
  figures.input = *input;
  figures.output = find_count(*usage, "completion_tokens").value_or(0);
  if (const Object* details = find_object(*usage, "prompt_tokens_details")) {
    figures.cached = std::min(figures.input, find_count(*details, "cached_tokens").value_or(0));
  }
  if (const Object* details = find_object(*usage, "completion_tokens_details")) {
    figures.reasoning = std::min(figures.output, find_count(*details, "reasoning_tokens").value_or(0));
  }
  on_peer_usage(figures, sink);
}

Result<void> AnswerReader::read_embeddings(const Object& answer, Sink& sink) {
  const json::array* data = find_array(answer, "data");
  if (data == nullptr || data->size() != inputs_) {
    return failure(ErrorCode::kCorrupt, fmt::format("the engine sent {} embeddings for {} inputs",
                                                    data == nullptr ? 0 : data->size(), inputs_));
  }
  read_usage(answer, sink);
  std::vector<bool> seen(inputs_);
  for (std::size_t at = 0; at < data->size(); ++at) {
    const Object* item = (*data)[at].if_object();
    const json::value* values = item == nullptr ? nullptr : item->if_contains("embedding");
    if (values == nullptr) return failure(ErrorCode::kCorrupt, "the engine sent an embedding without values");
    const std::size_t index =
        static_cast<std::size_t>(find_count(*item, "index").value_or(static_cast<std::int64_t>(at)));
    if (index >= inputs_ || seen[index])
      return failure(ErrorCode::kCorrupt, "the engine numbered its embeddings wrongly");
    seen[index] = true;
    sink.on_embedding(static_cast<int>(index), TRY(read_embedding(*values)));
  }
  return {};
}

/// Some engines leave out finish_reason; the end of the answer says the same.
Result<void> AnswerReader::finish(Sink& sink) {
  bool any = task_ == Task::kEmbed;
  for (std::size_t at = 0; at < states_.size() && task_ != Task::kEmbed; ++at) {
    any = any || states_[at].seen;
    if (!states_[at].seen || states_[at].finished) continue;
    states_[at].finished = true;
    out(sink).on_finish(static_cast<int>(at), FinishReason::kStop);
  }
  if (!any) return failure(ErrorCode::kCorrupt, "the engine ended its answer without any choice");
  done_ = true;
  sink.on_usage(final_usage());
  return {};
}

}  // namespace millrace::engine::wire
