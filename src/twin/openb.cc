#include "twin/openb.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "scheduler/fragmentation.h"
#include "twin/openb/input.h"
#include "twin/openb/placer.h"

namespace millrace::twin {
namespace {

constexpr std::uint64_t kSeedsMax = 10'000;
constexpr double kInflateMin = 0.01, kInflateMax = 10;

/// Sums over the arrivals that belong to a mark.
struct Sum {
  std::int64_t demand_pct = 0;
  bool reached = false;
  std::int64_t count = 0;
  double allocation_pct = 0, fragmentation_pct = 0;

  double allocation() const { return allocation_pct / static_cast<double>(count); }
  double fragmentation() const { return fragmentation_pct / static_cast<double>(count); }
};

struct Run {
  std::vector<Sum> marks;
  std::int64_t arrived = 0, refused = 0;
};

/// What the typical pods cannot use, kept up to date node by node.
class Unusable {
 public:
  Unusable(const scheduler::Fragmentation& fragmentation, const std::vector<scheduler::NodeState>& nodes)
      : fragmentation_(fragmentation), of_node_(nodes.size()) {
    for (std::size_t i = 0; i < nodes.size(); ++i) update(i, nodes[i]);
  }
  void update(std::size_t index, const scheduler::NodeState& node) {
    total_ -= of_node_[index];
    of_node_[index] = fragmentation_.unusable(scheduler::free_of(node));
    total_ += of_node_[index];
  }
  /// In thousandths of a device.
  double milli() const { return static_cast<double>(total_) / static_cast<double>(fragmentation_.weight()); }

 private:
  const scheduler::Fragmentation& fragmentation_;
  std::vector<std::int64_t> of_node_;
  std::int64_t total_ = 0;
};

std::vector<Sum> marks_of(double inflate) {
  const auto end = std::llround(inflate * 100);
  std::vector<Sum> marks;
  for (const std::int64_t of_study : {100, 130}) {
    if (end > of_study) marks.push_back({.demand_pct = of_study});
  }
  marks.push_back({.demand_pct = end});
  return marks;
}

Run run_once(const OpenbInput& input, const OpenbOptions& options, std::uint64_t seed) {
  SeededRng rng(seed);
  const auto arrivals = draw_arrivals(input, options.inflate, rng);
  auto nodes = input.nodes;
  shuffle(nodes, rng);  // equal scores go to the first
  const auto policy = scheduler::make_placement(options.policy, rng.next());
  policy->expect(input.shapes);
  const scheduler::Fragmentation fragmentation(
      scheduler::most_common(input.shapes, scheduler::kTypicalPercent));
  Placer placer(std::move(nodes), input.shapes, *policy);
  Unusable unusable(fragmentation, placer.nodes());

  Run run{.marks = marks_of(options.inflate), .arrived = static_cast<std::int64_t>(arrivals.size())};
  const auto capacity = static_cast<double>(input.capacity_milli);
  std::int64_t asked = 0, granted = 0;
  for (const auto shape : arrivals) {
    const auto milli = asked_milli(input.shapes[shape].demand);
    asked += milli;
    if (const auto placed = placer.place(shape)) {
      granted += milli;
      unusable.update(placed->node, placer.nodes()[placed->node]);
    } else {
      ++run.refused;
    }
    const auto asked_pct = std::llround(100 * static_cast<double>(asked) / capacity);
    for (auto& mark : run.marks) {
      if (asked_pct > mark.demand_pct) continue;
      // Where a small cluster jumps over the mark, the last state before it counts.
      const bool reached = asked_pct == mark.demand_pct;
      if (!mark.reached) mark = Sum{.demand_pct = mark.demand_pct, .reached = reached};
      ++mark.count;
      mark.allocation_pct += 100 * static_cast<double>(granted) / capacity;
      mark.fragmentation_pct += 100 * unusable.milli() / capacity;
    }
  }
  return run;
}

OpenbFigure figure_of(const std::vector<Run>& runs, auto&& value) {
  OpenbFigure figure;
  const auto count = static_cast<double>(runs.size());
  for (const auto& run : runs) figure.mean += value(run) / count;
  for (const auto& run : runs) {
    const double off = value(run) - figure.mean;
    figure.stdev += off * off;
  }
  figure.stdev = runs.size() > 1 ? std::sqrt(figure.stdev / (count - 1)) : 0;
  return figure;
}

Result<void> check(const OpenbOptions& options) {
  if (!(options.inflate >= kInflateMin && options.inflate <= kInflateMax)) {
    return failure(ErrorCode::kInvalidArgument, fmt::format("inflate is {}; it must be in {} to {}",
                                                            options.inflate, kInflateMin, kInflateMax));
  }
  if (options.seeds.last < options.seeds.first || options.seeds.last - options.seeds.first >= kSeedsMax) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("seeds {}-{}: want a first, and a last not before it, at most {} in all",
                               options.seeds.first, options.seeds.last, kSeedsMax));
  }
  return {};
}

void add_means(const std::vector<Run>& runs, OpenbResult& result) {
  for (std::size_t i = 0; i < runs.front().marks.size(); ++i) {
    result.marks.push_back(
        {.demand_pct = runs.front().marks[i].demand_pct,
         .allocation_pct = figure_of(runs, [i](const Run& run) { return run.marks[i].allocation(); }),
         .fragmentation_pct = figure_of(runs, [i](const Run& run) { return run.marks[i].fragmentation(); })});
  }
  result.arrived = figure_of(runs, [](const Run& run) { return static_cast<double>(run.arrived); });
  result.refused = figure_of(runs, [](const Run& run) { return static_cast<double>(run.refused); });
}

}  // namespace

Result<SeedRange> parse_seeds(std::string_view text) {
  SeedRange seeds;
  const char* const end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, seeds.first);
  seeds.last = seeds.first;
  if (error == std::errc{} && at != end && *at == '-') {
    const auto [after, error_last] = std::from_chars(at + 1, end, seeds.last);
    at = after;
    error = error_last;
  }
  if (error != std::errc{} || at != end || seeds.last < seeds.first ||
      seeds.last - seeds.first >= kSeedsMax) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("seeds '{}': want FIRST-LAST or one number, at most {} in all; for example 42-51", text,
                    kSeedsMax));
  }
  return seeds;
}

Result<OpenbResult> run_openb(const OpenbOptions& options, const Clock& clock, const Progress& progress) {
  TRY_VOID(check(options));
  const auto input = TRY(read_openb(options.nodes, options.pods));
  const auto count = options.seeds.last - options.seeds.first + 1;
  const auto begun = clock.monotonic();
  std::vector<Run> runs;
  for (std::uint64_t i = 0; i < count; ++i) {
    runs.push_back(run_once(input, options, options.seeds.first + i));
    if (progress)
      progress(static_cast<double>(i + 1) / static_cast<double>(count), scheduler::name_of(options.policy));
  }
  const std::chrono::duration<double> spent = clock.monotonic() - begun;

  OpenbResult result;
  result.options = options;
  result.nodes = static_cast<std::int64_t>(input.nodes.size());
  result.accelerators = input.capacity_milli / 1000;
  result.pods = static_cast<std::int64_t>(input.pods.size());
  result.shapes = static_cast<std::int64_t>(input.shapes.size());
  result.seconds_per_run = spent.count() / static_cast<double>(count);
  add_means(runs, result);
  return result;
}

boost::json::object to_json(const OpenbResult& result) {
  boost::json::object allocation, fragmentation, allocation_stdev, fragmentation_stdev;
  for (const auto& mark : result.marks) {
    const auto key = fmt::format("{}", mark.demand_pct);
    allocation[key] = mark.allocation_pct.mean;
    fragmentation[key] = mark.fragmentation_pct.mean;
    allocation_stdev[key] = mark.allocation_pct.stdev;
    fragmentation_stdev[key] = mark.fragmentation_pct.stdev;
  }
  // The marks of the study are always there.
  for (const char* key : {"100", "130"}) {
    for (auto* figures : {&allocation, &fragmentation, &allocation_stdev, &fragmentation_stdev})
      if (!figures->contains(key)) (*figures)[key] = nullptr;
  }
  return {{"policy", scheduler::name_of(result.options.policy)},
          {"inflate", result.options.inflate},
          {"seeds", boost::json::array{result.options.seeds.first, result.options.seeds.last}},
          {"nodes", result.nodes},
          {"accelerators", result.accelerators},
          {"pods", result.pods},
          {"shapes", result.shapes},
          {"allocation_pct", std::move(allocation)},
          {"fragmentation_pct", std::move(fragmentation)},
          {"arrived", result.arrived.mean},
          {"refused", result.refused.mean},
          {"seconds_per_run", result.seconds_per_run},
          {"stdev", boost::json::object{{"allocation_pct", std::move(allocation_stdev)},
                                        {"fragmentation_pct", std::move(fragmentation_stdev)},
                                        {"arrived", result.arrived.stdev},
                                        {"refused", result.refused.stdev}}}};
}

}  // namespace millrace::twin
