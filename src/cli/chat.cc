// chat: talk to an endpoint from the terminal
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "host/json.h"
#include "net/sse.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

/// Prints the text of each event as it comes and keeps the whole answer and its usage.
class Transcript final : public net::SseHandler {
 public:
  explicit Transcript(bool quiet) : quiet_(quiet) {}

  bool on_event(const net::SseEvent& event) override {
    if (event.data == "[DONE]") return true;
    auto parsed = host::parse_json(event.data);
    if (!parsed || !parsed->is_object()) return true;
    const auto& object = parsed->as_object();
    if (const auto* error = object.if_contains("error")) {
      error_ = cell(*error, "message");
      return false;
    }
    if (const auto* usage = object.if_contains("usage"); usage != nullptr && usage->is_object())
      usage_ = *usage;
    const auto* choices = object.if_contains("choices");
    if (choices == nullptr || !choices->is_array() || choices->as_array().empty()) return true;
    const auto* delta = choices->as_array()[0].as_object().if_contains("delta");
    if (delta == nullptr || !delta->is_object()) return true;
    const auto* content = delta->as_object().if_contains("content");
    if (content == nullptr || !content->is_string()) return true;
    text_ += content->as_string();
    if (!quiet_) {
      fmt::print("{}", std::string_view(content->as_string()));
      std::fflush(stdout);
    }
    return true;
  }

  const std::string& text() const { return text_; }
  const json::value& usage() const { return usage_; }
  const std::string& error() const { return error_; }

 private:
  const bool quiet_;
  std::string text_, error_;
  json::value usage_;
};

void print_footprint(const json::value& usage) {
  if (!usage.is_object() || ::isatty(STDERR_FILENO) == 0) return;
  const auto* millrace = usage.as_object().if_contains("millrace");
  if (millrace == nullptr) return;
  fmt::print(stderr, "[{} + {} tokens, {} J, {} gCO2e, {} EUR, {}]\n", cell(usage, "prompt_tokens"),
             cell(usage, "completion_tokens"), cell(*millrace, "energy_j"), cell(*millrace, "co2e_g"),
             cell(*millrace, "cost_eur"), cell(*millrace, "basis"));
}

/// One turn; the answer is appended to `messages`.
int take_turn(const Client& client, const ChatOptions& options, json::array& messages,
              const std::string& text, bool as_json) {
  messages.push_back({{"role", "user"}, {"content", text}});
  json::object body = {{"model", options.model},
                       {"messages", messages},
                       {"stream", true},
                       {"stream_options", {{"include_usage", true}}}};
  if (options.max_tokens) body["max_tokens"] = *options.max_tokens;
  Transcript transcript(as_json);
  net::SseReader reader;
  bool broken = false;
  const auto streamed =
      client.stream("/v1/chat/completions", json::serialize(body), [&](std::string_view bytes) {
        broken = !reader.feed(bytes, transcript);
        return !broken && transcript.error().empty();
      });
  if (!streamed) return report(streamed.error());
  if (!transcript.error().empty()) return report({ErrorCode::kUnavailable, transcript.error()});
  if (broken) return report({ErrorCode::kCorrupt, "the answer's stream is malformed"});
  messages.push_back({{"role", "assistant"}, {"content", transcript.text()}});
  if (as_json) {
    print_json({{"model", options.model}, {"text", transcript.text()}, {"usage", transcript.usage()}});
  } else {
    fmt::print("\n");
    print_footprint(transcript.usage());
  }
  return kOk;
}

/// A line from standard input without its newline; nullopt at its end.
std::optional<std::string> read_line() {
  std::string line;
  int c = 0;
  while ((c = std::getchar()) != EOF && c != '\n') line.push_back(static_cast<char>(c));
  if (c == EOF && line.empty()) return std::nullopt;
  return line;
}

std::string read_all() {
  std::string text;
  int c = 0;
  while ((c = std::getchar()) != EOF) text.push_back(static_cast<char>(c));
  return text;
}

}  // namespace

int chat(const Client& client, const ChatOptions& given, bool as_json) {
  ChatOptions options = given;
  if (options.model.empty()) {
    const auto status = client.call("GET", "/api/v1/status");
    if (!status) return report(status.error());
    options.model = cell(status->at("defaults"), "model");
    if (options.model == "-") {
      return report(
          {ErrorCode::kNotFound, "no endpoint answers chats yet; make one with: millrace endpoint create"});
    }
  }
  json::array messages;
  if (!options.system.empty()) messages.push_back({{"role", "system"}, {"content", options.system}});
  if (!options.text.empty()) return take_turn(client, options, messages, options.text, as_json);
  if (::isatty(STDIN_FILENO) == 0) {
    const std::string text = read_all();
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
      return report({ErrorCode::kInvalidArgument,
                     "chat: nothing to say: neither a text nor anything on standard input"});
    return take_turn(client, options, messages, text, as_json);
  }

  fmt::print(stderr, "Talking to {}; an empty line or Ctrl-D ends.\n", options.model);
  while (true) {
    fmt::print(stderr, "> ");
    const auto line = read_line();
    if (!line || line->empty()) return kOk;
    if (const int code = take_turn(client, options, messages, *line, as_json); code != kOk) return code;
  }
}

}  // namespace millrace::cli
