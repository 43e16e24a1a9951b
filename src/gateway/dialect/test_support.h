// What the tests of the dialects share: a request as text, and the events of an engine.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

template <typename T>
std::string describe_optional(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "-";
}

/// Every field of a request that an engine or an answer may read, so that two requests are equal if their texts are.
inline std::string describe(const ParsedRequest& parsed) {
  const auto& r = parsed.request;
  const auto& s = r.sampling;
  std::string out = fmt::format("task={} endpoint={} prompt={} echo={} suffix={} dims={} base64={}\n",
                                static_cast<int>(r.task), r.endpoint, fmt::join(r.prompts, "|"), r.echo,
                                r.suffix, describe_optional(r.dimensions), parsed.base64);
  for (const auto& m : r.messages) {
    out += fmt::format("message role={} name={} id={} reasoning={}", static_cast<int>(m.role), m.name,
                       m.tool_call_id, m.reasoning);
    for (const auto& c : m.content) out += fmt::format(" part{}={}", static_cast<int>(c.kind), c.value);
    for (const auto& c : m.tool_calls) out += fmt::format(" call={},{},{}", c.id, c.name, c.arguments);
    out += '\n';
  }
  for (const auto& input : r.inputs) out += fmt::format("input={}\n", input);
  out += fmt::format(
      "max={} temp={} top_p={} min_p={} pres={} freq={} rep={} top_k={} seed={} logprobs={},{} n={}\n",
      describe_optional(s.max_tokens), describe_optional(s.temperature), describe_optional(s.top_p),
      describe_optional(s.min_p), describe_optional(s.presence_penalty),
      describe_optional(s.frequency_penalty), describe_optional(s.repeat_penalty), describe_optional(s.top_k),
      describe_optional(s.seed), s.logprobs, s.top_logprobs, s.choices);
  for (const auto& stop : s.stop) out += fmt::format("stop={}\n", stop);
  for (const auto& [token, bias] : s.logit_bias) out += fmt::format("bias={}:{}\n", token, bias);
  for (const auto& t : r.tools)
    out += fmt::format("tool={},{},{},{}\n", t.name, t.description, t.parameters, t.strict);
  out += fmt::format("choice={},{} format={},{},{},{} effort={} budget={} stream={} usage={}\n",
                     static_cast<int>(r.tool_choice.kind), r.tool_choice.name,
                     static_cast<int>(r.format.kind), r.format.schema_name, r.format.schema, r.format.strict,
                     describe_optional(r.reasoning_effort), describe_optional(r.reasoning_budget), r.stream,
                     r.include_usage);
  return out;
}

inline const engine::Usage kUsage{.input = 20, .cached = 8, .output = 5, .reasoning = 2};
inline const Footprint kFootprint{.energy_uj = 1'500'000,
                                  .co2e_ug = 25,
                                  .cost_microeur = 12,
                                  .site = "local",
                                  .zone = "FR",
                                  .basis = "modelled"};
inline const std::string kMillrace =
    R"("millrace":{"energy_j":1.5,"co2e_g":0.000025,"cost_eur":0.000012,"site":"local","zone":"FR","basis":"modelled"})";

inline AnswerMeta test_meta() {
  return {.request_id = "req_01TEST", .created_s = 1700000000, .model = "smol"};
}

/// One event of a stream: its name ("" if none) and its data.
struct TestEvent {
  std::string name;
  std::string data;
  boost::json::value json() const {
    return data == "[DONE]" ? boost::json::value() : boost::json::parse(data);
  }
};

/// Splits a stream as the standard says; comments are dropped.
inline std::vector<TestEvent> split_events(std::string_view stream) {
  std::vector<TestEvent> events;
  while (!stream.empty()) {
    const auto end = stream.find("\n\n");
    std::string_view block = stream.substr(0, end);
    stream.remove_prefix(end == std::string_view::npos ? stream.size() : end + 2);
    TestEvent event;
    bool any = false;
    while (!block.empty()) {
      const auto line = block.substr(0, block.find('\n'));
      block.remove_prefix(std::min(block.size(), line.size() + 1));
      if (line.starts_with("event: ")) event.name = line.substr(7);
      if (line.starts_with("data: ")) event.data = line.substr(6);
      any = any || line.starts_with("data: ");
    }
    if (any) events.push_back(std::move(event));
  }
  return events;
}

}  // namespace millrace::gateway::dialect
