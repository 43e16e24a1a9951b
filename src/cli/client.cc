#include "cli/client.h"

#include <fmt/format.h>

#include "host/file.h"
#include "host/json.h"
#include "host/paths.h"
#include "net/blocking_client.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

std::string trimmed_file(const std::string& path) {
  auto text = host::read_file(path, 4096).value_or("");
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

ErrorCode code_of_status(int status) {
  switch (status) {
    case 400:
    case 415:
    case 422:
      return ErrorCode::kInvalidArgument;
    case 401:
    case 403:
      return ErrorCode::kDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kConflict;
    case 429:
      return ErrorCode::kExhausted;
    case 502:
    case 503:
    case 504:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kInternal;
  }
}

/// The detail of a problem+json body, or the message of an OpenAI error body, or the status alone.
Error error_of(int status, std::string_view body) {
  const ErrorCode code = code_of_status(status);
  if (const auto parsed = host::parse_json(body); parsed && parsed->is_object()) {
    const auto& object = parsed->as_object();
    if (const auto* detail = object.if_contains("detail"); detail != nullptr && detail->is_string()) {
      return {code, std::string(detail->as_string())};
    }
    if (const auto* error = object.if_contains("error"); error != nullptr && error->is_object()) {
      if (const auto* message = error->as_object().if_contains("message");
          message != nullptr && message->is_string()) {
        return {code, std::string(message->as_string())};
      }
    }
  }
  return {code, fmt::format("the server answered {}", status)};
}

Result<net::Method> method_of(std::string_view name) {
  for (const auto method : {net::Method::kGet, net::Method::kPost, net::Method::kPut, net::Method::kPatch,
                            net::Method::kDelete}) {
    if (net::name_of(method) == name) return method;
  }
  return failure(ErrorCode::kInvalidArgument, fmt::format("unknown method {}", name));
}

net::BlockingRequest request_to(const Settings& settings, std::string_view key, net::Method method,
                                std::string_view path, std::string body) {
  net::BlockingRequest request;
  request.url = settings.url + std::string(path);
  request.method = method;
  request.headers = {{"authorization", fmt::format("Bearer {}", key)}, {"accept", "application/json"}};
  if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
  request.body = std::move(body);
  request.ca_file = settings.ca_file;
  return request;
}

Error unreachable(Error error) {
  if (error.code == ErrorCode::kUnavailable) error.message += "; is Millrace running? See: millrace up";
  return error;
}

}  // namespace

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<Settings> find_settings(const std::string& home) {
  Settings settings;
  settings.home = TRY(host::home_dir(home));
  settings.url = home.empty() ? host::environment("MILLRACE_URL") : "";
  settings.key = home.empty() ? host::environment("MILLRACE_KEY") : "";
  settings.ca_file = host::environment("MILLRACE_CA_FILE");
  if (settings.url.empty()) {
    const auto text = host::read_file(settings.home + "/gateway.json", 64 * 1024);
    if (!text) {
      return failure(
          ErrorCode::kUnavailable,
          fmt::format("Millrace is not running: {}/gateway.json is not there; start it with: millrace up, or "
                      "set MILLRACE_URL and MILLRACE_KEY",
                      settings.home));
    }
    const auto parsed = TRY(host::parse_json(*text));
    const auto object = TRY(host::JsonObject::of(parsed, "gateway.json"));
    settings.url = TRY(object.required_string("url"));
    if (settings.ca_file.empty()) settings.ca_file = TRY(object.optional_string("ca_file")).value_or("");
  }
  while (settings.url.ends_with('/')) settings.url.pop_back();
  if (settings.key.empty()) settings.key = trimmed_file(settings.home + "/secrets/bootstrap.key");
  settings.developer_key = trimmed_file(settings.home + "/secrets/developer.key");
  if (settings.key.empty()) {
    return failure(ErrorCode::kDenied,
                   fmt::format("no key: set MILLRACE_KEY, or let this user read {}/secrets", settings.home));
  }
  return settings;
}

Result<json::value> Client::call(std::string_view method, std::string_view path,
                                 const json::value* body) const {
  const auto verb = TRY(method_of(method));
  const auto answer = net::request(request_to(settings_, settings_.key, verb, path,
                                              body != nullptr ? json::serialize(*body) : std::string{}));
  if (!answer) return std::unexpected(unreachable(answer.error()));
  if (answer->status >= 400) return std::unexpected(error_of(answer->status, answer->body));
  if (answer->body.empty()) return json::value(nullptr);
  return host::parse_json(answer->body);
}

Result<json::value> Client::put_bytes(std::string_view path, std::string bytes) const {
  auto request = request_to(settings_, settings_.key, net::Method::kPut, path, std::move(bytes));
  if (!request.body.empty()) request.headers.back().second = "application/octet-stream";
  const auto answer = net::request(request);
  if (!answer) return std::unexpected(unreachable(answer.error()));
  if (answer->status >= 400) return std::unexpected(error_of(answer->status, answer->body));
  return host::parse_json(answer->body);
}

Result<std::string> Client::text(std::string_view path) const {
  auto answer = TRY(net::request(request_to(settings_, settings_.key, net::Method::kGet, path, {})));
  if (answer.status >= 400) return std::unexpected(error_of(answer.status, answer.body));
  return std::move(answer.body);
}

Result<void> Client::each(const std::string& path,
                          const std::function<void(const json::value&)>& visit) const {
  const char separator = path.contains('?') ? '&' : '?';
  std::string after;
  while (true) {
    auto page = fmt::format("{}{}limit=200", path, separator);
    if (!after.empty()) page += "&after=" + url_encode(after);
    const auto answer = TRY(call("GET", page));
    const auto object = TRY(host::JsonObject::of(answer));
    for (const auto& item : *TRY(object.required_array("data"))) visit(item);
    const auto next = TRY(object.optional_string("next"));
    if (!next) return {};
    after = *next;
  }
}

Result<int> Client::stream(std::string_view path, const std::string& body,
                           const std::function<bool(std::string_view)>& on_bytes) const {
  const auto& key = settings_.developer_key.empty() ? settings_.key : settings_.developer_key;
  auto request = request_to(settings_, key, net::Method::kPost, path, body);
  request.timeout = std::chrono::minutes{10};
  int status = 0;
  std::string problem;
  TRY_VOID(net::stream(
      request,
      [&](const net::BlockingResponse& head) {
        status = head.status;
        return true;
      },
      [&](std::string_view bytes) {
        if (status < 400) return on_bytes(bytes);
        problem.append(bytes.substr(0, 64 * 1024 - std::min<std::size_t>(problem.size(), 64 * 1024)));
        return true;
      }));
  if (status >= 400) return std::unexpected(error_of(status, problem));
  return status;
}

}  // namespace millrace::cli
