#include "gateway/dialect/answer_base.h"

#include <algorithm>
#include <boost/json.hpp>

namespace millrace::gateway::dialect {

bool CollectedChoice::add_call(int index, std::string_view id, std::string_view name,
                               std::string_view arguments) {
  auto found = std::ranges::find(calls, index, &CollectedCall::index);
  const bool is_new = found == calls.end();
  if (is_new) found = calls.insert(calls.end(), {index, {}});
  found->call.id += id;
  found->call.name += name;
  found->call.arguments += arguments;
  return is_new;
}

CollectedChoice* WholeAnswer::find(int choice) {
  if (choice < 0 || static_cast<std::size_t>(choice) >= choices_.size()) return nullptr;
  return &choices_[static_cast<std::size_t>(choice)];
}

std::size_t WholeAnswer::text_bytes() const {
  std::size_t bytes = 0;
  for (const auto& choice : choices_) bytes += choice.text.size() + choice.reasoning.size();
  return bytes;
}

void WholeAnswer::on_text(int choice, std::string_view text) {
  if (auto* to = find(choice)) to->text += text;
}

void WholeAnswer::on_reasoning(int choice, std::string_view text) {
  if (auto* to = find(choice)) to->reasoning += text;
}

void WholeAnswer::on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                               std::string_view arguments) {
  if (auto* to = find(choice)) to->add_call(index, id, name, arguments);
}

void WholeAnswer::on_logprobs(int choice, std::string_view json) {
  if (auto* to = find(choice)) to->logprobs.emplace_back(json);
}

void WholeAnswer::on_finish(int choice, engine::FinishReason reason) {
  if (auto* to = find(choice)) to->finish = reason;
}

void WholeAnswer::on_stop(int choice, std::string_view sequence) {
  if (auto* to = find(choice)) to->stop = sequence;
}

std::string_view finish_name(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kStop:
      return "stop";
    case engine::FinishReason::kLength:
      return "length";
    case engine::FinishReason::kToolCalls:
      return "tool_calls";
    case engine::FinishReason::kContentFilter:
      return "content_filter";
  }
  return "stop";
}

std::string join_logprobs(const std::vector<std::string>& pieces) {
  if (pieces.empty()) return "null";
  if (pieces.size() == 1) return pieces.front();
  boost::json::object joined;
  for (const auto& piece : pieces) {
    boost::system::error_code fault;
    const auto tree = boost::json::parse(piece, fault);
    const auto* object = fault ? nullptr : tree.if_object();
    if (object == nullptr) continue;
    for (const auto& member : *object) {
      auto& slot = joined[member.key()];
      const auto* from = member.value().if_array();
      if (from == nullptr) continue;
      if (!slot.is_array()) slot.emplace_array();
      auto& to = slot.get_array();
      to.insert(to.end(), from->begin(), from->end());
    }
  }
  return boost::json::serialize(joined);
}

}  // namespace millrace::gateway::dialect
