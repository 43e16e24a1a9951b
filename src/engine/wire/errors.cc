#include "engine/wire/errors.h"

#include <fmt/format.h>

#include "engine/wire/body.h"
#include "engine/wire/json.h"
#include "host/utf8.h"

namespace millrace::engine::wire {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxMessageBytes = 1000;

std::string cut(std::string_view text) {
  std::string kept;
  while (!text.empty() && kept.size() + 4 <= kMaxMessageBytes) {
    const std::size_t length = host::utf8_length(text);
    kept += length == 0 ? std::string_view("?") : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return kept;
}

void read_object(const json::object& error, PeerError& peer) {
  peer.type = cut(find_string(error, "type"));
  peer.code = cut(find_string(error, "code"));
  peer.param = cut(find_string(error, "param"));
  peer.message = cut(find_string(error, "message"));
  if (peer.message.empty()) peer.message = cut(find_string(error, "detail"));
  if (const auto status = find_count(error, "code"); status && *status >= 400 && *status < 600) {
    peer.status = static_cast<int>(*status);
  }
}

bool says(std::string_view text, std::string_view words) {
  return text.find(words) != std::string_view::npos;
}

bool is_context_error(const PeerError& peer) {
  return peer.code == "context_length_exceeded" || peer.type == "exceed_context_size_error" ||
         says(peer.message, "maximum context length") ||
         says(peer.message, "longer than the maximum model length");
}

EngineError server_error(int status, std::string_view code, std::string message) {
  return {status, "server_error", std::string(code), "", std::move(message)};
}

EngineError map_refusal(const PeerError& peer, Task task) {
  if (is_context_error(peer)) {
    EngineError error = context_exceeded(task, 0, 0);
    if (!peer.message.empty()) error.message = peer.message;
    return error;
  }
  const std::string_view code =
      peer.code.empty() ? std::string_view("invalid_value") : std::string_view(peer.code);
  return refusal(code, peer.param,
                 peer.message.empty() ? "The engine refused the request without saying why."
                                      : fmt::format("The engine refused the request: {}", peer.message));
}

}  // namespace

PeerError read_peer_error(int status, const json::value& error) {
  PeerError peer;
  peer.status = status;
  if (const json::string* text = error.if_string()) peer.message = cut(view(*text));
  if (const json::object* object = error.if_object()) read_object(*object, peer);
  return peer;
}

PeerError read_peer_error(int status, std::string_view body) {
  PeerError peer;
  peer.status = status;
  const Result<json::value> parsed = parse_object(body, {});
  if (!parsed) {
    peer.message = cut(body);
    return peer;
  }
  const json::value* inner = parsed->get_object().if_contains("error");
  peer = read_peer_error(status,
                         inner != nullptr && (inner->is_object() || inner->is_string()) ? *inner : *parsed);
  peer.status = status;
  return peer;
}

std::string_view prompt_field(Task task) {
  switch (task) {
    case Task::kChat:
      return "messages";
    case Task::kText:
      return "prompt";
    case Task::kEmbed:
      return "input";
  }
  return "messages";
}

EngineError context_exceeded(Task task, std::int64_t wanted, std::int64_t limit) {
  const std::string_view field = prompt_field(task);
  std::string message = limit > 0 ? fmt::format("This model's maximum context length is {} tokens.", limit)
                                  : std::string("The model's maximum context length is exceeded.");
  if (wanted > 0) message += fmt::format(" However, your {} resulted in {} tokens.", field, wanted);
  message += fmt::format(" Please reduce the length of the {}.", field);
  return refusal("context_length_exceeded", field, std::move(message));
}

EngineError map_error(const PeerError& peer, Task task) {
  switch (peer.status) {
    case 400:
    case 413:
    case 422:
      return map_refusal(peer, task);
    case 401:
    case 403:
      return server_error(502, "engine_error",
                          "The engine refused Millrace's key for it. The operator must set it.");
    case 404:
      return server_error(502, "engine_error", "The engine does not know this model or this path.");
    case 429:
      if (peer.code == "insufficient_quota" || peer.type == "insufficient_quota") {
        return {429, "insufficient_quota", "insufficient_quota", "",
                "The quota of the operator's account at the engine behind this endpoint is used up."};
      }
      return {429, "rate_limit_error", "rate_limit_exceeded", "",
              "The engine behind this endpoint is over its rate limit."};
    case 503:
    case 529:
      return server_error(503, "engine_unavailable", "The engine is overloaded or still loading its model.");
    default:
      return server_error(502, "engine_error", fmt::format("The engine failed (status {}).", peer.status));
  }
}

}  // namespace millrace::engine::wire
