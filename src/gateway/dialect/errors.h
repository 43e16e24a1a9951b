// The errors that are the same in every dialect, with the status, type and code that the OpenAI API documents, and the two
// shapes they are rendered in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

/// Where Anthropic's clients look for the id of a request.
inline constexpr std::string_view kAnthropicIdHeader = "request-id";

ApiError missing_key();                            // 401
ApiError invalid_key();                            // 401 invalid_api_key; never repeats the key
ApiError permission_denied(std::string message);   // 403
ApiError model_not_found(std::string_view model);  // 404
ApiError unknown_url(std::string_view method, std::string_view path);         // 404
ApiError method_not_allowed(std::string_view method, std::string_view path);  // 405
ApiError body_too_large(std::int64_t limit_bytes);                            // 413
ApiError unsupported_encoding(std::string_view coding);                       // 415
ApiError rate_limited(std::string message);    // 429 rate_limit_exceeded: later works
ApiError quota_exceeded(std::string message);  // 429 insufficient_quota: the period's budget is used up
ApiError context_exceeded(std::int64_t context_tokens, std::int64_t prompt_tokens,
                          std::int64_t max_tokens);  // 400
ApiError engine_failed(std::string message);         // 502
ApiError overloaded(std::string message);            // 503
/// The engine names parameters as chat completions do; `path` is the dialect (Dialect::path) whose names the client knows,
/// `effort_member` what ParsedRequest says. Names in quotes in the message are changed, too.
ApiError from_engine(const engine::EngineError& error, std::string_view path,
                     std::string_view effort_member = {});

/// {"error":{"message","type","param","code"}}
std::string render_openai_error(const ApiError& error);
/// {"type":"error","error":{"type","message"[,"code"][,"param"]},"request_id"}
std::string render_anthropic_error(const ApiError& error, std::string_view request_id);

}  // namespace millrace::gateway::dialect
