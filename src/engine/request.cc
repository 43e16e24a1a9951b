#include "engine/request.h"

namespace millrace::engine {
namespace {

std::size_t bytes_of(const Message& message) {
  std::size_t sum = message.reasoning.size() + message.name.size();
  for (const ContentPart& part : message.content) {
    if (part.kind == ContentPart::Kind::kText) sum += part.value.size();
  }
  for (const ToolCall& call : message.tool_calls) sum += call.name.size() + call.arguments.size();
  return sum;
}

}  // namespace

std::int64_t choice_count(const Request& request) {
  const auto prompts = request.task == Task::kText ? request.prompts.size() : 1;
  return request.sampling.choices * static_cast<std::int64_t>(prompts);
}

std::size_t prompt_bytes(const Request& request) {
  switch (request.task) {
    case Task::kText: {
      std::size_t sum = request.suffix.size();
      for (const std::string& prompt : request.prompts) sum += prompt.size();
      return sum;
    }
    case Task::kEmbed: {
      std::size_t sum = 0;
      for (const std::string& input : request.inputs) sum += input.size();
      return sum;
    }
    case Task::kChat:
      break;
  }
  std::size_t sum = 0;
  for (const Message& message : request.messages) sum += bytes_of(message);
  for (const Tool& tool : request.tools)
    sum += tool.name.size() + tool.description.size() + tool.parameters.size();
  return sum;
}

}  // namespace millrace::engine
