// env create, list, show, open, stop, delete, proxy
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/environment_stream.h"
#include "cli/output.h"
#include "core/amount.h"
#include "host/file.h"
#include "host/paths.h"
#include "host/process.h"
#include "host/ssh_key.h"
#include "net/url.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kPoll{200};
constexpr std::chrono::minutes kReadyWithin{10};
constexpr std::chrono::seconds kStoppedWithin{60};
constexpr std::chrono::seconds kDecidedWithin{5};

std::string path_of(const std::string& name) { return "/api/v1/environments/" + url_encode(name); }

/// Files of this user about environments: key pair and host keys.
std::string ssh_folder(const Client& client) { return client.settings().home + "/ssh"; }

/// The image is prepared once, by this very program; a Millrace elsewhere has its own.
Result<void> ensure_image(const Client& client, const std::string& image) {
  const bool is_local = client.settings().is_of_home;
  const std::string description = TRY(host::cache_dir()) + "/images/" + image + "/etc/millrace-image.json";
  if (!is_local || host::exists(description)) return {};
  fmt::print(stderr, "image {}: is prepared once (a minute or two)\n", image);
  host::ProcessSpec build;
  build.argv = {"/proc/self/exe", "image", "build", image};
  build.stdout_fd = build.stderr_fd = STDERR_FILENO;
  const pid_t pid = TRY(host::spawn(build));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return {};
  return failure(ErrorCode::kUnavailable, fmt::format("image {} could not be built; see above", image));
}

/// The user's own key pair for environments, made on first use; its public half.
Result<std::string> own_public_key(const Client& client) {
  const std::string file = ssh_folder(client) + "/id_ed25519";
  if (auto there = host::read_file(file + ".pub", 16 * 1024)) return *there;
  TRY_VOID(host::make_dirs(ssh_folder(client), 0700));
  const auto pair = TRY(host::make_ssh_key_pair("millrace"));
  TRY_VOID(host::write_file_atomic(file, pair.private_key, 0600));
  TRY_VOID(host::write_file_atomic(file + ".pub", pair.public_key + "\n", 0644));
  return pair.public_key;
}

Result<std::string> project_of(const Client& client, const std::string& given) {
  if (!given.empty()) return given;
  return cell(TRY(client.call("GET", "/api/v1/whoami")), "project");
}

Result<json::object> body_of(const Client& client, const EnvironmentOptions& options) {
  json::object body = {
      {"name", options.name}, {"kind", options.kind}, {"project", TRY(project_of(client, options.project))}};
  if (options.cpus) body["cpus"] = *options.cpus;
  if (!options.memory.empty()) {
    const auto bytes = parse_size(options.memory);
    if (!bytes) return failure(ErrorCode::kInvalidArgument, "--memory: " + bytes.error().message);
    body["memory_mib"] = *bytes >> 20;
  }
  if (options.accelerators > 0) body["accelerators"] = options.accelerators;
  if (!options.accelerator_kind.empty()) body["accelerator_kind"] = options.accelerator_kind;
  if (!options.idle.empty()) {
    const auto idle = options.idle == "0" ? Result<std::chrono::seconds>(0) : parse_duration(options.idle);
    if (!idle) return failure(ErrorCode::kInvalidArgument, "--idle: " + idle.error().message);
    body["idle_s"] = idle->count();
  }
  if (options.kind != "shell") return body;
  if (options.public_key_file.empty()) {
    body["public_key"] = TRY(own_public_key(client));
  } else {
    const auto key = host::read_file(options.public_key_file, 16 * 1024);
    if (!key) return failure(ErrorCode::kInvalidArgument, "--public-key: " + key.error().message);
    body["public_key"] = TRY(host::check_ssh_public_key(*key));
  }
  return body;
}

/// Success for all but one that no node has room for, however long it waits.
Result<void> check_fits(const json::value& environment) {
  if (cell(environment, "reason_code") != "never_fits") return {};
  return failure(ErrorCode::kUnavailable,
                 fmt::format("environment {} can never run: {}", cell(environment, "name"),
                             cell(environment, "reason")));
}

/// The environment once the scheduler has looked at it, or has not for long; an error for one that can never run.
Result<json::value> wait_for_decision(const Client& client, json::value environment) {
  const auto is_open = [](const json::value& seen) {
    const auto code = cell(seen, "reason_code");
    return code == "submitted" || (code == "-" && cell(seen, "state") == "queued");
  };
  const auto until = std::chrono::steady_clock::now() + kDecidedWithin;
  while (is_open(environment) && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kPoll);
    environment = TRY(client.call("GET", path_of(cell(environment, "name"))));
  }
  TRY_VOID(check_fits(environment));
  return environment;
}

/// Waits until the environment is in `wanted`.
Result<json::value> wait_for_state(const Client& client, const std::string& name, std::string_view wanted,
                                   std::chrono::seconds within) {
  const auto until = std::chrono::steady_clock::now() + within;
  while (true) {
    const auto environment = TRY(client.call("GET", path_of(name)));
    const auto state = cell(environment, "state");
    show_progress(fmt::format("environment {}: {}", name, state), state == wanted);
    if (state == wanted || (wanted == "stopped" && state == "failed")) return environment;
    if (wanted == "running") TRY_VOID(check_fits(environment));
    const bool gave_up = wanted == "running" && (state == "failed" || state == "stopped");
    if (gave_up || std::chrono::steady_clock::now() > until) {
      return failure(gave_up ? ErrorCode::kUnavailable : ErrorCode::kTimeout,
                     fmt::format("environment {} is {}: {}", name, state, cell(environment, "reason")));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

int print_environment(const Result<json::value>& answer, bool as_json) {
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
    return kOk;
  }
  print_object(*answer);
  if (const auto stops = cell(*answer, "stops_at"); stops != "-") {
    fmt::print("\nnobody uses it: it stops at {} (its volume stays); any use keeps it\n", stops);
  }
  return kOk;
}

/// The address of an environment at the gateway that the client talks to.
Result<std::string> url_of(const Client& client, const json::value& environment) {
  const auto url = TRY(net::parse_url(client.settings().url));
  return fmt::format("{}://{}:{}", url.https ? "https" : "http", cell(environment, "host"), url.port);
}

/// ssh with a file of host keys that knows this environment alone, as the control API told it.
Result<std::vector<std::string>> ssh_command(const Client& client, const json::value& environment,
                                             const EnvironmentOptions& options) {
  const auto name = cell(environment, "name");
  const std::string known = fmt::format("{}/known_hosts.{}", ssh_folder(client), name);
  TRY_VOID(host::make_dirs(ssh_folder(client), 0700));
  TRY_VOID(
      host::write_file_atomic(known, fmt::format("{} {}\n", name, cell(environment, "ssh_host_key")), 0600));
  // Without a home the proxy finds its Millrace as this command did: in the environment.
  const std::string home = client.settings().is_of_home ? " --home " + client.settings().home : "";
  std::vector<std::string> argv = {
      "ssh",
      "-o",
      "UserKnownHostsFile=" + known,
      "-o",
      "GlobalKnownHostsFile=/dev/null",
      "-o",
      "HostKeyAlias=" + name,
      "-o",
      "StrictHostKeyChecking=yes",
      "-o",
      "UpdateHostKeys=no",
      "-o",
      fmt::format("ProxyCommand={} env proxy {}{}", options.program, name, home)};
  const std::string own = ssh_folder(client) + "/id_ed25519";
  if (!options.identity_file.empty()) {
    argv.insert(argv.end(), {"-i", options.identity_file, "-o", "IdentitiesOnly=yes"});
  } else if (host::exists(own)) {
    argv.insert(argv.end(), {"-i", own});
  }
  argv.push_back("user@" + name);
  argv.insert(argv.end(), options.command.begin(), options.command.end());
  return argv;
}

std::string shell_quoted(const std::vector<std::string>& argv) {
  std::string line;
  for (const auto& word : argv) {
    if (!line.empty()) line += " ";
    line += word.find_first_of(" '\"$") == std::string::npos ? word : "'" + word + "'";
  }
  return line;
}

int open_shell(const Client& client, const json::value& environment, const EnvironmentOptions& options,
               bool as_json) {
  const auto argv = ssh_command(client, environment, options);
  if (!argv) return report(argv.error());
  if (as_json) {
    print_json({{"command", json::array(argv->begin(), argv->end())}});
    return kOk;
  }
  if (options.print) {
    fmt::print("{}\n", shell_quoted(*argv));
    return kOk;
  }
  std::vector<char*> words;
  for (const auto& word : *argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp("ssh", words.data());
  return report(errno_error("run ssh (apt-get install openssh-client)", errno));
}

}  // namespace

int environment_create(const Client& client, const EnvironmentOptions& options, bool as_json) {
  if (const auto ready = ensure_image(client, options.kind); !ready) return report(ready.error());
  const auto body = body_of(client, options);
  if (!body) return report(body.error());
  const json::value request = *body;
  auto answer = client.call("POST", "/api/v1/environments", &request);
  if (answer && options.wait) answer = wait_for_state(client, options.name, "running", kReadyWithin);
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
  } else {
    fmt::print("environment {} is {}; open it with: millrace env open {}\n", options.name,
               cell(*answer, "state"), options.name);
  }
  return kOk;
}

int environment_list(const Client& client, const EnvironmentOptions& options, bool as_json) {
  std::vector<json::value> items;
  std::string path = "/api/v1/environments";
  if (!options.project.empty()) path += "?project=" + url_encode(options.project);
  const auto listed = client.each(path, [&](const json::value& item) { items.push_back(item); });
  if (!listed) return report(listed.error());
  if (as_json) {
    print_json(json::array(items.begin(), items.end()));
    return kOk;
  }
  const std::vector<std::string> members = {"name", "kind",       "project", "state",
                                            "cpus", "memory_mib", "used_at", "reason"};
  std::vector<std::vector<std::string>> rows;
  for (const auto& item : items) {
    std::vector<std::string> row;
    for (const auto& member : members) row.push_back(cell(item, member));
    rows.push_back(std::move(row));
  }
  print_table(members, rows);
  return kOk;
}

int environment_show(const Client& client, const std::string& name, bool as_json) {
  return print_environment(client.call("GET", path_of(name)), as_json);
}

int environment_open(const Client& client, const EnvironmentOptions& options, bool as_json) {
  auto opened = client.call("POST", path_of(options.name) + "/open");
  if (!opened) return report(opened.error());
  auto environment = wait_for_decision(client, opened->at("environment"));
  if (environment && cell(*environment, "kind") == "shell") {
    // The command that is printed waits by itself for what it opens.
    if (!options.print) environment = wait_for_state(client, options.name, "running", kReadyWithin);
    if (environment) return open_shell(client, *environment, options, as_json);
  }
  if (!environment) return report(environment.error());
  const auto url = url_of(client, *environment);
  if (!url) return report(url.error());
  const std::string link = *url + cell(*opened, "path");
  if (as_json) {
    print_json({{"url", link}, {"expires_at", cell(*opened, "expires_at")}});
  } else {
    fmt::print("{}\n", link);
    fmt::print(stderr, "opens {} once, within a minute, and lets that browser in for twelve hours\n",
               options.name);
  }
  return kOk;
}

int environment_stop(const Client& client, const EnvironmentOptions& options, bool as_json) {
  auto answer = client.call("POST", path_of(options.name) + "/stop");
  if (answer && options.wait) answer = wait_for_state(client, options.name, "stopped", kStoppedWithin);
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json(*answer);
  } else {
    fmt::print("environment {} is {}; its volume stays\n", options.name, cell(*answer, "state"));
  }
  return kOk;
}

int environment_delete(const Client& client, const EnvironmentOptions& options, bool as_json) {
  auto answer = client.call("POST", path_of(options.name) + "/stop");
  if (answer) answer = wait_for_state(client, options.name, "stopped", kStoppedWithin);
  if (answer)
    answer = client.call("DELETE", path_of(options.name) + (options.volume ? "?volume=delete" : ""));
  if (!answer) return report(answer.error());
  if (as_json) {
    print_json({{"name", options.name}, {"deleted", true}, {"volume_deleted", options.volume}});
  } else {
    fmt::print("environment {} deleted; its volume {}\n", options.name, options.volume ? "too" : "stays");
  }
  return kOk;
}

int environment_proxy(const Client& client, const std::string& name) {
  const auto environment = client.call("GET", path_of(name));
  if (!environment) return report(environment.error());
  if (cell(*environment, "kind") != "shell") {
    return report({ErrorCode::kInvalidArgument,
                   fmt::format("{} is a notebook; open it with: millrace env open {}", name, name)});
  }
  if (const auto fits = check_fits(*environment); !fits) return report(fits.error());
  const auto carried = carry_stream(client.settings(), cell(*environment, "host"));
  return carried ? kOk : report(carried.error());
}

}  // namespace millrace::cli
