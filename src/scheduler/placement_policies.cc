#include "scheduler/placement_policies.h"

#include <fmt/format.h>

#include <array>

#include "scheduler/placement/horizon.h"
#include "scheduler/placement/published.h"
#include "scheduler/placement/tightest.h"

namespace millrace::scheduler {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"random",  "dotprod", "clustering", "packing",
                                                    "bestfit", "fgd",     "millrace",   "tightest"};

}  // namespace

std::string_view name_of(PlacementKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

Result<PlacementKind> parse_placement(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<PlacementKind>(i);
  }
  return failure(ErrorCode::kInvalidArgument, fmt::format("placement policy '{}' is not known; there are {}",
                                                          name, fmt::join(kNames, ", ")));
}

std::unique_ptr<PlacementPolicy> make_placement(PlacementKind kind, std::uint64_t seed) {
  switch (kind) {
    case PlacementKind::kRandom:
      return std::make_unique<RandomFit>(seed);
    case PlacementKind::kDotProduct:
      return std::make_unique<DotProductFit>();
    case PlacementKind::kClustering:
      return std::make_unique<GpuClusteringFit>();
    case PlacementKind::kPacking:
      return std::make_unique<GpuPackingFit>();
    case PlacementKind::kBestFit:
      return std::make_unique<BestFit>();
    case PlacementKind::kFgd:
      return std::make_unique<FgdFit>();
    case PlacementKind::kMillrace:
      return std::make_unique<HorizonFit>();
    case PlacementKind::kTightest:
      return std::make_unique<TightestFit>();
  }
  return nullptr;
}

}  // namespace millrace::scheduler
