#include "twin/sim/decision_text.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <string_view>

namespace millrace::twin {
namespace {

using enum scheduler::ReasonCode;

/// "0-7", "0+2-4"
void append_devices(std::string& out, std::uint32_t devices) {
  bool first = true;
  for (int i = 0; i < scheduler::kDevicesMax; ++i) {
    if ((devices >> i & 1) == 0) continue;
    int last = i;
    while (last + 1 < scheduler::kDevicesMax && (devices >> (last + 1) & 1) != 0) ++last;
    if (!first) out += '+';
    first = false;
    fmt::format_to(std::back_inserter(out), "{}", i);
    if (last > i) fmt::format_to(std::back_inserter(out), "-{}", last);
    i = last;
  }
}

std::string_view what_changed(scheduler::ReasonCode held, bool interruptible_hours) {
  switch (held) {
    case kNone:
      return "there was room when it came";
    case kNotBefore:
      return interruptible_hours ? "the hours that it waited for have come" : "its time has come";
    case kPower:
      return "the power budget has room now";
    case kQuota:
    case kQuotaKept:
      return "its quota has room now";
    case kPreempting:
      return "other work was stopped for it";
    case kPromised:
      return "what was promised to other work leaves room for it now";
    default:
      return "there is room now";
  }
}

}  // namespace

void append_kilowatts(std::string& out, std::int64_t milliwatts) {
  const std::int64_t whole = milliwatts / 1'000'000;
  const std::int64_t rest = milliwatts % 1'000'000;
  fmt::format_to(std::back_inserter(out), "{}", whole);
  if (rest != 0) {
    std::string decimals = fmt::format(".{:06}", rest < 0 ? -rest : rest);
    decimals.erase(decimals.find_last_not_of('0') + 1);
    out += decimals;
  }
  out += " kW";
}

void append_places(std::string& out, const scheduler::Cluster& cluster,
                   std::span<const scheduler::TaskPlace> places) {
  bool first = true;
  for (const scheduler::TaskPlace& place : places) {
    if (!first) out += ", ";
    first = false;
    out += cluster.nodes[place.node].name;
    if (place.devices == 0) continue;
    out += ':';
    append_devices(out, place.devices);
  }
}

std::string second_of(TimePoint time) {
  std::string text = to_rfc3339(time).substr(0, 19);
  text[10] = ' ';
  return text;
}

std::string cap_text(std::int32_t cap_milli) {
  return cap_milli >= 1000 ? "no power cap" : fmt::format("power cap {:.3g} %", cap_milli * 0.1);
}

std::string text_of(const scheduler::Reason& reason) { return reason.text("job-"); }

std::string start_text(const Job& job, VirtualTime waited, const scheduler::Reason& reason) {
  std::string text =
      waited > 0 ? fmt::format("waited {} s: ", std::round(static_cast<double>(waited) * 1e-3) / 1e3) : "";
  const bool again = job.held == kNone && (waited > 0 || job.stops > 0);
  text += again ? "there is room now" : what_changed(job.held, job.trace.deferrable);
  const std::string cap = reason.code == kNone ? "" : text_of(reason);
  return cap.empty() ? text : text + "; " + cap;
}

}  // namespace millrace::twin
