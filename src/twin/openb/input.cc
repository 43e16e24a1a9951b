#include "twin/openb/input.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "host/file.h"
#include "twin/csv.h"

namespace millrace::twin {
namespace {

using scheduler::Demand;
using scheduler::kDevicesMax;
using scheduler::KindIndex;
using scheduler::NodeState;

constexpr std::int64_t kAmountMax = 1'000'000'000;
constexpr std::size_t kKindsMax = 64;

/// Numbers the kinds in the order in which they are first named.
class Kinds {
 public:
  KindIndex index_of(std::string_view name) {
    const auto index = static_cast<std::size_t>(std::ranges::find(names_, name) - names_.begin());
    if (index == names_.size()) names_.emplace_back(name);
    return static_cast<KindIndex>(std::min(index, kKindsMax));
  }

  /// The mask of "V100M16|V100M32"; every kind for "" and "nan".
  std::uint64_t mask_of(std::string_view spec) {
    std::uint64_t mask = 0;
    while (!spec.empty() && spec != "nan") {
      const auto bar = std::min(spec.find('|'), spec.size());
      const auto name = spec.substr(0, bar);
      spec.remove_prefix(std::min(bar + 1, spec.size()));
      const auto index = name.empty() ? kKindsMax : index_of(name);
      if (index < kKindsMax) mask |= std::uint64_t{1} << index;
    }
    return mask == 0 ? ~std::uint64_t{0} : mask;
  }

  bool too_many() const { return names_.size() > kKindsMax; }
  std::vector<std::string> names() && { return std::move(names_); }

 private:
  std::vector<std::string> names_;
};

Result<void> parse_nodes(std::string_view text, const std::string& file, Kinds& kinds, OpenbInput& input) {
  CsvReader csv(text, file, ',', true);
  const auto cpu = csv.column("cpu_milli"), memory = csv.column("memory_mib"), devices = csv.column("gpu"),
             model = csv.column("model");
  while (csv.next()) {
    NodeState node;
    node.cpu_milli_total = node.cpu_milli_free = csv.integer(cpu, 0, kAmountMax);
    node.memory_mib_total = node.memory_mib_free = csv.integer(memory, 0, kAmountMax);
    node.accelerators = static_cast<std::int32_t>(csv.integer(devices, 0, kDevicesMax));
    if (node.accelerators > 0) node.kind = kinds.index_of(csv.text(model));
    std::fill_n(node.device_milli_free.begin(), node.accelerators, std::int16_t{1000});
    input.capacity_milli += 1000 * std::int64_t{node.accelerators};
    input.nodes.push_back(node);
  }
  return csv.finish();
}

auto key_of(const scheduler::TypicalDemand& shape) {
  const auto& demand = shape.demand;
  return std::tuple(demand.cpu_milli, demand.memory_mib, demand.accelerators, demand.accelerator_milli,
                    shape.kinds);
}

Result<void> parse_pods(std::string_view text, const std::string& file, Kinds& kinds, OpenbInput& input) {
  CsvReader csv(text, file, ',', true);
  const auto cpu = csv.column("cpu_milli"), memory = csv.column("memory_mib"),
             devices = csv.column("num_gpu"), milli = csv.column("gpu_milli"), spec = csv.column("gpu_spec");
  std::map<decltype(key_of({})), std::uint32_t> known;
  while (csv.next()) {
    scheduler::TypicalDemand pod;
    pod.weight = 0;
    pod.demand.cpu_milli = csv.integer(cpu, 0, kAmountMax);
    pod.demand.memory_mib = csv.integer(memory, 0, kAmountMax);
    pod.demand.accelerators = static_cast<std::int32_t>(csv.integer(devices, 0, kDevicesMax));
    if (pod.demand.accelerators == 1) {
      pod.demand.accelerator_milli = static_cast<std::int32_t>(csv.integer(milli, 1, 1000));
    }
    if (pod.demand.accelerators > 0) pod.kinds = kinds.mask_of(csv.text(spec));
    const auto [entry, is_new] =
        known.try_emplace(key_of(pod), static_cast<std::uint32_t>(input.shapes.size()));
    if (is_new) input.shapes.push_back(pod);
    ++input.shapes[entry->second].weight;
    input.pods.push_back(entry->second);
  }
  return csv.finish();
}

}  // namespace

std::int64_t asked_milli(const Demand& demand) {
  return std::int64_t{demand.accelerators} * demand.accelerator_milli;
}

Result<OpenbInput> parse_openb(std::string_view nodes, const std::string& nodes_file, std::string_view pods,
                               const std::string& pods_file) {
  OpenbInput input;
  Kinds kinds;
  TRY_VOID(parse_nodes(nodes, nodes_file, kinds, input));
  TRY_VOID(parse_pods(pods, pods_file, kinds, input));
  if (kinds.too_many()) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("{} and {} name more than {} kinds of accelerators", nodes_file, pods_file, kKindsMax));
  }
  input.kinds = std::move(kinds).names();
  if (input.capacity_milli == 0) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}: no node has an accelerator", nodes_file));
  }
  if (std::ranges::none_of(input.shapes, [](const auto& shape) { return shape.demand.accelerators > 0; })) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("{}: no pod asks for an accelerator", pods_file));
  }
  return input;
}

Result<OpenbInput> read_openb(const std::string& nodes_path, const std::string& pods_path) {
  const auto nodes = TRY(host::read_file(nodes_path));
  const auto pods = TRY(host::read_file(pods_path));
  return parse_openb(nodes, nodes_path, pods, pods_path);
}

std::vector<std::uint32_t> draw_arrivals(const OpenbInput& input, double inflate, Rng& rng) {
  auto arrivals = input.pods;
  shuffle(arrivals, rng);
  std::int64_t asked = 0;
  for (const auto shape : arrivals) asked += asked_milli(input.shapes[shape].demand);
  const double target = inflate * static_cast<double>(input.capacity_milli);
  while (static_cast<double>(asked) > target) {
    const auto at = static_cast<std::ptrdiff_t>(rng.next() % arrivals.size());
    asked -= asked_milli(input.shapes[arrivals[static_cast<std::size_t>(at)]].demand);
    arrivals.erase(arrivals.begin() + at);
  }
  for (;;) {
    const auto shape = input.pods[rng.next() % input.pods.size()];
    const auto& demand = input.shapes[shape].demand;
    const auto one_device = demand.accelerators > 0 ? demand.accelerator_milli : 0;
    if (static_cast<double>(asked + one_device) > target) return arrivals;
    asked += asked_milli(demand);
    arrivals.push_back(shape);
  }
}

}  // namespace millrace::twin
