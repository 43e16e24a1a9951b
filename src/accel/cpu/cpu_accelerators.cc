#include "accel/cpu/cpu_accelerators.h"

#include <sched.h>

#include <charconv>

#include "host/file.h"

namespace millrace::accel {
namespace {

/// Text after "key<blanks>:" in the first line that starts with `key`; empty if there is none.
std::string_view field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    line.remove_prefix(colon + 1);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    return line;
  }
  return {};
}

std::vector<int> usable_cpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  return cpus;
}

}  // namespace

Result<std::vector<Device>> CpuAccelerators::discover() {
  const std::string cpuinfo = TRY(host::read_file(proc_ + "/cpuinfo"));
  const std::string meminfo = TRY(host::read_file(proc_ + "/meminfo"));
  Device device;
  device.id = "cpu0";
  device.name = field(cpuinfo, "model name");
  if (device.name.empty()) device.name = "unknown processor";
  device.cpus = usable_cpus();
  device.capability.kind = "cpu";
  const std::string_view total = field(meminfo, "MemTotal");
  std::int64_t kib = 0;
  if (std::from_chars(total.data(), total.data() + total.size(), kib).ec == std::errc() && kib > 0)
    device.capability.memory_bytes = kib * 1024;
  return std::vector<Device>{std::move(device)};
}

}  // namespace millrace::accel
