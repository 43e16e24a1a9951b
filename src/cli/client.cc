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
  if (error.code == ErrorCode::kDenied) {  // of the transport: its certificate
    error.code = ErrorCode::kUnavailable;
    error.message += "; MILLRACE_CA_FILE names a PEM file of authorities to trust";
  }
  return error;
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

/// Where the Millrace of this home answers. What listens where a stopped one did must not be sent its key.
Result<void> take_address(Settings& settings) {
  const std::string file = settings.home + "/gateway.json";
  const auto text = host::read_file(file, 64 * 1024);
  const bool runs = host::is_locked(settings.home + "/run-watch.pid") ||
                    host::is_locked(settings.home + "/run-gateway.pid");
  if (!text || !runs) {
    return failure(text ? ErrorCode::kUnavailable : ErrorCode::kNotFound,
                   fmt::format("Millrace is not running on {}{}; start it with: millrace up, or set "
                               "MILLRACE_URL and MILLRACE_KEY",
                               settings.home, text ? " any more" : ""));
  }
  const auto parsed = TRY(host::parse_json(*text));
  const auto object = TRY(host::JsonObject::of(parsed, "gateway.json"));
  settings.url = without_slash(TRY(object.required_string("url")));
  settings.ca_file = TRY(object.optional_string("ca_file")).value_or("");
  settings.is_of_home = true;
  return {};
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
  const std::string given = without_slash(host::environment("MILLRACE_URL"));
  const bool is_named = !home.empty() || !host::environment("MILLRACE_HOME").empty();
  if (given.empty() || is_named) {
    if (auto taken = take_address(settings); !taken) {
      // A home that nothing ran on may be named for its files alone, but not by the option.
      if (given.empty() || !home.empty() || taken.error().code != ErrorCode::kNotFound)
        return failure(ErrorCode::kUnavailable, std::move(taken.error().message));
    }
  }
  if (!settings.is_of_home) settings.url = given;
  // Key and authorities of the environment go with the address that is there: another Millrace is not sent them.
  if (given.empty() || settings.url == given) {
    settings.key = host::environment("MILLRACE_KEY");
    if (const auto file = host::environment("MILLRACE_CA_FILE"); !file.empty()) settings.ca_file = file;
  }
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
