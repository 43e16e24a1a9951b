// Adapter: the port to an inference engine's wire format. Pure translation; the gateway does the I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "engine/request.h"

namespace millrace::engine {

/// `input` includes `cached`; `output` includes `reasoning`.
struct Usage {
  std::int64_t input = 0;
  std::int64_t cached = 0;
  std::int64_t output = 0;
  std::int64_t reasoning = 0;
  bool estimated = false;  // the engine stated no figures; these follow from the length of the texts
};

/// What is known of the engine that will answer.
struct Target {
  std::string model{};              // name the engine knows the model by; may be empty for `llama`
  bool template_has_tools = false;  // the chat template renders tools (llama: read from /props)
  bool template_has_reasoning = false;
  std::int64_t context_tokens = 0;  // of one slot; 0 is unknown
  std::string host{};               // Host header
  std::string path_prefix{};        // "" or what precedes /chat/completions, e.g. "/v1"
  std::string api_key{};            // upstream key, "" for none; never logged
};

/// One request to the engine: a path and a JSON body. The gateway adds Host, Content-Length and Authorization.
struct Call {
  std::string path;
  std::string body;
};

enum class FinishReason { kStop, kLength, kToolCalls, kContentFilter };

/// A refusal or failure by the engine, in the terms of the OpenAI API.
struct EngineError {
  int status = 502;   // status for the client
  std::string type;   // "invalid_request_error", "server_error"
  std::string code;   // "context_length_exceeded", "unsupported_parameter", "engine_error", ...
  std::string param;  // may be empty
  std::string message;
};

/// Receives what the engine says, in order. Text is valid UTF-8 and never split inside a character.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Tokens so far: of the prompt those processed (cached ones included) of `prompt_total`, and those of the output.
  /// Called before the delta that these tokens belong to. A total of 0 is unknown; then both are estimates.
  virtual void on_progress(const Usage& so_far, std::int64_t prompt_total) = 0;
  virtual void on_text(int choice, std::string_view text) = 0;
  virtual void on_reasoning(int choice, std::string_view text) = 0;
  /// `id` and `name` are set on the first piece of a call only.
  virtual void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                            std::string_view arguments) = 0;
  /// JSON text of OpenAI `logprobs` for the text that follows (chat: {"content":[...]}; text: the legacy object).
  virtual void on_logprobs(int choice, std::string_view json) = 0;
  virtual void on_finish(int choice, FinishReason reason) = 0;
  /// The stop sequence that ended a choice; before its on_finish. Only with Request::tell_stop, and where it is known.
  virtual void on_stop(int choice, std::string_view sequence) {
    (void)choice;
    (void)sequence;
  }
  virtual void on_embedding(int index, std::vector<float> values) = 0;
  /// Once, last, on success.
  virtual void on_usage(const Usage& usage) = 0;
};

/// Reads one answer. Never blocks; memory is bounded (an event above 1 MiB, a body above 64 MiB fails as kCorrupt).
class Reader {
 public:
  virtual ~Reader() = default;
  /// Call once with the status and content type, then feed body bytes as they come, then `end` once.
  virtual void head(int status, std::string_view content_type) = 0;
  virtual Result<void> feed(std::string_view bytes, Sink& sink) = 0;
  /// The answer is whole although the engine goes on, which does not know that this is the end (Request::tell_stop):
  /// its work is to be cancelled. on_usage has been called.
  virtual bool cut() const { return false; }
  /// Success if the answer was whole; kUnavailable if it was cut short.
  virtual Result<void> end(Sink& sink) = 0;
  /// Set when the engine answered with an error (status or error event); feed and end then succeed and emit nothing
  /// more. After a status other than 2xx it is set by `end`.
  virtual const std::optional<EngineError>& error() const = 0;
};

/// Stateless; safe from any thread.
class Adapter {
 public:
  virtual ~Adapter() = default;
  /// "llama" or "openai".
  virtual std::string_view name() const = 0;
  /// The engine's request; or the refusal of a value that this engine cannot honour (status 400).
  virtual std::expected<Call, EngineError> render(const Request& request, const Target& target) const = 0;
  virtual std::unique_ptr<Reader> reader(const Request& request, const Target& target) const = 0;
  /// A call whose answer tells the exact number of prompt tokens, where the engine can; nullopt where it cannot.
  virtual std::optional<Call> render_count(const Request& request, const Target& target) const = 0;
  /// Tokens from the answer's body to that call.
  virtual Result<std::int64_t> read_count(int status, std::string_view body) const = 0;
};

}  // namespace millrace::engine
