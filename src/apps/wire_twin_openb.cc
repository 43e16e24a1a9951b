#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/openb.h"

namespace millrace::apps {
namespace {

struct Line {
  twin::OpenbOptions options;
  std::string policy = "millrace";
  std::string seeds = "42-51";
  bool json = false;
};

std::string policy_names() {
  std::string names;
  for (int i = 0; i <= static_cast<int>(scheduler::PlacementKind::kTightest); ++i) {
    if (i > 0) names += ", ";
    names += scheduler::name_of(static_cast<scheduler::PlacementKind>(i));
  }
  return names;
}

std::string shown(const twin::OpenbFigure& figure) {
  return fmt::format("{:.2f} ± {:.2f}", figure.mean, figure.stdev);
}

void print(const twin::OpenbResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& mark : result.marks) {
    rows.push_back({std::string(scheduler::name_of(result.options.policy)),
                    fmt::format("{}", mark.demand_pct), shown(mark.allocation_pct),
                    shown(mark.fragmentation_pct), fmt::format("{:.2f}", result.seconds_per_run)});
  }
  cli::print_table({"policy", "demand %", "allocated %", "fragmented %", "s a run"}, rows);
}

int run(Line& line) {
  const auto policy = scheduler::parse_placement(line.policy);
  if (!policy) return cli::report(policy.error());
  const auto seeds = twin::parse_seeds(line.seeds);
  if (!seeds) return cli::report(seeds.error());
  line.options.policy = *policy;
  line.options.seeds = *seeds;
  return show(with_progress([&](const Clock& clock, const twin::Progress& progress) {
                return twin::run_openb(line.options, clock, progress);
              }),
              line.json, print);
}

}  // namespace

void add_twin_openb(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command =
      twin.add_subcommand("openb", "how well a placement policy fills a cluster: pods come and never leave");
  auto& options = line->options;
  command->add_option("--nodes", options.nodes, "CSV with cpu_milli, memory_mib, gpu and model of each node")
      ->required();
  command
      ->add_option(
          "--pods", options.pods,
          "CSV with cpu_milli, memory_mib, num_gpu, gpu_milli and gpu_spec (kinds, as in A|B) of each pod")
      ->required();
  command->add_option("--policy", line->policy, policy_names())->capture_default_str();
  command
      ->add_option("--inflate", options.inflate,
                   "accelerators asked for by all arrivals, over those that there are")
      ->capture_default_str();
  command->add_option("--seeds", line->seeds, "one run for each of FIRST-LAST")->capture_default_str();
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace millrace::apps
