// A sink that keeps what it was given, and helpers to feed a reader, for tests and fuzz targets of this module.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/adapter.h"

namespace millrace::engine {

struct KeptCall {
  std::string id, name, arguments;
  int pieces = 0;
};

class KeepingSink final : public Sink {
 public:
  void on_progress(const Usage& so_far, std::int64_t prompt_total) override {
    went_back = went_back || so_far.output < output || so_far.input < processed;
    processed = so_far.input;
    total = prompt_total;
    cached = so_far.cached;
    output = so_far.output;
    reasoning_so_far = so_far.reasoning;
    log += fmt::format("p{}/{},{},{} ", processed, total, cached, output);
  }
  void on_text(int choice, std::string_view piece) override {
    text[choice] += piece;
    ++pieces;
    if (output > 0) output_at_first_text = output_at_first_text == 0 ? output : output_at_first_text;
    log += fmt::format("t{}:{} ", choice, piece);
  }
  void on_reasoning(int choice, std::string_view piece) override {
    reasoning[choice] += piece;
    log += fmt::format("r{}:{} ", choice, piece);
  }
  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override {
    KeptCall& call = calls[{choice, index}];
    if (!id.empty()) call.id = id;
    if (!name.empty()) call.name = name;
    call.arguments += arguments;
    ++call.pieces;
    log += fmt::format("c{}.{}:{},{},{} ", choice, index, id, name, arguments);
  }
  void on_logprobs(int choice, std::string_view json) override {
    logprobs.emplace_back(json);
    log += fmt::format("l{}:{} ", choice, json);
  }
  void on_finish(int choice, FinishReason reason) override {
    finished_twice = finished_twice || finish.contains(choice);
    finish[choice] = reason;
    log += fmt::format("f{}:{} ", choice, static_cast<int>(reason));
  }
  void on_stop(int choice, std::string_view sequence) override {
    stops[choice] = sequence;
    log += fmt::format("s{}:{} ", choice, sequence);
  }
  void on_embedding(int index, std::vector<float> values) override {
    log += fmt::format("e{}:{} ", index, values.size());
    embeddings[index] = std::move(values);
  }
  void on_usage(const Usage& figures) override {
    ++usages;
    usage = figures;
    log += fmt::format("u{},{},{} ", figures.input, figures.cached, figures.output);
  }

  std::map<int, std::string> text, reasoning, stops;
  std::map<std::pair<int, int>, KeptCall> calls;
  std::map<int, FinishReason> finish;
  std::map<int, std::vector<float>> embeddings;
  std::vector<std::string> logprobs;
  Usage usage;
  int usages = 0;
  int pieces = 0;
  std::int64_t processed = 0, total = 0, cached = 0, output = 0, output_at_first_text = 0,
               reasoning_so_far = 0;
  bool went_back = false, finished_twice = false;
  std::string log;  // every call in order
};

/// Feeds `body` in pieces of `step` bytes and ends; the first error, if any.
inline Result<void> read_all(Reader& reader, std::string_view body, Sink& sink,
                             std::size_t step = std::string::npos) {
  for (std::size_t at = 0; at < body.size(); at += std::min(step, body.size() - at)) {
    TRY_VOID(reader.feed(body.substr(at, step), sink));
  }
  return reader.end(sink);
}

}  // namespace millrace::engine
