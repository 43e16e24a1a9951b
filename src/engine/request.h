// Request: what a client asked of a model, independent of the dialect it was asked in and of the engine that answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::engine {

enum class Task { kChat, kText, kEmbed };

/// One call of a tool, made by the model. `arguments` is JSON text.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;
};

/// One piece of a message that is more than plain text. `value` is text, or an image URL (data: or https:).
struct ContentPart {
  enum class Kind { kText, kImageUrl } kind = Kind::kText;
  std::string value;
};

struct Message {
  enum class Role { kSystem, kDeveloper, kUser, kAssistant, kTool } role = Role::kUser;
  std::vector<ContentPart> content{};  // several text parts are joined by the adapter without a separator
  std::string reasoning{};             // an assistant's earlier reasoning, if the client sent it back
  std::vector<ToolCall> tool_calls{};  // role assistant only
  std::string tool_call_id{};          // role tool only
  std::string name{};                  // optional author name
};

struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  // JSON schema text; empty means no arguments
  bool strict = false;
};

struct ToolChoice {
  enum class Kind { kAuto, kNone, kRequired, kNamed } kind = Kind::kAuto;
  std::string name;  // kNamed only
};

struct ResponseFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema } kind = Kind::kText;
  std::string schema_name;
  std::string schema;  // JSON schema text, kJsonSchema only
  bool strict = false;
};

/// Every optional that is absent is left to the engine's default.
struct Sampling {
  std::optional<std::int64_t> max_tokens;  // never below 1 here; dialects refuse less
  std::optional<double> temperature, top_p, min_p, presence_penalty, frequency_penalty, repeat_penalty;
  std::optional<std::int64_t> top_k, seed;
  std::vector<std::string> stop;                            // none empty
  std::vector<std::pair<std::int64_t, double>> logit_bias;  // token id, bias
  bool logprobs = false;
  std::int64_t top_logprobs = 0;  // 0 to 20
  std::int64_t choices = 1;       // `n`, of each prompt
};

struct Request {
  Task task = Task::kChat;
  std::string endpoint;                    // the name the client gave as `model`
  std::vector<Message> messages;           // kChat, never empty
  std::vector<std::string> prompts;        // kText, never empty
  bool echo = false;                       // kText
  std::string suffix;                      // kText
  std::vector<std::string> inputs;         // kEmbed, never empty
  std::optional<std::int64_t> dimensions;  // kEmbed
  Sampling sampling;
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  ResponseFormat format;
  std::optional<std::string> reasoning_effort;   // "none|minimal|low|medium|high"
  std::optional<std::int64_t> reasoning_budget;  // tokens of reasoning at most; 0: none
  bool stream = false;         // what the client asked for, not what the engine is asked for
  bool include_usage = false;  // usage in the last chunk of a chat or text stream
  bool tell_stop = false;      // the answer says which of sampling.stop ended it; one choice only
};

/// Choices that one answer may hold.
inline constexpr std::int64_t kMaxChoices = 128;

/// Choices of the whole answer: those of the first prompt come first.
std::int64_t choice_count(const Request& request);

/// Bytes of all text a model will read: the input of token estimates where the engine cannot count.
std::size_t prompt_bytes(const Request& request);

/// Usual rule of thumb for English with tokenizers of 30,000 to 200,000 entries: 4 bytes a token.
constexpr std::int64_t estimated_tokens(std::size_t bytes) {
  return static_cast<std::int64_t>((bytes + 3) / 4);
}

}  // namespace millrace::engine
