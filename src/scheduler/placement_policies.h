// The placement policies that there are, by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/result.h"
#include "scheduler/placement.h"

namespace millrace::scheduler {

enum class PlacementKind : std::uint8_t {
  kRandom,
  kDotProduct,
  kClustering,
  kPacking,
  kBestFit,
  kFgd,
  kMillrace,
  kTightest,
};

/// "random", "dotprod", "clustering", "packing", "bestfit", "fgd", "millrace", "tightest".
std::string_view name_of(PlacementKind kind);
/// kInvalidArgument names them all.
Result<PlacementKind> parse_placement(std::string_view name);

/// `seed` matters to kRandom alone. kFgd and kMillrace are blind until they are told what to `expect`.
std::unique_ptr<PlacementPolicy> make_placement(PlacementKind kind, std::uint64_t seed = 1);

}  // namespace millrace::scheduler
