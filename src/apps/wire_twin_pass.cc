#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/pass.h"

namespace millrace::apps {
namespace {

struct Line {
  twin::PassOptions options;
  bool json = false;
};

std::string shown(const std::optional<double>& ms, int decimals) {
  return ms ? fmt::format("{:.{}f}", *ms, decimals) : "-";
}

void print(const twin::PassResult& result) {
  cli::print_table({"cold ms", "pass ms", "event ms", "started", "held", "promised"},
                   {{shown(result.cold_ms, 2), shown(result.pass_ms, 2), shown(result.event_ms, 4),
                     fmt::format("{}", result.started), fmt::format("{}", result.held),
                     fmt::format("{}", result.promised)}});
}

int run(const Line& line) {
  const host::SystemClock clock;
  return show(twin::run_pass(line.options, clock, {}), line.json, print);
}

}  // namespace

void add_twin_pass(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command =
      twin.add_subcommand("pass", "what one scheduling pass costs on a full cluster with a long queue");
  auto& options = line->options;
  command->add_option("--nodes", options.nodes, "nodes of the cluster")->capture_default_str();
  command->add_option("--accelerators", options.accelerators, "accelerators of each node")
      ->capture_default_str();
  command->add_option("--pending", options.pending, "jobs that wait")->capture_default_str();
  command->add_option("--reservations", options.reservations, "waiting jobs that are promised a start")
      ->capture_default_str();
  add_seed(*command, options.seed, "of the mix of jobs");
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace millrace::apps
