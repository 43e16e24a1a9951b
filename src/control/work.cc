#include "control/work.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace millrace::control {
namespace {

constexpr std::array kStateNames = {"queued", "starting",  "running",   "pausing", "succeeded",
                                    "failed", "cancelled", "timed_out", "lost"};
constexpr std::array kKindNames = {"job", "environment", "service"};

}  // namespace

std::string work_key(std::string_view prefix, WorkloadId id) { return fmt::format("{}{:016x}", prefix, id); }

std::optional<WorkloadId> id_of_key(std::string_view key, std::string_view prefix) {
  if (!key.starts_with(prefix) || key.size() != prefix.size() + 16) return std::nullopt;
  WorkloadId id = 0;
  for (const char c : key.substr(prefix.size())) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    id = id << 4 | static_cast<unsigned>(digit);
  }
  return id;
}

const char* name_of(WorkKind kind) { return kKindNames.at(static_cast<std::size_t>(kind)); }

Result<WorkKind> parse_work_kind(std::string_view name) {
  const auto found = std::ranges::find(kKindNames, name);
  if (found == kKindNames.end())
    return failure(ErrorCode::kInvalidArgument, fmt::format("no kind of work: '{}'", name));
  return static_cast<WorkKind>(found - kKindNames.begin());
}

const char* name_of(WorkState state) { return kStateNames.at(static_cast<std::size_t>(state)); }

Result<WorkState> parse_work_state(std::string_view name) {
  const auto found = std::ranges::find(kStateNames, name);
  if (found == kStateNames.end())
    return failure(ErrorCode::kInvalidArgument, fmt::format("no state of work: '{}'", name));
  return static_cast<WorkState>(found - kStateNames.begin());
}

}  // namespace millrace::control
