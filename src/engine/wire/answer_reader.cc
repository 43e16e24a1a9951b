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

/// Read by readers of their own, from their text, and only where they were asked for.
constexpr std::array<std::string_view, 2> kUnread = {"logprobs", "embedding"};

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
      tells_stop_(request.tell_stop),
      top_logprobs_(request.sampling.top_logprobs),
      choices_(static_cast<int>(std::clamp<std::int64_t>(choice_count(request), 1, kMaxChoices))),
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
  if (event_outcome_ && !done_ && !error_ && met_stop()) {
    cut_ = true;
    event_outcome_ = finish(*event_sink_);
  }
  return event_outcome_ && !done_ && !error_;
}

Result<void> AnswerReader::read_whole(Sink& sink) {
  if (body_.empty()) return failure(ErrorCode::kUnavailable, "the engine's answer is empty");
  TRY_VOID(read_answer(body_, false, sink));
  if (error_) return {};
  return finish(sink);
}

Result<void> AnswerReader::read_answer(std::string_view text, bool is_error_event, Sink& sink) {
  const Result<host::JsonTree> parsed = host::JsonTree::parse(text, {.unread = kUnread});
  const Node answer = parsed ? parsed->root() : Node();
  if (!answer.is_object() && is_error_event) {
    error_ = translate(500, nullptr, text);
    return {};
  }
  if (!parsed) {
    return failure(ErrorCode::kCorrupt,
                   fmt::format("the engine sent broken JSON: {}", parsed.error().message));
  }
  if (!answer.is_object()) return failure(ErrorCode::kCorrupt, "the engine sent JSON that is no object");
  const Node error = answer["error"];
  if (is_error_event || !error.is_nothing()) return read_error(error ? error : answer);
  if (!id_seen_) {
    const std::string_view id = answer["id"].text();
    id_seen_ = !id.empty();
    if (id_seen_) on_id(id);
  }
  if (task_ == Task::kEmbed) return read_embeddings(answer, sink);
  on_chunk(answer, sink);
  const Node choices = answer["choices"];
  if (form_ == Form::kWhole) {
    if (!choices.is_array() || !choices.first())
      return failure(ErrorCode::kCorrupt, "the engine's answer has no choices");
    read_usage(answer, sink);
  }
  if (choices.is_array()) {
    for (Node choice = choices.first(); choice; choice = choice.next()) {
      TRY_VOID(read_choice(choice, sink));
      if (error_) return {};
    }
  }
  if (form_ == Form::kEvents) read_usage(answer, sink);
  return {};
}

/// An error is rare and of many shapes: it is looked at as a tree of its own.
Result<void> AnswerReader::read_error(const Node& error) {
  if (!error) {
    error_ = translate(500, nullptr, {});
    return {};
  }
  json::value value(error.text());
  if (!error.is_string()) value = TRY(parse_value(error.source(), {}));
  error_ = translate(500, &value, {});
  return {};
}

Result<void> AnswerReader::read_choice(const Node& choice, Sink& sink) {
  if (!choice.is_object()) return failure(ErrorCode::kCorrupt, "the engine sent a choice that is no object");
  const std::int64_t index = choice["index"].count().value_or(0);
  if (index >= choices_)
    return failure(ErrorCode::kCorrupt, fmt::format("the engine sent an unasked choice {}", index));
  const int at = static_cast<int>(index);
  ChoiceState& state = states_[static_cast<std::size_t>(at)];
  state.seen = true;
  if (state.finished) return {};
  if (wants_logprobs_) TRY_VOID(read_logprobs(choice, at, sink));
  if (task_ == Task::kText) {
    emit_text(at, choice["text"].text(), sink);
  } else {
    read_message(choice[form_ == Form::kWhole ? "message" : "delta"], at, sink);
  }
  return read_finish(choice, at, sink);
}

void AnswerReader::read_message(const Node& message, int index, Sink& sink) {
  // vLLM and SGLang have said both; the same text may come under both names.
  std::string_view reasoning = message["reasoning_content"].text();
  if (reasoning.empty()) reasoning = message["reasoning"].text();
  emit_reasoning(index, reasoning, sink);
  read_content(message["content"], index, sink);
  emit_text(index, message["refusal"].text(), sink);
  read_tool_calls(message["tool_calls"], index, sink);
}

/// A string, or a list of parts: {"type":"text","text":...}, {"type":"thinking","thinking":[parts] or text}.
void AnswerReader::read_content(const Node& content, int index, Sink& sink) {
  if (content.is_string()) return emit_text(index, content.text(), sink);
  if (!content.is_array()) return;
  for (Node part = content.first(); part; part = part.next()) {
    emit_text(index, part["text"].text(), sink);
    const Node thinking = part["thinking"];
    emit_reasoning(index, thinking.text(), sink);
    if (!thinking.is_array()) continue;
    for (Node thought = thinking.first(); thought; thought = thought.next()) {
      emit_reasoning(index, thought["text"].text(), sink);
    }
  }
}

void AnswerReader::emit_text(int index, std::string_view text, Sink& sink) {
  if (text.empty()) return;
  on_piece(text.size(), false, sink);
  states_[static_cast<std::size_t>(index)].text_offset +=
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  out(sink).on_text(index, text);
}

void AnswerReader::emit_reasoning(int index, std::string_view text, Sink& sink) {
  if (text.empty()) return;
  on_piece(text.size(), true, sink);
  out(sink).on_reasoning(index, text);
}

void AnswerReader::read_tool_calls(const Node& calls, int index, Sink& sink) {
  if (!calls.is_array()) return;
  for (Node call = calls.first(); call; call = call.next()) {
    if (call.is_object()) read_tool_call(call, index, sink);
  }
}

/// A piece belongs to the call its index names; without an index, to a new call if it has an id of its own or is
/// whole, else to the last one.
void AnswerReader::read_tool_call(const Node& call, int index, Sink& sink) {
  std::vector<ToolState>& known = states_[static_cast<std::size_t>(index)].tools;
  const Node function = call["function"];
  const std::string_view id = call["id"].text();
  const std::string_view name = function["name"].text();
  const Node stated_arguments = function["arguments"];
  // Some send the arguments themselves instead of their text.
  const std::string_view arguments = stated_arguments.is_string() || stated_arguments.is_object()
                                         ? stated_arguments.source()
                                         : std::string_view("");
  const auto stated = call["index"].count();
  auto found =
      std::ranges::find_if(known, [&](const ToolState& tool) { return stated && tool.index == *stated; });
  if (!stated && form_ == Form::kEvents && !known.empty() && (id.empty() || id == known.back().id)) {
    found = std::prev(known.end());
  }
  on_piece(arguments.size(), false, sink);
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

Result<void> AnswerReader::read_logprobs(const Node& choice, int index, Sink& sink) {
  const Node source = choice["logprobs"];
  if (!source.is_object()) return {};
  const json::value value = TRY(parse_value(source.source(), {}));
  const json::object& logprobs = value.get_object();
  const std::string text =
      task_ == Task::kChat
          ? chat_logprobs(logprobs, top_logprobs_)
          : text_logprobs(logprobs, top_logprobs_, states_[static_cast<std::size_t>(index)].text_offset);
  if (!text.empty()) out(sink).on_logprobs(index, text);
  return {};
}

Result<void> AnswerReader::read_finish(const Node& choice, int index, Sink& sink) {
  const std::string_view reason = choice["finish_reason"].text();
  if (reason.empty()) return {};
  if (reason == "error") return read_error(choice["error"]);
  states_[static_cast<std::size_t>(index)].finished = true;
  if (tells_stop_) read_stop(choice, index, sink);
  out(sink).on_finish(index, reason_of(reason));
  return {};
}

/// OpenAI's API does not tell it. vLLM does, and SGLang, which give a number for a stop token.
void AnswerReader::read_stop(const Node& choice, int index, Sink& sink) {
  for (const std::string_view name : {"stop_reason", "matched_stop"}) {
    const Node sequence = choice[name];
    if (sequence.is_string() && !sequence.text().empty()) return out(sink).on_stop(index, sequence.text());
  }
}

void AnswerReader::read_usage(const Node& answer, Sink& sink) {
  const Node usage = answer["usage"];
  const auto input = usage["prompt_tokens"].count();
  if (!input) return;
  Usage figures;
  figures.input = *input;
  figures.output = usage["completion_tokens"].count().value_or(0);
  const auto cached = usage["prompt_tokens_details"]["cached_tokens"].count();
  const auto reasoning = usage["completion_tokens_details"]["reasoning_tokens"].count();
  figures.cached = std::min(figures.input, cached.value_or(0));
  figures.reasoning = std::min(figures.output, reasoning.value_or(0));
  on_peer_usage(figures, sink);
}

Result<void> AnswerReader::read_embeddings(const Node& answer, Sink& sink) {
  const Node data = answer["data"];
  const std::size_t given = data.is_array() ? data.size() : 0;
  if (given != inputs_) {
    return failure(ErrorCode::kCorrupt,
                   fmt::format("the engine sent {} embeddings for {} inputs", given, inputs_));
  }
  read_usage(answer, sink);
  std::vector<bool> seen(inputs_);
  std::size_t at = 0;
  for (Node item = data.first(); item; item = item.next(), ++at) {
    const Node values = item["embedding"];
    if (!values) return failure(ErrorCode::kCorrupt, "the engine sent an embedding without values");
    const std::size_t index =
        static_cast<std::size_t>(item["index"].count().value_or(static_cast<std::int64_t>(at)));
    if (index >= inputs_ || seen[index])
      return failure(ErrorCode::kCorrupt, "the engine numbered its embeddings wrongly");
    seen[index] = true;
    json::value value(values.text());
    if (!values.is_string()) value = TRY(parse_value(values.source(), {}));
    sink.on_embedding(static_cast<int>(index), TRY(read_embedding(value)));
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
