#include "gateway/dialect/errors.h"

#include <fmt/format.h>

#include "gateway/dialect/json_out.h"

namespace millrace::gateway::dialect {
namespace {

// Error types as Anthropic documents them for each status.
std::string_view anthropic_type(const ApiError& error) {
  switch (error.status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return error.status >= 500 ? "api_error" : "invalid_request_error";
  }
}

struct Renaming {
  std::string_view path, theirs, ours;
};
constexpr Renaming kRenamings[] = {
    {"/v1/responses", "messages", "input"},
    {"/v1/responses", "max_tokens", "max_output_tokens"},
    {"/v1/responses", "response_format", "text.format"},
    {"/v1/responses", "reasoning_effort", "reasoning.effort"},
    {"/v1/messages", "stop", "stop_sequences"},
    {"/v1/messages", "response_format", "output_config.format"},
    {"/v1/messages", "reasoning_effort", "thinking"},
    {"/v1/messages", "max_reasoning_tokens", "thinking"},
};
// Of names that have an index in them.
constexpr std::string_view kToolSchema = ".function.parameters";
constexpr Renaming kToolSchemas[] = {{"/v1/responses", kToolSchema, ".parameters"},
                                     {"/v1/messages", kToolSchema, ".input_schema"}};

std::string name_in(std::string_view path, std::string_view param, std::string_view effort_member) {
  if (param == "reasoning_effort" && !effort_member.empty()) return std::string(effort_member);
  for (const auto& one : kRenamings) {
    if (one.path == path && one.theirs == param) return std::string(one.ours);
  }
  for (const auto& one : kToolSchemas) {
    if (one.path == path && param.starts_with("tools[") && param.ends_with(one.theirs))
      return std::string(param.substr(0, param.size() - one.theirs.size())).append(one.ours);
  }
  // The engine's messages are not numbered as the items of a response are, nor as Anthropic's messages.
  const bool numbered_alike = path != "/v1/responses" && path != "/v1/messages";
  if (!numbered_alike && param.starts_with("messages[")) return name_in(path, "messages", effort_member);
  return std::string(param);
}

// `message` with every 'theirs' in quotes as 'ours'.
std::string renamed(std::string message, std::string_view theirs, std::string_view ours) {
  if (theirs.empty() || theirs == ours) return message;
  const std::string from = fmt::format("'{}'", theirs), to = fmt::format("'{}'", ours);
  for (auto at = message.find(from); at != std::string::npos; at = message.find(from, at + to.size()))
    message.replace(at, from.size(), to);
  return message;
}

}  // namespace

ApiError missing_key() {
  return {401, "invalid_request_error", "missing_api_key", "",
          "You didn't provide an API key. You need to provide your API key in an Authorization header using "
          "Bearer auth "
          "(i.e. Authorization: Bearer YOUR_KEY), or in the header x-api-key."};
}

ApiError invalid_key() {
  return {401, "invalid_request_error", "invalid_api_key", "",
          "Incorrect API key provided. Ask your tenant's administrator for a valid key."};
}

ApiError permission_denied(std::string message) {
  return {403, "permission_error", "permission_denied", "", std::move(message)};
}

ApiError model_not_found(std::string_view model) {
  return {404, "invalid_request_error", "model_not_found", "model",
          fmt::format("The model `{}` does not exist or you do not have access to it.", model)};
}

ApiError unknown_url(std::string_view method, std::string_view path) {
  return {404, "invalid_request_error", "unknown_url", "",
          fmt::format("Unknown request URL: {} {}. Please check the URL for typos.", method, path)};
}

ApiError method_not_allowed(std::string_view method, std::string_view path) {
  return {405, "invalid_request_error", "method_not_allowed", "",
          fmt::format("Not allowed to {} on {}. Please use another HTTP method.", method, path)};
}

ApiError body_too_large(std::int64_t limit_bytes) {
  return {413, "invalid_request_error", "request_too_large", "",
          fmt::format("The request body is larger than the limit of {} bytes.", limit_bytes)};
}

ApiError unsupported_encoding(std::string_view coding) {
  return {415, "invalid_request_error", "unsupported_media_type", "",
          fmt::format("The request body is encoded as '{}'; send it plain, without content-encoding.",
                      coding.substr(0, 40))};
}

ApiError rate_limited(std::string message) {
  return {429, "rate_limit_error", "rate_limit_exceeded", "", std::move(message)};
}

ApiError quota_exceeded(std::string message) {
  return {429, "insufficient_quota", "insufficient_quota", "", std::move(message)};
}

ApiError context_exceeded(std::int64_t context_tokens, std::int64_t prompt_tokens, std::int64_t max_tokens) {
  if (prompt_tokens >= context_tokens || max_tokens <= 0) {
    return {
        400, "invalid_request_error", "context_length_exceeded", "messages",
        fmt::format(
            "This model's maximum context length is {} tokens. However, your messages resulted in {} tokens. "
            "Please reduce the length of the messages.",
            context_tokens, prompt_tokens)};
  }
  return {400, "invalid_request_error", "context_length_exceeded", "messages",
          fmt::format(
              "This model's maximum context length is {} tokens. However, you requested {} tokens ({} in the "
              "messages, {} in the completion). Please reduce the length of the messages or completion.",
              context_tokens, prompt_tokens + max_tokens, prompt_tokens, max_tokens)};
}

ApiError engine_failed(std::string message) {
  return {502, "server_error", "engine_error", "", std::move(message)};
}

ApiError overloaded(std::string message) {
  return {503, "server_error", "overloaded", "", std::move(message)};
}

ApiError from_engine(const engine::EngineError& error, std::string_view path,
                     std::string_view effort_member) {
  std::string param = name_in(path, error.param, effort_member);
  std::string message = renamed(error.message, error.param, param);
  return {error.status, error.type, error.code, std::move(param), std::move(message)};
}

std::string render_openai_error(const ApiError& error) {
  std::string out = R"({"error":{"message":)";
  append_quoted(out, error.message);
  out += R"(,"type":)";
  append_quoted(out, error.type);
  out += R"(,"param":)";
  append_quoted_or_null(out, error.param);
  out += R"(,"code":)";
  append_quoted_or_null(out, error.code);
  out += "}}";
  return out;
}

std::string render_anthropic_error(const ApiError& error, std::string_view request_id) {
  std::string out = R"({"type":"error","error":{"type":)";
  append_quoted(out, anthropic_type(error));
  out += R"(,"message":)";
  append_quoted(out, error.message);
  if (!error.code.empty()) {
    out += R"(,"code":)";
    append_quoted(out, error.code);
  }
  if (!error.param.empty()) {
    out += R"(,"param":)";
    append_quoted(out, error.param);
  }
  out += R"(},"request_id":)";
  append_quoted_or_null(out, request_id);
  out += '}';
  return out;
}

}  // namespace millrace::gateway::dialect
