// run, job, queue
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <thread>
#include <utility>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/folder_archive.h"
#include "cli/job_follow.h"
#include "cli/job_text.h"
#include "cli/output.h"
#include "core/amount.h"
#include "host/file.h"
#include "host/utf8.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kPieceBytes = 2 << 20;
constexpr std::size_t kJobFileMax = 1 << 20;

void write_out(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

std::string job_path(const std::string& id) { return "/api/v1/jobs/" + url_encode(id); }

/// Sends what the server does not have yet of the folder; its digest, empty for a folder without anything to send.
Result<std::string> send_folder(const Client& client, const std::string& folder, const std::string& project) {
  const auto archive = TRY(archive_folder(folder));
  if (archive.files == 0) return std::string();
  const std::string query = project.empty() ? "" : "project=" + url_encode(project);
  const std::string path = "/api/v1/blobs/" + archive.sha256;
  std::int64_t sent = 0;
  const auto known = client.call("GET", query.empty() ? path : path + "?" + query);
  if (known && known->at("complete").as_bool()) return archive.sha256;
  if (known) sent = known->at("received_bytes").to_number<std::int64_t>();
  if (!known && known.error().code != ErrorCode::kNotFound) return std::unexpected(known.error());
  if (archive.size_bytes > 4 * std::int64_t{kPieceBytes} && ::isatty(STDERR_FILENO) != 0) {
    fmt::print(stderr, "sending {} ({} files, {} MiB)\n", folder, archive.files, archive.size_bytes >> 20);
  }
  while (true) {
    auto piece = TRY(read_archive(archive, sent, kPieceBytes));
    const auto answer = TRY(client.put_bytes(fmt::format("{}?offset={}&size={}{}{}", path, sent,
                                                         archive.size_bytes, query.empty() ? "" : "&", query),
                                             std::move(piece)));
    if (answer.at("complete").as_bool()) return archive.sha256;
    const auto received = answer.at("received_bytes").to_number<std::int64_t>();
    // Another sender of the same folder may be ahead of us; but it must go on.
    if (received == sent || received >= archive.size_bytes) {
      return failure(ErrorCode::kConflict, "the working folder is sent by somebody else too; try again");
    }
    sent = received;
  }
}

/// The body of a submission: the job file's text, and the folder that goes with it.
Result<json::value> submission(const Client& client, const std::string& source, const std::string& file,
                               const std::string& project, const std::string& workdir, bool send) {
  json::object body = {{"source", source}, {"file", file}};
  if (!project.empty()) body["project"] = project;
  if (send) {
    const auto sha256 = TRY(send_folder(client, workdir.empty() ? "." : workdir, project));
    if (!sha256.empty()) body["workdir"] = sha256;
  }
  return json::value(std::move(body));
}

Result<json::value> job_file_of(const RunOptions& options) {
  json::object job;
  job["command"] = json::array(options.command.begin(), options.command.end());
  const std::pair<const char*, const std::string*> texts[] = {{"name", &options.name},
                                                              {"image", &options.image},
                                                              {"memory", &options.memory},
                                                              {"accelerator_kind", &options.accelerator_kind},
                                                              {"time_limit", &options.time_limit},
                                                              {"priority_class", &options.priority_class},
                                                              {"log_max", &options.log_max},
                                                              {"scratch", &options.scratch},
                                                              {"disk", &options.disk},
                                                              {"accelerators", &options.accelerators}};
  for (const auto& [key, text] : texts) {
    if (!text->empty()) job[key] = *text;
  }
  if (options.cpus) job["cpus"] = *options.cpus;
  if (options.nodes) job["nodes"] = *options.nodes;
  if (options.tasks_per_node) job["tasks_per_node"] = *options.tasks_per_node;
  if (options.host_network) job["network"] = "host";
  json::object env;
  for (const std::string& pair : options.env) {
    const auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return failure(ErrorCode::kInvalidArgument, fmt::format("--env: want NAME=VALUE, found '{}'", pair));
    }
    env[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (!env.empty()) job["env"] = std::move(env);
  return json::value(std::move(job));
}

/// While it is there, the first Ctrl-C (or SIGTERM) cancels the job, and the second does not wait for its end.
class CancelOnSignal {
 public:
  CancelOnSignal(const Client& client, std::string id) : client_(client), id_(std::move(id)) {
    ::sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM}) ::sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    thread_ = std::jthread([this](const std::stop_token& stop) { wait(stop); });
  }
  ~CancelOnSignal() {
    thread_.request_stop();
    thread_.join();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  CancelOnSignal(const CancelOnSignal&) = delete;
  CancelOnSignal& operator=(const CancelOnSignal&) = delete;

 private:
  void wait(const std::stop_token& stop) {
    const timespec pause{.tv_sec = 0, .tv_nsec = 50'000'000};
    bool heard = false;
    bool is_told = false;  // to end
    while (!stop.stop_requested()) {
      if (::sigtimedwait(&signals_, nullptr, &pause) < 0) continue;
      if (std::exchange(heard, true)) {
        fmt::print(stderr, "millrace: job {} {}; see: millrace job show {}\n", id_,
                   is_told ? "is still being cancelled" : "goes on by itself", id_);
        std::fflush(nullptr);
        ::_exit(130);
      }
      fmt::print(stderr, "cancelling job {}\n", id_);
      const auto told = client_.call("POST", job_path(id_) + "/cancel");
      is_told = told.has_value();
      if (!told) (void)report(told.error());
    }
  }

  const Client client_;
  const std::string id_;
  sigset_t signals_{}, before_{};
  std::jthread thread_;  // last: it uses the rest
};

void tell_end(const json::value& job) {
  const auto state = cell(job, "state");
  if (state == "succeeded") return;
  const auto reason = cell(job, "reason");
  fmt::print(stderr, "job {} {}{}{}\n", cell(job, "id"), state == "timed_out" ? "ran out of time" : state,
             reason == "-" ? "" : ": ", reason == "-" ? "" : reason);
}

int print_jobs(const Client& client, const std::string& path, const std::vector<std::string>& members,
               std::int64_t limit, bool as_json) {
  const auto answer = client.call("GET", fmt::format("{}limit={}", path, limit));
  return answer ? print_items(answer->at("data").as_array(), members, as_json) : report(answer.error());
}

std::string file_name_of(const std::string& path) {
  return path == "-" ? "standard input" : std::filesystem::path(path).filename().string();
}

Result<std::string> read_job_file(const std::string& path) {
  if (path != "-") return host::read_file(path, kJobFileMax);
  std::string text(kJobFileMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), stdin));
  if (text.size() <= kJobFileMax) return text;
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("standard input: a job file has at most {} bytes", kJobFileMax));
}

/// What no job file can be; empty for what the server may look at.
std::string_view fault_of(std::string_view source) {
  if (source.find_first_not_of(" \t\r\n") == std::string_view::npos) return "is empty";
  while (!source.empty()) {
    const auto length = host::utf8_length(source);
    if (length == 0) return "is no text in UTF-8";
    source.remove_prefix(length);
  }
  return "";
}

void print_plan(const json::value& plan) {
  fmt::print("{:20} {}\n", "project", cell(plan, "project"));
  for (const auto& member : plan.at("spec").as_object()) {
    fmt::print("{:20} {}\n", std::string_view(member.key()), cell(plan.at("spec"), member.key()));
  }
  fmt::print("{:20} {}\n{:20} {}\n", "elements", cell(plan, "elements"), "tasks of each",
             cell(plan, "tasks"));
  fmt::print("{:20} {} of {}\n", "nodes it fits on", cell(plan, "fitting_nodes"), cell(plan, "nodes"));
  for (const auto& note : plan.at("notes").as_array())
    fmt::print("note: {}\n", std::string_view(note.as_string()));
}

}  // namespace

int run_job(const Client& client, const RunOptions& options, bool as_json) {
  const auto file = job_file_of(options);
  if (!file) return report(file.error());
  const auto body = submission(client, json::serialize(*file), "command line", options.project,
                               options.workdir, !options.no_workdir);
  if (!body) return report(body.error());
  const auto made = client.call("POST", "/api/v1/jobs", &*body);
  if (!made) return report(made.error());
  const auto id = cell(*made, "id");
  fmt::print(stderr, "job {}\n", id);
  const CancelOnSignal cancel(client, id);
  std::FILE* const out = as_json ? stderr : stdout;
  const auto read = read_log(client, id, {}, true, [&](std::string_view text) { write_out(out, text); });
  if (!read) return report(read.error());
  const auto job = wait_for_end(client, id);
  if (!job) return report(job.error());
  tell_end(*job);
  if (as_json) print_json(*job);
  return exit_code_of(*job);
}

int job_submit(const Client& client, const SubmitOptions& options, bool as_json) {
  const auto source = read_job_file(options.file);
  if (!source) return report({ErrorCode::kInvalidArgument, source.error().message});
  if (const auto fault = fault_of(*source); !fault.empty()) {
    return report({ErrorCode::kInvalidArgument,
                   fmt::format("{} {}; want a job file: TOML or JSON with at least a command, such as: "
                               "command = [\"python3\", \"train.py\"]",
                               file_name_of(options.file), fault)});
  }
  const auto body = submission(client, *source, file_name_of(options.file), options.project, options.workdir,
                               !options.no_workdir && !options.dry_run);
  if (!body) return report(body.error());
  const auto answer = client.call("POST", options.dry_run ? "/api/v1/jobs/plan" : "/api/v1/jobs", &*body);
  if (!answer)
    return report(
        {answer.error().code, with_place(answer.error().message, *source, file_name_of(options.file))});
  if (options.dry_run && !as_json) {
    print_plan(*answer);
  } else if (options.dry_run) {
    print_json(*answer);
  } else if (as_json) {
    print_json({{"id", answer->at("id")}});
  } else {
    fmt::print("{}\n", cell(*answer, "id"));
  }
  return kOk;
}

int job_list(const Client& client, const JobListOptions& options, bool as_json) {
  std::string path = "/api/v1/jobs?";
  if (!options.state.empty()) path += fmt::format("state={}&", url_encode(options.state));
  if (!options.project.empty()) path += fmt::format("project={}&", url_encode(options.project));
  return print_jobs(client, path, {"id", "state", "name", "project", "elements", "submitted_at", "exit_code"},
                    options.limit, as_json);
}

int job_show(const Client& client, const std::string& id, bool as_json) {
  const auto job = client.call("GET", job_path(id));
  if (!job) return report(job.error());
  if (as_json) {
    print_json(*job);
    return kOk;
  }
  json::object shown = job->as_object();
  json::array runs = shown.at("runs").as_array();
  shown.erase("runs");
  if (const auto failed = failed_text(*job); failed != "-") shown["failed_elements"] = failed;
  shown.erase("failed_more");
  print_object(shown, 16);
  if (runs.empty()) return kOk;
  for (json::value& run : runs) {
    std::string nodes;
    for (const auto& node : run.at("nodes").as_array())
      nodes += (nodes.empty() ? "" : ",") + std::string(node.as_string());
    run.as_object()["nodes"] = nodes.empty() ? json::value() : json::value(nodes);
  }
  fmt::print("\n");
  return print_items(runs, {"number", "outcome", "nodes", "started_at", "ended_at", "reason"}, false);
}

int job_logs(const Client& client, const JobOptions& options, bool as_json) {
  std::string whole;
  const auto read =
      read_log(client, options.id, {options.task, options.run}, options.follow, [&](std::string_view text) {
        if (as_json) whole += text;
        if (!as_json) write_out(stdout, text);
      });
  if (!read) return report(read.error());
  if (as_json) print_json({{"id", options.id}, {"text", whole}});
  return kOk;
}

int job_cancel(const Client& client, const JobOptions& options, bool as_json) {
  int worst = kOk;
  json::array all;
  for (const std::string& id : options.ids) {
    const auto job = client.call("POST", job_path(id) + "/cancel");
    if (!job) worst = report(job.error());
    if (!job) continue;
    all.push_back(*job);
    if (!as_json) fmt::print("job {} is {}\n", id, is_over(cell(*job, "state")) ? "over" : "told to end");
  }
  if (as_json) print_json(all);
  return worst;
}

int job_wait(const Client& client, const JobOptions& options, bool as_json) {
  int worst = kOk;
  json::array all;
  for (const std::string& id : options.ids) {
    const auto job = wait_for_end(client, id);
    if (!job) {
      worst = report(job.error());
      continue;
    }
    if (exit_code_of(*job) != 0 && worst == kOk) worst = kFailed;
    tell_end(*job);
    all.push_back(*job);
    if (!as_json) fmt::print("{} {}\n", id, cell(*job, "state"));
  }
  if (as_json) print_json(all);
  return worst;
}

int job_why(const Client& client, const std::string& id, bool as_json) {
  const auto why = client.call("GET", job_path(id) + "/why");
  if (!why) return report(why.error());
  if (as_json) {
    print_json(*why);
    return kOk;
  }
  fmt::print("{}: {}\n", cell(*why, "state"), cell(*why, "reason"));
  if (cell(*why, "expected_start") != "-") fmt::print("expected to start {}\n", cell(*why, "expected_start"));
  return kOk;
}

int queue_list(const Client& client, bool as_json) {
  const auto answer = client.call("GET", "/api/v1/queue?limit=1000");
  if (!answer) return report(answer.error());
  const auto& items = answer->at("data").as_array();
  return print_items(as_json ? items : of_all_tasks(items),
                     {"position", "id", "kind", "name", "project", "priority_class", "accelerators", "cpus",
                      "expected_start", "reason"},
                     as_json);
}

}  // namespace millrace::cli
