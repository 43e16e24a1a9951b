#include "cli/job_follow.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "cli/output.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kAwayAtMost{1};
constexpr std::chrono::milliseconds kFirstPause{50}, kLastPause{500};
constexpr int kWaitMs = 5000;

/// How far one task's log was read.
struct TaskLog {
  std::int64_t task = 0, next = 0, run = -1;
  bool ended = false;    // the job was over, and all of it was read
  bool at_start = true;  // of a line
};

/// `text` with `prefix` before each line.
std::string prefixed(std::string_view text, std::string_view prefix, bool& at_start) {
  std::string out;
  for (const char c : text) {
    if (at_start) out += prefix;
    at_start = c == '\n';
    out += c;
  }
  return out;
}

class LogReader {
 public:
  LogReader(const Client& client, std::string id, std::int64_t run, const LogSink& sink)
      : client_(client), id_(std::move(id)), run_(run), sink_(sink) {}

  /// One piece of one task; true if there was something new. Learns how many tasks there are.
  Result<bool> step(TaskLog& log, int wait_ms, bool with_prefix) {
    auto path = fmt::format("/api/v1/jobs/{}/log?task={}&from={}&max=262144&wait_ms={}", url_encode(id_),
                            log.task, log.next, wait_ms);
    if (log.run >= 0) path += fmt::format("&run={}", log.run);
    if (run_ > 0) path += fmt::format("&of_run={}", run_);
    const auto piece = TRY(call_patiently(client_, path));
    tasks_ = std::max<std::int64_t>(tasks_, piece.at("tasks").to_number<std::int64_t>());
    const auto run = piece.at("run").to_number<std::int64_t>();
    const auto from = piece.at("from").to_number<std::int64_t>();
    if (log.run > 0 && run != log.run) {
      fmt::print(stderr, "job {}: run {} begins\n", id_, run);
      log.next = 0;
    }
    if (from > log.next)
      fmt::print(stderr, "job {}: {} bytes of its log were dropped\n", id_, from - log.next);
    const std::string_view text = piece.at("text").as_string();
    if (!text.empty()) {
      sink_(with_prefix ? prefixed(text, fmt::format("[{}] ", log.task), log.at_start) : std::string(text));
    }
    log.run = run;
    log.next = piece.at("next").to_number<std::int64_t>();
    waits_ = piece.at("state").as_string() == "queued";
    log.ended = text.empty() && (run_ > 0 || is_over(piece.at("state").as_string()));
    return !text.empty();
  }

  std::int64_t tasks() const { return tasks_; }
  /// Tells on stderr why it waits, where it does and that is another thing than told before.
  Result<void> tell_wait() {
    if (!waits_) return {};
    const auto job = TRY(call_patiently(client_, "/api/v1/jobs/" + url_encode(id_)));
    const auto reason = cell(job, "reason_code");
    if (cell(job, "state") == "queued" && reason != "-" && std::exchange(told_, reason) != reason)
      fmt::print(stderr, "job {} waits: {}\n", id_, cell(job, "reason"));
    return {};
  }

 private:
  const Client& client_;
  const std::string id_;
  const std::int64_t run_;  // 0: the last, and those that begin meanwhile
  const LogSink& sink_;
  std::int64_t tasks_ = 1;
  bool waits_ = false;
  std::string told_;  // why
};

}  // namespace

bool is_over(std::string_view state) {
  constexpr std::array kOver = {"succeeded", "failed", "cancelled", "timed_out", "lost"};
  return std::ranges::find(kOver, state) != kOver.end();
}

Result<json::value> call_patiently(const Client& client, const std::string& path) {
  const auto until = std::chrono::steady_clock::now() + kAwayAtMost;
  auto pause = kFirstPause;
  while (true) {
    auto answer = client.call("GET", path);
    const bool away = !answer && (answer.error().code == ErrorCode::kUnavailable ||
                                  answer.error().code == ErrorCode::kTimeout);
    if (!away || std::chrono::steady_clock::now() > until) return answer;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLastPause);
  }
}

Result<void> read_log(const Client& client, const std::string& id, const LogChoice& choice, bool follow,
                      const LogSink& sink) {
  LogReader reader(client, id, choice.run, sink);
  std::vector<TaskLog> logs(1);
  logs.front().task = std::max<std::int64_t>(choice.task, 0);
  auto pause = kFirstPause;
  while (true) {
    bool any = false;
    bool all_ended = true;
    for (TaskLog& log : logs) {
      if (log.ended) continue;
      const bool alone = logs.size() == 1;
      any |= TRY(reader.step(log, follow && alone ? kWaitMs : 0, !alone));
      all_ended &= log.ended;
    }
    for (auto task = std::int64_t(logs.size()); choice.task < 0 && task < reader.tasks(); ++task) {
      logs.push_back({.task = task});
      all_ended = false;
      any = true;
    }
    if (all_ended || (!follow && !any)) return {};
    if (follow) TRY_VOID(reader.tell_wait());
    // One task's request waits by itself.
    if (logs.size() == 1) continue;
    pause = any ? kFirstPause : std::min(pause * 2, kLastPause);
    if (!any) std::this_thread::sleep_for(pause);
  }
}

Result<json::value> wait_for_end(const Client& client, const std::string& id) {
  while (true) {
    auto job =
        TRY(call_patiently(client, fmt::format("/api/v1/jobs/{}?wait_ms={}", url_encode(id), kWaitMs)));
    if (is_over(job.at("state").as_string())) return job;
  }
}

int exit_code_of(const json::value& job) {
  const auto state = cell(job, "state");
  if (state == "succeeded") return 0;
  if (state == "timed_out") return 124;
  const auto* code = job.as_object().if_contains("exit_code");
  const bool has_code = code != nullptr && code->is_int64() && code->as_int64() != 0;
  if (has_code) return static_cast<int>(code->as_int64() & 0xFF);
  return state == "cancelled" ? 130 : 1;
}

}  // namespace millrace::cli
