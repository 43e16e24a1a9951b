// Dialect: one public API shape (OpenAI's chat completions, Anthropic's messages, ...): a body to an engine request,
// and engine events to the bytes that clients of that API expect. Pure translation; the data path does the I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/adapter.h"
#include "engine/request.h"

namespace millrace::gateway::dialect {

/// A refusal or failure in the terms of the OpenAI API; each dialect renders it in its own shape.
struct ApiError {
  int status = 400;
  std::string
      type;  // "invalid_request_error", "authentication_error", "rate_limit_error", "server_error", ...
  std::string code;   // "unknown_parameter", "rate_limit_exceeded", ...; empty: null
  std::string param;  // "messages[0].content"; empty: null
  std::string message;
};

/// What an answer says of itself.
struct AnswerMeta {
  std::string request_id;      // ours; object ids in the body are derived from it
  std::int64_t created_s = 0;  // Unix time
  std::string model;           // the name that the client used
};

/// Energy, carbon and money of one answer; rendered as `usage.millrace`. Unknown figures are null.
struct Footprint {
  std::optional<std::int64_t> energy_uj;  // microjoules
  std::optional<std::int64_t> co2e_ug;    // micrograms
  std::int64_t cost_microeur = 0;
  std::string site;
  std::string zone;
  std::string basis;  // "measured", "modelled", "unknown"
};

/// A request that passed the allow-list, and what its answer needs to know of it beyond engine::Request.
struct ParsedRequest {
  engine::Request request;
  bool base64 = false;  // embeddings: vectors as base64 of little-endian float32
  // The member that asked for request.reasoning_effort, where a dialect has several; "" otherwise.
  std::string_view effort_member = {};
  std::string
      echo;  // responses: members of the response object that repeat the request, as JSON without braces
};

/// One answer under way. Receives the engine's events; one thread. A streaming answer starts with the first delta or
/// finish, so nothing has been made (started() is false) while a retry is still possible.
class Answer : public engine::Sink {
 public:
  /// "text/event-stream" or "application/json"; known before the first event.
  virtual std::string_view content_type() const = 0;
  virtual bool streaming() const = 0;
  /// Some bytes of the stream have been made. Always false for an answer that does not stream.
  virtual bool started() const = 0;
  /// Bytes of the stream made since the last call; empty for an answer that does not stream.
  virtual std::string take() = 0;
  /// Streaming: what take() would give, and the closing events, usage included where the dialect has it. Otherwise the
  /// whole body. Call once, after the engine's last event.
  virtual std::string finish(const engine::Usage& usage, const Footprint& footprint) = 0;
  /// Streaming: what take() would give and the dialect's error event, which ends the stream. Otherwise the same bytes
  /// as Dialect::render_error.
  virtual std::string fail(const ApiError& error) = 0;
  /// Bytes that keep an idle stream open and that clients ignore; empty for an answer that does not stream, and
  /// before the stream has started in dialects whose first event must come first.
  virtual std::string keep_alive() const = 0;
};

/// Stateless; safe from any thread.
class Dialect {
 public:
  virtual ~Dialect() = default;
  /// "/v1/chat/completions", ...
  virtual std::string_view path() const = 0;
  /// A header of that API's own for the request's id, beside x-request-id; "" if it has none.
  virtual std::string_view id_header() const { return {}; }
  /// The body as an engine request. On failure status 400 with `param` naming the member at fault, except for bodies
  /// that are not JSON.
  virtual std::expected<ParsedRequest, ApiError> parse(std::string_view body) const = 0;
  /// JSON body of an error answer.
  virtual std::string render_error(const ApiError& error, const AnswerMeta& meta) const = 0;
  /// An answer to `parsed`, streaming if the client asked for it. Keeps no reference to its arguments.
  virtual std::unique_ptr<Answer> answer(const ParsedRequest& parsed, AnswerMeta meta) const = 0;
  /// JSON schema of the body for the OpenAPI document: one property for each parameter that is known, each with
  /// "x-millrace-class": "forwarded", "accepted" (and not forwarded to the engine) or "refused" (unless it is null).
  virtual std::string parameters_schema() const = 0;
};

std::unique_ptr<Dialect> make_chat();         // POST /v1/chat/completions
std::unique_ptr<Dialect> make_completions();  // POST /v1/completions
std::unique_ptr<Dialect> make_embeddings();   // POST /v1/embeddings
std::unique_ptr<Dialect> make_responses();    // POST /v1/responses, stateless
std::unique_ptr<Dialect> make_messages();     // POST /v1/messages, Anthropic

/// All of the above, in that order.
std::vector<std::unique_ptr<Dialect>> make_dialects();

}  // namespace millrace::gateway::dialect
