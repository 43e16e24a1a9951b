#include "executor/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <map>
#include <sstream>
#include <thread>
#include <vector>

#include "host/fd.h"
#include "host/file.h"
#include "host/sha256.h"

namespace millrace::executor {
namespace {

Result<void> write_setting(const std::string& file, const std::string& value) {
  const host::Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(errno_error("open " + file, errno));
  if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    return std::unexpected(errno_error("write '" + value + "' to " + file, errno));
  return {};
}

Result<void> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return std::unexpected(errno_error("mkdir " + path, errno));
}

std::vector<std::string> words(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);)
    if (!word.empty()) out.push_back(word);
  return out;
}

// Where the hierarchies are mounted, and which group this process is in. Keys: "" for v2, else a v1 controller.
struct Hierarchies {
  std::map<std::string, std::string> mounts;
  std::map<std::string, std::string> own;
  // Folder of this process's own group, where it can be seen, else the hierarchy's root.
  std::string base(const std::string& controller) const {
    const auto mount = mounts.find(controller);
    if (mount == mounts.end()) return {};
    const auto group = own.find(controller);
    if (group == own.end() || group->second == "/") return mount->second;
    const std::string path = mount->second + group->second;
    return host::exists(path) ? path : mount->second;
  }
};

// Formats: proc(5), /proc/[pid]/mountinfo; cgroups(7), /proc/[pid]/cgroup.
Result<Hierarchies> read_hierarchies(const std::string& proc) {
  Hierarchies found;
  for (const std::string& line : words(TRY(host::read_file(proc + "/self/mountinfo")), '\n')) {
    const std::vector<std::string> fields = words(line, ' ');
    std::size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") ++dash;
    if (dash + 3 >= fields.size()) continue;
    if (fields[dash + 1] == "cgroup2") found.mounts.emplace("", fields[4]);
    if (fields[dash + 1] != "cgroup") continue;
    for (const std::string& option : words(fields[dash + 3], ',')) found.mounts.emplace(option, fields[4]);
  }
  for (const std::string& line : words(TRY(host::read_file(proc + "/self/cgroup")), '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string path = line.substr(second + 1);
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) found.own.emplace("", path);
    for (const std::string& controller : words(controllers, ',')) found.own.emplace(controller, path);
  }
  return found;
}

constexpr std::int64_t kPeriodUs = 100000;

// Formats: kernel documentation, admin-guide/cgroup-v2 and cgroup-v1/memory: lines "name value".
std::int64_t value_of(const std::string& file, std::string_view name) {
  const auto text = host::read_file(file, 65536);
  if (!text) return 0;
  for (const std::string& line : words(*text, '\n')) {
    const std::vector<std::string> fields = words(line, ' ');
    if (fields.size() == 2 && fields[0] == name) return std::strtoll(fields[1].c_str(), nullptr, 10);
  }
  return 0;
}

std::optional<std::int64_t> number_in(const std::string& file) {
  const auto text = host::read_file(file, 64);
  if (!text) return std::nullopt;
  return std::strtoll(text->c_str(), nullptr, 10);
}

std::string v2_quota(std::int64_t millis) {
  return millis > 0 ? fmt::format("{} {}", millis * kPeriodUs / 1000, kPeriodUs)
                    : fmt::format("max {}", kPeriodUs);
}

std::string v2_parent(const Hierarchies& at) {
  const std::string base = at.base("");
  return base == at.mounts.at("") ? base : base.substr(0, base.rfind('/'));
}

// Under v2 a group with processes cannot give controllers to its children, so the workload's group is made below the
// nearest ancestor that can: our own group's parent, or the root.
Result<std::string> make_v2(const Hierarchies& at, const std::string& name, const Resources& want,
                            Limits& limits) {
  const auto mount = at.mounts.find("");
  if (mount == at.mounts.end()) return failure(ErrorCode::kUnavailable, "no cgroup v2 hierarchy is mounted");
  const std::string parent = v2_parent(at);
  const std::string offered = TRY(host::read_file(parent + "/cgroup.controllers"));
  for (const char* controller : {"memory", "cpu", "pids"}) {
    const std::vector<std::string> list = words(offered.substr(0, offered.find('\n')), ' ');
    if (std::find(list.begin(), list.end(), controller) == list.end())
      return failure(ErrorCode::kUnavailable,
                     fmt::format("cgroup v2 at {} does not offer {}", parent, controller));
  }
  TRY_VOID(write_setting(parent + "/cgroup.subtree_control", "+memory +cpu +pids"));
  const std::string folder = parent + "/" + name;
  TRY_VOID(make_folder(folder));
  const auto set = [&]() -> Result<void> {
    if (want.memory_bytes > 0)
      TRY_VOID(write_setting(folder + "/memory.max", std::to_string(want.memory_bytes)));
    // What is swapped out would be memory beyond the limit; not every kernel can forbid it.
    if (want.memory_bytes > 0) (void)write_setting(folder + "/memory.swap.max", "0");
    if (want.cpu_millis > 0) TRY_VOID(write_setting(folder + "/cpu.max", v2_quota(want.cpu_millis)));
    if (want.pids > 0) TRY_VOID(write_setting(folder + "/pids.max", std::to_string(want.pids)));
    return {};
  };
  if (auto done = set(); !done) {
    ::rmdir(folder.c_str());
    return std::unexpected(done.error());
  }
  limits = {"cgroup-v2", want.memory_bytes, want.cpu_millis, want.pids, {}};
  return folder;
}

struct V1Setting {
  const char* controller;
  const char* file;
  std::int64_t value;
  std::int64_t Limits::* reported;
  std::int64_t report;
};

// Under v1 each controller stands alone: those that work are used, and only they are reported.
Result<std::map<std::string, std::string>> make_v1(const Hierarchies& at, const std::string& name,
                                                   const Resources& want, Limits& limits) {
  const V1Setting settings[] = {
      {"memory", "memory.limit_in_bytes", want.memory_bytes, &Limits::memory_bytes, want.memory_bytes},
      {"cpu", "cpu.cfs_quota_us", want.cpu_millis * kPeriodUs / 1000, &Limits::cpu_millis, want.cpu_millis},
      {"pids", "pids.max", want.pids, &Limits::pids, want.pids},
      {"cpuacct", "", 0, nullptr, 0}};
  std::map<std::string, std::string> folders;
  std::string why = "no cgroup v1 controller is mounted";
  Limits got{.kind = "cgroup-v1"};
  for (const V1Setting& setting : settings) {
    const std::string base = at.base(setting.controller);
    if (base.empty()) continue;
    const std::string folder = fmt::format("{}/{}", base, name);
    auto made = make_folder(folder);
    if (made && setting.value > 0) {
      made = write_setting(folder + "/" + setting.file, std::to_string(setting.value));
      if (!made) ::rmdir(folder.c_str());
    }
    if (!made) {
      why = made.error().message;
      continue;
    }
    folders[setting.controller] = folder;
    if (setting.reported != nullptr) got.*setting.reported = setting.report;
  }
  if (folders.empty() || (folders.size() == 1 && folders.contains("cpuacct")))
    return failure(ErrorCode::kUnavailable, why);
  limits = got;
  return folders;
}

}  // namespace

Result<Cgroup> Cgroup::create(const std::string& name, const Resources& resources, const std::string& proc) {
  const Hierarchies at = TRY(read_hierarchies(proc));
  Cgroup group;
  auto v2 = make_v2(at, name, resources, group.limits_);
  if (v2) {
    group.folders_[""] = *v2;
    return group;
  }
  auto v1 = make_v1(at, name, resources, group.limits_);
  if (!v1)
    return failure(ErrorCode::kUnavailable,
                   "cgroup v2: " + v2.error().message + "; v1: " + v1.error().message);
  group.folders_ = std::move(*v1);
  for (const auto& [controller, folder] : group.folders_) group.homes_[controller] = at.base(controller);
  return group;
}

Result<void> Cgroup::add(pid_t pid) const {
  for (const auto& [controller, folder] : folders_)
    TRY_VOID(write_setting(folder + "/cgroup.procs", std::to_string(pid)));
  return {};
}

// A thread that moves only itself needs no global lock (kernel, cgroup_procs_write_start).
bool Cgroup::enter() const {
  if (folders_.contains("")) return false;
  for (const auto& [controller, folder] : folders_) {
    if (write_setting(folder + "/tasks", "0")) continue;
    leave();
    return false;
  }
  return true;
}

void Cgroup::leave() const {
  for (const auto& [controller, home] : homes_) (void)write_setting(home + "/tasks", "0");
}

const std::string* Cgroup::folder_of(const std::string& controller) const {
  const auto found = folders_.find(controller);
  return found == folders_.end() ? nullptr : &found->second;
}

Result<void> Cgroup::set_cpu(std::int64_t cpu_millis) {
  if (const std::string* whole = folder_of("")) {
    TRY_VOID(write_setting(*whole + "/cpu.max", v2_quota(cpu_millis)));
  } else if (const std::string* cpu = folder_of("cpu")) {
    const std::int64_t quota = cpu_millis > 0 ? cpu_millis * kPeriodUs / 1000 : -1;
    TRY_VOID(write_setting(*cpu + "/cpu.cfs_quota_us", std::to_string(quota)));
  } else {
    return failure(
        ErrorCode::kUnavailable,
        "no control group has a say in its processor time: the cpu controller of cgroup v1 is not usable");
  }
  limits_.cpu_millis = cpu_millis;
  return {};
}

Cgroup::Usage Cgroup::usage() const {
  Usage used;
  if (const std::string* whole = folder_of("")) {
    used.cpu_time_us = value_of(*whole + "/cpu.stat", "usage_usec");
    used.memory_peak_bytes = number_in(*whole + "/memory.peak").value_or(0);
    used.oom_kills = value_of(*whole + "/memory.events", "oom_kill");
    return used;
  }
  if (const std::string* time = folder_of("cpuacct")) {
    if (const auto ns = number_in(*time + "/cpuacct.usage")) used.cpu_time_us = *ns / 1000;
  }
  if (const std::string* memory = folder_of("memory")) {
    used.memory_peak_bytes = number_in(*memory + "/memory.max_usage_in_bytes").value_or(0);
    used.oom_kills = value_of(*memory + "/memory.oom_control", "oom_kill");
  }
  return used;
}

void Cgroup::remove() const {
  for (const auto& [controller, folder] : folders_) {
    for (int attempt = 0; attempt < 20 && ::rmdir(folder.c_str()) != 0 && errno == EBUSY; ++attempt)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void Cgroup::remove_named(const std::string& name, const std::string& proc) {
  const auto at = read_hierarchies(proc);
  if (!at) return;
  Cgroup left;
  if (at->mounts.contains("")) left.folders_[""] = v2_parent(*at) + "/" + name;
  for (const char* controller : {"memory", "cpu", "pids", "cpuacct"}) {
    if (const std::string base = at->base(controller); !base.empty())
      left.folders_[controller] = fmt::format("{}/{}", base, name);
  }
  left.remove();
}

Limits limits_here(const std::string& proc) {
  constexpr Resources kSome{.memory_bytes = 64 << 20, .cpu_millis = 1000, .pids = 16};
  const auto group = Cgroup::create(fmt::format("millrace-try-{}", ::getpid()), kSome, proc);
  if (!group) return {.kind = "rlimits", .why = group.error().message};
  group->remove();
  return group->limits();
}

std::string cgroup_name(const std::string& folder) {
  return "millrace-" + host::sha256_hex(folder).substr(0, 12);
}

}  // namespace millrace::executor
