#include "executor/process_use.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "host/file.h"

namespace millrace::executor {
namespace {

constexpr std::size_t kMaxRecord = 1 << 20;

std::vector<std::int64_t> numbers_in(const std::string& text) {
  std::vector<std::int64_t> numbers;
  char* end = nullptr;
  for (const char* at = text.c_str();; at = end) {
    const std::int64_t number = std::strtoll(at, &end, 10);
    if (end == at) return numbers;
    numbers.push_back(number);
  }
}

// Formats: proc(5). /proc/PID/stat: the name stands in brackets and may hold anything; utime is field 14.
std::int64_t cpu_time_us(const std::string& folder) {
  const std::string text = host::read_file(folder + "/stat", kMaxRecord).value_or("");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 4 > text.size()) return 0;
  const auto fields = numbers_in(text.substr(name_end + 4));  // from field 4 on
  constexpr std::size_t kUserTime = 14 - 4, kTimes = 4;       // user and system, own and of children
  std::int64_t ticks = 0;
  for (std::size_t i = kUserTime; i < kUserTime + kTimes && i < fields.size(); ++i) ticks += fields[i];
  static const std::int64_t per_second = ::sysconf(_SC_CLK_TCK);
  return ticks * (1'000'000 / std::max<std::int64_t>(per_second, 1));
}

// Sums of lines "Name:   12 kB".
std::int64_t bytes_after(const std::string& text, std::initializer_list<std::string_view> names) {
  constexpr std::int64_t kKib = 1024;
  std::int64_t sum = 0;
  for (const std::string_view name : names)
    if (const std::size_t at = text.find(name); at != std::string::npos)
      sum += std::strtoll(text.c_str() + at + name.size(), nullptr, 10) * kKib;
  return sum;
}

// All but pages of files.
std::int64_t memory_bytes(const std::string& folder) {
  const std::string status = host::read_file(folder + "/status", kMaxRecord).value_or("");
  return bytes_after(status, {"\nRssAnon:", "\nRssShmem:", "\nVmSwap:"});
}

}  // namespace

TreeUse tree_use(pid_t root, std::int64_t threads_max) {
  TreeUse use;
  std::vector<pid_t> open = {root};
  while (!open.empty() && use.threads <= threads_max) {
    const pid_t pid = open.back();
    open.pop_back();
    const std::string folder = fmt::format("/proc/{}", pid);
    const auto threads = host::list_dir(folder + "/task");
    if (!threads) continue;
    use.processes.push_back(pid);
    use.threads += static_cast<std::int64_t>(threads->size());
    use.memory_bytes += memory_bytes(folder);
    use.cpu_time_us += cpu_time_us(folder);
    for (const std::string& thread : *threads) {
      const std::string children = fmt::format("{}/task/{}/children", folder, thread);
      for (const std::int64_t child : numbers_in(host::read_file(children, kMaxRecord).value_or("")))
        open.push_back(static_cast<pid_t>(child));
    }
  }
  return use;
}

std::int64_t shared_memory_use(const std::vector<pid_t>& processes, std::int64_t scratch) {
  std::int64_t anonymous = 0, shared = 0;
  for (const pid_t pid : processes) {
    const std::string folder = fmt::format("/proc/{}", pid);
    const auto sums = host::read_file(folder + "/smaps_rollup", kMaxRecord);
    anonymous += sums ? bytes_after(*sums, {"\nPss_Anon:", "\nSwapPss:"}) : memory_bytes(folder);
    if (sums) shared += bytes_after(*sums, {"\nPss_Shmem:"});
  }
  // What lies in the scratch may be mapped as well, and would count twice.
  return anonymous + std::max(shared, scratch);
}

ScratchUse::ScratchUse(pid_t init) {
  for (const char* name : {"tmp", "dev/shm"}) {
    const std::string path = fmt::format("/proc/{}/root/{}", init, name);
    host::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (folder) folders_.push_back(std::move(folder));
  }
}

std::int64_t ScratchUse::bytes() const {
  std::int64_t sum = 0;
  for (const host::Fd& folder : folders_) {
    struct statfs info{};
    if (::fstatfs(folder.get(), &info) == 0)
      sum +=
          static_cast<std::int64_t>(info.f_blocks - info.f_bfree) * static_cast<std::int64_t>(info.f_bsize);
  }
  return sum;
}

bool counts_processes_by_namespace(const std::string& release) {
  int major = 0, minor = 0;
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 14);
}

}  // namespace millrace::executor
