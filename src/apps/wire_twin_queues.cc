#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/queues.h"

namespace millrace::apps {
namespace {

struct Line {
  std::string config;
  bool json = false;
};

void print(const twin::QueuesResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& one : result.classes) {
    rows.push_back({one.name, fmt::format("{}", one.workloads), fmt::format("{:.2f}", one.admission_mean_s),
                    fmt::format("{:.2f}", one.admission_max_s)});
  }
  cli::print_table({"class", "workloads", "admission mean s", "max s"}, rows);
  fmt::print(
      "makespan {:.1f} s (bound {:.1f} s), usage {:.1f} %, {} preemptions, {} starts; {:.0f} workloads/s in "
      "real time\n",
      result.makespan_s, result.bound_s, result.usage_pct, result.preemptions, result.starts,
      result.decisions_per_s);
}

int run(const Line& line) {
  const auto config = twin::read_queues_config(line.config);
  if (!config) return cli::report(config.error());
  return show(with_progress([&](const Clock& clock, const twin::Progress& progress) {
                return twin::run_queues(*config, clock, progress);
              }),
              line.json, print);
}

}  // namespace

void add_twin_queues(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command = twin.add_subcommand(
      "queues", "cohorts, queues and quotas at scale: waits by class, usage, decisions/s");
  command->add_option("config", line->config, "TOML file; examples/queues-baseline.toml shows every key")
      ->required();
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace millrace::apps
