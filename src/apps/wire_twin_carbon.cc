#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/carbon.h"

namespace millrace::apps {
namespace {

struct Line {
  twin::CarbonOptions options;
  std::string policy = "history";
  bool json = false;
};

void print(const twin::CarbonResult& result) {
  const auto& options = result.options;
  const auto share =
      result.share_of_oracle ? fmt::format("{:.3f}", *result.share_of_oracle) : std::string("-");
  cli::print_table(
      {"zone", "policy", "job h", "slack h", "jobs", "saved %", "oracle %", "share of oracle"},
      {{options.zone, std::string(twin::name_of(options.policy)), fmt::format("{}", options.job_hours),
        fmt::format("{}", options.slack_hours), fmt::format("{}", result.jobs),
        fmt::format("{:.2f}", result.saving_pct), fmt::format("{:.2f}", result.oracle_saving_pct), share}});
  fmt::print("forecast by: {}\n", result.forecaster);
}

int run(Line& line) {
  const auto policy = twin::parse_carbon_policy(line.policy);
  if (!policy) return cli::report(policy.error());
  line.options.policy = *policy;
  return show(with_progress([&](const Clock&, const twin::Progress& progress) {
                return twin::run_carbon(line.options, progress);
              }),
              line.json, print);
}

}  // namespace

void add_twin_carbon(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command =
      twin.add_subcommand("carbon", "what waiting for clean hours saves: one job at every hour of a year");
  auto& options = line->options;
  command
      ->add_option(
          "--intensity", options.intensity,
          "CSV: the hours in UTC, then a column for each zone in gCO2e/kWh (or a price); the year wraps")
      ->required();
  command->add_option("--zone", options.zone, "column of that file, e.g. FR")->required();
  command->add_option("--job-hours", options.job_hours, "length of a job, which draws constant power")
      ->capture_default_str();
  command
      ->add_option("--slack-hours", options.slack_hours,
                   "time that a job may lose by waiting, on top of its length")
      ->capture_default_str();
  command->add_flag("--interruptible", options.interruptible,
                    "a job may stop and go on; without it only its start moves");
  command
      ->add_option("--policy", line->policy,
                   "now: never waits; history: knows the hours before; forecast: and the next 24 hours; "
                   "oracle: all hours")
      ->capture_default_str();
  command
      ->add_option("--error-pct", options.error_pct,
                   "standard deviation of an error of the forecast hours, in % of the true value (with "
                   "history: of the "
                   "observed hours)")
      ->capture_default_str();
  add_seed(*command, options.seed, "seed of that error");
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace millrace::apps
