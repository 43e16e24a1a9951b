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
