// node, top, site, secret
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <thread>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/job_text.h"
#include "cli/output.h"
#include "core/amount.h"
#include "host/file.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kTopEvery{1};
constexpr std::size_t kSecretMax = 64 * 1024;

double number(const json::value& object, std::string_view member) {
  const auto* value = object.as_object().if_contains(member);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

std::vector<std::string> node_row(const json::value& node) {
  const auto& accelerators = node.at("accelerators").as_array();
  double used = 0;
  for (const auto& accelerator : accelerators) used += number(accelerator, "used");
  const auto gib = [&](std::string_view member) { return number(node, member) / double(1 << 30); };
  return {cell(node, "name"),
          cell(node, "health"),
          cell(node, "kind"),
          accelerators.empty() ? "-" : fmt::format("{:.4g}/{}", used, accelerators.size()),
          fmt::format("{:.4g}/{:.4g}", number(node, "cpus_used"), number(node, "cpus")),
          fmt::format("{:.1f}/{:.1f}", gib("memory_used_bytes"), gib("memory_bytes")),
          fmt::format("{:.0f}", number(node, "draw_w")),
          fmt::format("{}", node.at("work").as_array().size())};
}

void print_nodes(const json::array& nodes) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& node : nodes) rows.push_back(node_row(node));
  print_table({"node", "health", "kind", "accelerators", "cpus", "memory GiB", "draw W", "work"}, rows);
}

int print_data(const Result<json::value>& answer, const std::vector<std::string>& members, bool as_json) {
  if (!answer) return report(answer.error());
  return print_items(answer->at("data").as_array(), members, as_json);
}

/// What one look shows: power, nodes, and what runs.
Result<json::value> look(const Client& client) {
  auto power = TRY(client.call("GET", "/api/v1/site/power"));
  auto nodes = TRY(client.call("GET", "/api/v1/nodes"));
  auto work = TRY(client.call("GET", "/api/v1/queue?state=live&limit=1000"));
  return json::value{{"power", power.at("data")}, {"nodes", nodes.at("data")}, {"work", work.at("data")}};
}

void print_look(const json::value& seen) {
  for (const auto& site : seen.at("power").as_array()) {
    const auto budget = cell(site, "budget_w");
    fmt::print("site {}: {} W of {}{}{}\n", cell(site, "site"), cell(site, "draw_w"),
               budget == "-" ? "no budget" : budget + " W",
               cell(site, "budget_until") == "-" ? "" : " until " + cell(site, "budget_until"),
               site.at("infeasible").as_bool() ? " (below what the nodes draw idle)" : "");
  }
  const auto& nodes = seen.at("nodes").as_array();
  if (const auto limits = limits_line(nodes); !limits.empty()) fmt::print("{}\n", limits);
  fmt::print("\n");
  print_nodes(nodes);
  json::array running;
  std::size_t waiting = 0;
  for (const auto& item : seen.at("work").as_array()) {
    if (cell(item, "state") == "queued") ++waiting;
    if (cell(item, "state") != "queued") running.push_back(item);
  }
  fmt::print("\n{} running, {} waiting\n", running.size(), waiting);
  const std::vector<std::string> members = {"id",           "kind", "state",      "name", "project",
                                            "accelerators", "cpus", "started_at", "nodes"};
  if (!running.empty()) (void)print_items(of_all_tasks(running), members, false);
}

/// "60%", "30kW", "500W", "1.2MW" as the member of a new event.
Result<json::object> budget_of(std::string_view text) {
  double value = -1;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (fault == std::errc() && value >= 0) {
    if (unit == "%") return json::object{{"budget_percent", value}};
    if (unit == "W") return json::object{{"budget_w", value}};
    if (unit == "kW") return json::object{{"budget_w", value * 1e3}};
    if (unit == "MW") return json::object{{"budget_w", value * 1e6}};
  }
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("--budget: want a part of the site's budget such as 60%, or power such as 30kW; found "
                  "'{}'",
                  text));
}

Result<json::value> event_body(const EventOptions& options) {
  json::object body = TRY(budget_of(options.budget));
  body["for_s"] = TRY(parse_duration(options.duration)).count();
  if (!options.notice.empty()) body["notice_s"] = TRY(parse_duration(options.notice)).count();
  if (!options.site.empty()) body["site"] = options.site;
  return json::value(std::move(body));
}

/// Where a project's secrets are; without a name, those of the key's own project.
Result<std::string> secrets_path(const Client& client, const SecretOptions& options) {
  std::string project = options.project;
  if (project.empty()) project = cell(TRY(client.call("GET", "/api/v1/whoami")), "project");
  return fmt::format("/api/v1/projects/{}/secrets", url_encode(project));
}

Result<std::string> secret_text(const SecretOptions& options) {
  if (!options.from_file.empty()) return host::read_file(options.from_file, kSecretMax);
  if (::isatty(STDIN_FILENO) != 0)
    fmt::print(stderr, "type the secret, then Enter and Ctrl-D; it is shown as you type\n");
  std::string text(kSecretMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), stdin));
  // What `echo` and a terminal put at the end is not meant.
  if (text.ends_with('\n')) text.pop_back();
  if (text.size() <= kSecretMax) return text;
  return failure(ErrorCode::kInvalidArgument, fmt::format("a secret has at most {} bytes", kSecretMax));
}

}  // namespace

int node_list(const Client& client, bool as_json) {
  const auto answer = client.call("GET", "/api/v1/nodes");
  if (!answer || as_json) return print_data(answer, {}, as_json);
  print_nodes(answer->at("data").as_array());
  return kOk;
}

int node_show(const Client& client, const std::string& name, bool as_json) {
  const auto node = client.call("GET", "/api/v1/nodes/" + url_encode(name));
  if (!node) return report(node.error());
  if (as_json) {
    print_json(*node);
    return kOk;
  }
  for (const auto& member : node->as_object()) {
    if (member.key() != "accelerators")
      fmt::print("{:20} {}\n", std::string_view(member.key()), cell(*node, member.key()));
  }
  const auto& accelerators = node->at("accelerators").as_array();
  const std::vector<std::string> members = {"id", "kind", "used"};
  if (!accelerators.empty())
    print_table(members, rows_of({accelerators.begin(), accelerators.end()}, members));
  return kOk;
}

int node_wish(const Client& client, const std::string& name, const std::string& wish, bool as_json) {
  const auto node = client.call("POST", fmt::format("/api/v1/nodes/{}/{}", url_encode(name), wish));
  if (!node) return report(node.error());
  if (as_json) {
    print_json(*node);
  } else if (wish == "undrain") {
    fmt::print("node {} takes work again\n", name);
  } else {
    fmt::print("node {} takes no new work{}\n", name, wish == "drain" ? ", and what runs there leaves" : "");
  }
  return kOk;
}

int top(const Client& client, bool as_json) {
  const bool live = !as_json && ::isatty(STDOUT_FILENO) != 0;
  while (true) {
    const auto seen = look(client);
    if (!seen) return report(seen.error());
    if (as_json) {
      print_json(*seen);
      return kOk;
    }
    if (live) fmt::print("\x1b[H\x1b[2J");
    print_look(*seen);
    std::fflush(stdout);
    if (!live) return kOk;
    std::this_thread::sleep_for(kTopEvery);
  }
}

int site_event(const Client& client, const EventOptions& options, bool as_json) {
  const auto body = event_body(options);
  if (!body) return report(body.error());
  const auto event = client.call("POST", "/api/v1/site/events", &*body);
  if (!event) return report(event.error());
  if (as_json) {
    print_json(*event);
  } else {
    fmt::print("{}: site {}, {} to {}\n", cell(*event, "id"), cell(*event, "site"), cell(*event, "from"),
               cell(*event, "until"));
  }
  return kOk;
}

int site_events(const Client& client, bool as_json) {
  return print_data(client.call("GET", "/api/v1/site/events"),
                    {"id", "site", "from", "until", "budget_w", "budget_percent"}, as_json);
}

int site_event_cancel(const Client& client, const std::string& id, bool as_json) {
  const auto done = client.call("DELETE", "/api/v1/site/events/" + url_encode(id));
  if (!done) return report(done.error());
  if (as_json) {
    print_json({{"id", id}, {"deleted", true}});
  } else {
    fmt::print("event {} is over\n", id);
  }
  return kOk;
}

int secret_set(const Client& client, const SecretOptions& options, bool as_json) {
  const auto path = secrets_path(client, options);
  if (!path) return report(path.error());
  const auto text = secret_text(options);
  if (!text) return report({ErrorCode::kInvalidArgument, text.error().message});
  const json::value body = {{"text", *text}};
  const auto info = client.call("PUT", *path + "/" + url_encode(options.name), &body);
  if (!info) return report(info.error());
  if (as_json) {
    print_json(*info);
  } else {
    fmt::print("secret {} set ({} bytes)\n", options.name, cell(*info, "bytes"));
  }
  return kOk;
}

int secret_list(const Client& client, const SecretOptions& options, bool as_json) {
  const auto path = secrets_path(client, options);
  if (!path) return report(path.error());
  return print_data(client.call("GET", *path), {"name", "bytes"}, as_json);
}

int secret_delete(const Client& client, const SecretOptions& options, bool as_json) {
  const auto path = secrets_path(client, options);
  if (!path) return report(path.error());
  const auto done = client.call("DELETE", *path + "/" + url_encode(options.name));
  if (!done) return report(done.error());
  if (as_json) {
    print_json({{"name", options.name}, {"deleted", true}});
  } else {
    fmt::print("secret {} deleted\n", options.name);
  }
  return kOk;
}

}  // namespace millrace::cli
