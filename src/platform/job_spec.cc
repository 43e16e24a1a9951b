#include "platform/job_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <csignal>
#include <set>

#include "core/amount.h"
#include "core/id.h"
#include "host/toml.h"
#include "identity/secrets.h"

namespace millrace::platform {
namespace {

using host::TomlScalar;
using host::TomlTable;

constexpr std::int32_t kAcceleratorsMax = 32;  // of one task: the bits of a mask
constexpr std::int32_t kFractionLeast = 10;    // thousandths
constexpr std::int64_t kNodesMax = 10'000;
constexpr double kCpusMax = 65'536;
constexpr std::int64_t kDay = 86'400;
constexpr std::size_t kListMax = 1000;
constexpr std::size_t kTextsBytesMax = 128u << 10;  // of a command, and of an environment

struct NamedSignal {
  std::string_view name;
  int number;
};
// SIGKILL and SIGSTOP cannot be caught, so they are no notice.
constexpr std::array kSignals = {
    NamedSignal{"HUP", SIGHUP},   NamedSignal{"INT", SIGINT},   NamedSignal{"QUIT", SIGQUIT},
    NamedSignal{"TERM", SIGTERM}, NamedSignal{"USR1", SIGUSR1}, NamedSignal{"USR2", SIGUSR2},
    NamedSignal{"ALRM", SIGALRM}, NamedSignal{"CONT", SIGCONT}, NamedSignal{"WINCH", SIGWINCH},
};

// What a sandbox is made of, whatever the image. A secret there would be made on a disk, or cannot be made at all.
constexpr std::array<std::string_view, 6> kWithoutSecrets = {"/work", "/output", "/usr",
                                                             "/data", "/proc",   "/dev"};
constexpr std::array<std::string_view, 7> kNeededByAll = {"/usr",   "/bin",  "/sbin", "/lib",
                                                          "/lib64", "/proc", "/dev"};

bool is_clean(std::string_view text) { return text.find('\0') == std::string_view::npos; }

bool is_variable(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= 256 && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool is_job_id(std::string_view id) {
  const auto number = [](std::string_view text) {
    return !text.empty() && text.size() <= 13 &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  const auto split = id.find('_');
  return number(id.substr(0, split)) && (split == std::string_view::npos || number(id.substr(split + 1)));
}

}  // namespace

bool is_clean_path(std::string_view path) {
  if (!path.starts_with('/') || path.size() < 2 || path.size() > 4000 || path.ends_with('/')) return false;
  if (std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < ' '; })) return false;
  path.remove_prefix(1);
  while (true) {
    const auto part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    if (part.size() == path.size()) return true;
    path.remove_prefix(part.size() + 1);
  }
}

bool is_at_or_below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

namespace {

/// Reads the keys of one file. The first fault stays in the document.
class Reader {
 public:
  explicit Reader(TomlTable root) : root_(root) {}

  JobSpec read() {
    JobSpec spec;
    read_program(spec);
    read_size(spec);
    read_policy(spec);
    read_order(spec);
    read_environment(spec);
    read_files(spec);
    return spec;
  }

 private:
  void read_program(JobSpec& spec) {
    spec.name = root_.text("name", "");
    if (spec.name.size() > 128 || !printable(spec.name)) {
      root_.fail("name", "want at most 128 bytes without control characters");
    }
    spec.image = root_.text("image", spec.image);
    if (!is_name(spec.image)) {
      root_.fail("image", "want the name of an image, of a-z, 0-9, '.' and '-'; see: millrace image list");
    }
    if (!root_.has("command"))
      root_.fail("command", R"(is missing: want an array such as ["python3", "train.py"])");
    spec.command = root_.texts("command");
    if (root_.has("command")) {
      if (spec.command.empty() || spec.command.front().empty()) root_.fail("command", "names no program");
      check_texts("command", spec.command);
    }
  }

  void read_size(JobSpec& spec) {
    const double cpus = root_.number("cpus", 0.01, kCpusMax, 1);
    spec.cpu_milli = std::llround(cpus * 1000);
    spec.memory_mib = (bytes("memory", spec.memory_mib << 20, 1 << 20) + (1 << 20) - 1) >> 20;
    read_accelerators(spec);
    spec.nodes = static_cast<std::int32_t>(root_.integer("nodes", 1, kNodesMax, 1));
    spec.tasks_per_node = static_cast<std::int32_t>(root_.integer("tasks_per_node", 1, kTasksMax, 1));
    if (std::int64_t{spec.nodes} * spec.tasks_per_node > kTasksMax) {
      root_.fail("nodes", fmt::format("nodes x tasks_per_node is more than {} tasks", kTasksMax));
    }
    spec.one_domain = root_.truth("one_domain", false);
    spec.spread = scheduler::parse_spread(one_of("spread", {"none", "node", "rack", "rail"}, "none"))
                      .value_or(scheduler::Spread::kNone);
    if (spec.spread != scheduler::Spread::kNone && spec.tasks_per_node > 1) {
      root_.fail("spread", "tasks_per_node is above 1: tasks on one node are in one rack and on one rail");
    }
    spec.scratch_bytes = bytes("scratch", spec.scratch_bytes, 1 << 20);
    spec.disk_bytes = bytes("disk", spec.disk_bytes, 1 << 20);
    spec.log_max_bytes = bytes("log_max", spec.log_max_bytes, 64 << 10);
  }

  void read_accelerators(JobSpec& spec) {
    const auto wanted =
        fmt::format("a whole number of 0 to {}, or a fraction of one such as 0.5", kAcceleratorsMax);
    if (const auto given = root_.maybe_scalar("accelerators", wanted)) {
      double number = -1;
      if (const auto* text = std::get_if<std::string>(&*given)) {
        const char* end = text->data() + text->size();
        if (const auto [at, fault] = std::from_chars(text->data(), end, number);
            fault != std::errc() || at != end)
          number = -1;
      } else {
        number = number_of(*given);
      }
      const auto milli = number >= 0 && number <= kAcceleratorsMax ? std::llround(number * 1000) : -1;
      const bool whole = milli >= 0 && milli % 1000 == 0;
      if (!whole && !(milli >= kFractionLeast && milli < 1000)) root_.fail("accelerators", "want " + wanted);
      spec.accelerators = whole ? static_cast<std::int32_t>(milli / 1000) : 1;
      spec.accelerator_milli = whole ? 1000 : static_cast<std::int32_t>(milli);
    }
    spec.accelerator_kind = root_.text_or_texts("accelerator_kind");
    check_list("accelerator_kind", spec.accelerator_kind);
    if (!spec.accelerator_kind.empty() && spec.accelerators == 0) {
      root_.fail("accelerator_kind", "accelerators is missing: how many of this kind?");
    }
  }

  void read_policy(JobSpec& spec) {
    spec.time_limit = time("time_limit", 1, 3650 * kDay);
    spec.priority_class = one_of("priority_class", {"low", "normal", "high"}, "normal");
    spec.deadline = root_.maybe_time("deadline");
    spec.deferrable = root_.truth("deferrable", false);
    if (spec.deferrable && !spec.deadline) {
      root_.fail("deferrable", "needs a deadline: until when may it wait for clean hours?");
    }
    if (spec.deferrable && !spec.time_limit) {
      root_.fail("deferrable", "needs a time_limit: how long before its deadline must it start?");
    }
    spec.retries = static_cast<std::uint32_t>(root_.integer("retries", 0, 1000, 0));
    spec.requeue = root_.truth("requeue", true);
    spec.preemptible = root_.truth("preemptible", true);
    if (const auto given = root_.maybe_scalar("checkpoint_signal", "a signal such as \"USR1\"")) {
      const auto* text = std::get_if<std::string>(&*given);
      const auto* number = std::get_if<std::int64_t>(&*given);
      const auto signal = parse_signal(text != nullptr     ? *text
                                       : number != nullptr ? fmt::format("{}", *number)
                                                           : "");
      if (!signal) root_.fail("checkpoint_signal", signal.error().message);
      spec.checkpoint_signal = signal.value_or(0);
    }
    spec.grace = time("grace", 0, kDay).value_or(spec.grace);
  }

  void read_order(JobSpec& spec) {
    if (const std::string text = root_.text("array", ""); root_.has("array")) {
      auto indices = parse_array(text);
      if (!indices) root_.fail("array", indices.error().message);
      spec.array = indices.value_or(std::vector<std::uint32_t>{});
    }
    spec.after = root_.texts("after");
    check_list("after", spec.after);
    for (const std::string& id : spec.after) {
      if (!is_job_id(id)) root_.fail("after", fmt::format("'{}' is no job's id, such as 17 or 17_3", id));
    }
    spec.zones = root_.texts("zones");
    check_list("zones", spec.zones);
  }

  void read_environment(JobSpec& spec) {
    auto env = root_.table("env");
    std::size_t total = 0;
    for (const std::string& key : env.keys()) {
      std::string value = env.text(key, "");
      if (!is_variable(key)) env.fail(key, "is no name of a variable: want letters, digits and '_'");
      if (key.starts_with("MILLRACE_"))
        env.fail(key, "names that start with MILLRACE_ are set by the platform");
      if (!is_clean(value)) env.fail(key, "holds a NUL");
      total += key.size() + value.size();
      spec.env.emplace(key, std::move(value));
    }
    if (total > kTextsBytesMax) root_.fail("env", fmt::format("has more than {} bytes", kTextsBytesMax));
    spec.host_network = one_of("network", {"none", "host"}, "none") == "host";
  }

  void read_files(JobSpec& spec) {
    std::set<std::string> targets;
    const auto check_target = [&](TomlTable& table, const std::string& path) {
      if (!is_clean_path(path)) table.fail("path", "want an absolute path without '.' and '..'");
      if (!targets.insert(path).second) table.fail("path", fmt::format("{} is there twice", path));
    };
    for (TomlTable& table : root_.tables("secret")) {
      JobSecret secret{.name = table.text("name"), .path = ""};
      secret.path = table.text("path", "/run/secrets/" + secret.name);
      if (!identity::is_secret_name(secret.name)) table.fail("name", "is no name of a secret");
      check_target(table, secret.path);
      for (const std::string_view folder : kWithoutSecrets)
        if (is_at_or_below(secret.path, folder))
          table.fail("path",
                     fmt::format("lies in {}, where no secret can be; want one such as /run/secrets/{}",
                                 folder, secret.name));
      spec.secrets.push_back(std::move(secret));
    }
    for (TomlTable& table : root_.tables("mount")) {
      JobMount mount{.source = table.text("source"), .path = table.text("path"), .writable = false};
      const std::string mode = table.text("mode", "ro");
      if (mode != "ro" && mode != "rw") table.fail("mode", "want \"ro\" or \"rw\"");
      mount.writable = mode == "rw";
      if (!is_clean_path(mount.source)) table.fail("source", "want an absolute path without '.' and '..'");
      check_target(table, mount.path);
      check_place(table, mount.path, spec);
      spec.mounts.push_back(std::move(mount));
    }
    if (targets.size() > 100) root_.fail("mount", "has more than 100 files and folders");
  }

  /// Of a mount beside the secrets and mounts that were read before it.
  static void check_place(TomlTable& table, const std::string& path, const JobSpec& spec) {
    for (const std::string_view own : {"/work", "/output"})
      if (is_at_or_below(path, own)) table.fail("path", fmt::format("lies in {}, the job's own", own));
    if (std::ranges::find(kNeededByAll, path) != kNeededByAll.end())
      table.fail("path", fmt::format("nothing could run with another {}: want a place of its own", path));
    for (const JobSecret& secret : spec.secrets)
      if (is_at_or_below(secret.path, path) || is_at_or_below(path, secret.path))
        table.fail("path", fmt::format("{} and the secret at {} lie in each other", path, secret.path));
    for (const JobMount& other : spec.mounts)
      if (is_at_or_below(path, other.path) || is_at_or_below(other.path, path))
        table.fail("path", fmt::format("{} and {} lie in each other", other.path, path));
  }

  static double number_of(const TomlScalar& scalar) {
    const auto* whole = std::get_if<std::int64_t>(&scalar);
    const auto* real = std::get_if<double>(&scalar);
    return whole != nullptr ? static_cast<double>(*whole) : real != nullptr ? *real : -1;
  }

  static bool printable(std::string_view text) {
    return std::ranges::all_of(text,
                               [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7f'; });
  }

  std::int64_t bytes(std::string_view key, std::int64_t fallback, std::int64_t least) {
    constexpr std::string_view kWanted = "a size such as \"2GiB\", or bytes";
    const auto given = root_.maybe_scalar(key, kWanted);
    if (!given) return fallback;
    std::int64_t value = -1;
    if (const auto* text = std::get_if<std::string>(&*given)) {
      value = parse_size(*text).value_or(-1);
    } else if (const auto* whole = std::get_if<std::int64_t>(&*given)) {
      value = *whole <= std::int64_t{1} << 53 ? *whole : -1;
    }
    if (value >= least) return value;
    root_.fail(key, fmt::format("want {}; at least {}", kWanted, format_size(least)));
    return fallback;
  }

  std::optional<std::chrono::seconds> time(std::string_view key, std::int64_t least, std::int64_t most) {
    constexpr std::string_view kWanted = "a time such as \"30m\" or \"1h30m\", or seconds";
    const auto given = root_.maybe_scalar(key, kWanted);
    if (!given) return std::nullopt;
    std::int64_t value = -1;
    if (const auto* text = std::get_if<std::string>(&*given)) {
      value = parse_duration(*text).value_or(std::chrono::seconds(-1)).count();
    } else if (const auto* whole = std::get_if<std::int64_t>(&*given)) {
      value = *whole;
    }
    if (value >= least && value <= most) return std::chrono::seconds(value);
    root_.fail(key, fmt::format("want {}; {} to {}", kWanted, format_duration(std::chrono::seconds(least)),
                                format_duration(std::chrono::seconds(most))));
    return std::nullopt;
  }

  std::string one_of(std::string_view key, std::vector<std::string_view> choices, std::string_view fallback) {
    std::string given = root_.text(key, fallback);
    if (std::ranges::find(choices, given) == choices.end()) {
      root_.fail(key, fmt::format("'{}' is none of {}", given.substr(0, 40), fmt::join(choices, ", ")));
    }
    return given;
  }

  void check_list(std::string_view key, const std::vector<std::string>& texts) {
    check_texts(key, texts);
    if (texts.size() > kListMax) root_.fail(key, fmt::format("has more than {} elements", kListMax));
    if (std::ranges::any_of(texts, &std::string::empty)) root_.fail(key, "has an empty element");
  }

  void check_texts(std::string_view key, const std::vector<std::string>& texts) {
    std::size_t total = 0;
    for (const std::string& text : texts) {
      if (!is_clean(text)) root_.fail(key, "holds a NUL");
      total += text.size() + 1;
    }
    if (total > kTextsBytesMax) root_.fail(key, fmt::format("has more than {} bytes", kTextsBytesMax));
  }

  TomlTable root_;
};

}  // namespace

Result<JobSpec> parse_job(std::string_view text, JobFormat format, const std::string& file) {
  if (text.size() > kJobFileMax) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("{}: a job file has at most {} bytes", file, kJobFileMax));
  }
  const bool is_guess = format == JobFormat::kGuess;
  if (is_guess) format = host::TomlDocument::is_json(text) ? JobFormat::kJson : JobFormat::kToml;
  auto read = format == JobFormat::kJson ? host::TomlDocument::parse_json(text, file)
                                         : host::TomlDocument::parse(text, file);
  if (!read && is_guess) {
    read.error().message +=
        "; want TOML or JSON with at least a command, such as: command = [\"python3\", \"train.py\"]";
  }
  const auto document = TRY(std::move(read));
  JobSpec spec = Reader(document->root()).read();
  TRY_VOID(document->finish());
  return spec;
}

Result<int> parse_signal(std::string_view text) {
  std::string_view name = text;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  int number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = fault == std::errc() && end == text.data() + text.size();
  for (const NamedSignal& signal : kSignals) {
    if (is_number ? signal.number == number : signal.name == name) return signal.number;
  }
  std::string known;
  for (const NamedSignal& signal : kSignals) known += fmt::format(" {}", signal.name);
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is no signal that a job may be sent; there is:{}", text.substr(0, 20), known));
}

}  // namespace millrace::platform
